"""Joining or starting a Ray cluster."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

import ray
import ray._private.state
import ray.data


@contextlib.contextmanager
def ray_session(address: str | None = None) -> Iterator[None]:
    """Join the running cluster, or start one on this machine for as long as the block lasts.

    Inside a Ray job, or where `RAY_ADDRESS` (or `address`) names a cluster, that one is used;
    a session that exists already is left as it is.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    target = address or os.environ.get("RAY_ADDRESS")
    ray.init(
        address=target or "local",
        # The dashboard costs a quarter of the start-up and half a gigabyte on a laptop.
        include_dashboard=None if target else False,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    quiet_ray_data()
    try:
        yield
    finally:
        ray.shutdown()


def quiet_ray_data() -> None:
    """Leave progress to raypose: in this process Ray Data speaks up only when something fails."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def enter_folder(folder: str) -> None:
    """Work where the driver works, so that relative paths mean the same.

    Ray Train gives each worker a folder of its own, and a cluster that was joined starts tasks
    where its nodes were started. Nodes that do not have the folder stay where they are.
    """
    with contextlib.suppress(OSError):
        os.chdir(folder)


@dataclass(frozen=True, kw_only=True)
class ClusterSize:
    """What all nodes have together, counting those that an autoscaler may still start."""

    cpus: float
    gpus: float

    @classmethod
    def current(cls) -> ClusterSize:
        """Return the size of the cluster this process has joined."""
        now = ray.cluster_resources()
        # Without an autoscaler there is no such plan.
        planned = ray._private.state.state.get_max_resources_from_cluster_config() or {}
        cpus, gpus = (max(now.get(k, 0.0), planned.get(k, 0.0)) for k in ("CPU", "GPU"))
        return cls(cpus=max(float(cpus), 1.0), gpus=float(gpus))
