"""The served chain: Ingress -> Detector -> Pose -> Lifter, each scaling and batching alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray import serve
from ray.serve.config import BackpressureConfig

from raypose.config.sections import ServeSection, StageSection
from raypose.distributed.serving.deployments import (
    DetectorDeployment,
    LifterDeployment,
    PoseDeployment,
    load_served_detector,
    load_served_pose,
)
from raypose.distributed.serving.ingress import Ingress
from raypose.distributed.session import ClusterSize
from raypose.errors import ConfigError, RayposeError
from raypose.inference.loading import load_lift_stage

NAME = "raypose"
# Requests that the ingress holds: it only waits for the models, which have queues of their own.
_HELD, _WAITING = 256, 256


def run(section: ServeSection) -> None:
    """Start serving on the cluster this process has joined; returns once requests are answered.

    Raises:
        RayposeError: if a model cannot be loaded, models do not fit together, or the replicas ask
            for more CPUs than there are.
    """
    app = build_app(section, ClusterSize.current().cpus)
    serve.start(
        http_options={
            "host": section.host,
            "port": section.port,
            "request_timeout_s": section.request_timeout_s + 5,
        }
    )
    serve.run(app, name=NAME, route_prefix="/")


def stop() -> None:
    """Take the chain down."""
    serve.delete(NAME)


def build_app(section: ServeSection, cpus: float) -> serve.Application:
    """Bind the chain, after every model has been loaded here once.

    Replicas that cannot start are tried again and again; a mistake is better told at once.

    Args:
        section: what is served and how.
        cpus: CPUs of the cluster, to share out among stages that do not say what they need.

    Raises:
        RayposeError: see `run`.
    """
    stages: list[StageSection] = [section.pose]
    stages += [stage for stage in (section.detector, section.lifter) if stage is not None]
    share = _cpu_share(stages, cpus)
    skeleton = _check_models(section)
    pose = _deploy(PoseDeployment, section.pose, share).bind(section.pose)
    detector = lifter = None
    if section.detector is not None:
        detector = _deploy(DetectorDeployment, section.detector, share).bind(section.detector)
    if section.lifter is not None:
        lifter = _deploy(LifterDeployment, section.lifter, share).bind(section.lifter, skeleton)
    ingress = serve.deployment(Ingress).options(  # type: ignore[attr-defined]
        ray_actor_options={"num_cpus": 0, "num_gpus": 0},
        max_ongoing_requests=_HELD,
        max_queued_requests=_WAITING,
        backpressure_config=BackpressureConfig(retry_after_s=1),
    )
    return ingress.bind(section, pose, detector, lifter)


def _cpu_share(stages: Sequence[StageSection], cpus: float) -> float:
    """Return the CPUs of a replica that does not say; replicas without a CPU wait for ever."""
    fixed = sum(s.num_replicas * s.num_cpus for s in stages if s.num_cpus is not None)
    if fixed > cpus:
        raise RayposeError(
            f"serve: the replicas ask for {fixed:g} CPUs, the cluster has {cpus:g}; lower "
            "num_cpus or num_replicas of the stages"
        )
    open_replicas = sum(s.num_replicas for s in stages if s.num_cpus is None)
    return min(1.0, (cpus - fixed) / open_replicas) if open_replicas else 1.0


def _check_models(section: ServeSection) -> dict[str, Any] | None:
    """Load every model; returns the skeleton of the poses as a plain mapping."""
    stage = load_served_pose(section.pose)
    skeleton = stage.estimator.skeleton
    if section.detector is not None:
        if stage.crop.whole_image:
            raise ConfigError(
                "serve.detector: a bottom-up model finds the people itself; leave the detector out"
            )
        load_served_detector(section.detector)
    if section.lifter is not None:
        if skeleton is None:
            raise ConfigError("serve.lifter: the pose model does not say what its skeleton is")
        load_lift_stage(section.lifter.source, skeleton, section.lifter.weights)
    return None if skeleton is None else skeleton.to_dict()


def _deploy(cls: type, section: StageSection, cpu_share: float) -> Any:
    cpus = cpu_share if section.num_cpus is None else section.num_cpus
    return serve.deployment(cls).options(  # type: ignore[attr-defined]
        num_replicas=section.num_replicas,
        max_ongoing_requests=section.max_ongoing_requests,
        max_queued_requests=section.max_queued_requests,
        ray_actor_options={"num_cpus": cpus, "num_gpus": section.num_gpus},
    )
