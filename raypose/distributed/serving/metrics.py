"""What `/metrics` tells Prometheus about one replica of the ingress."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class ServeMetrics:
    """Counters of requests, stages and streams, each series under the name of its replica.

    Args:
        replica: a scrape reaches any one replica; its name keeps their counters apart.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, replica: str) -> None:
        self._registry = CollectorRegistry()
        self._replica = replica
        self._requests = Counter(
            "raypose_requests",
            "Requests answered",
            ["replica", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "raypose_stage_seconds",
            "Time in a stage, waiting included",
            ["replica", "stage"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._instances = Counter(
            "raypose_instances", "Instances in the answers", ["replica"], registry=self._registry
        )
        self._frames = Counter(
            "raypose_stream_frames",
            "Frames of streams",
            ["replica", "outcome"],
            registry=self._registry,
        )
        self._streams = Gauge(
            "raypose_streams", "Open streams", ["replica"], registry=self._registry
        )
        self._streams.labels(replica)

    def count_request(self, route: str, status: int) -> None:
        """Count an answer."""
        self._requests.labels(self._replica, route, str(status)).inc()

    def observe(self, timings: Mapping[str, float], instances: int) -> None:
        """Take note of an estimate: milliseconds of its stages and its instances."""
        for stage, milliseconds in timings.items():
            self._seconds.labels(self._replica, stage).observe(milliseconds / 1000)
        self._instances.labels(self._replica).inc(instances)

    def count_frame(self, outcome: str) -> None:
        """Count a frame of a stream: `answered`, `dropped` or `refused`."""
        self._frames.labels(self._replica, outcome).inc()

    def streams(self, change: int) -> None:
        """Take note of streams that open (1) or close (-1)."""
        self._streams.labels(self._replica).inc(change)

    def render(self) -> bytes:
        """Return all of it in the text format of Prometheus."""
        return generate_latest(self._registry)
