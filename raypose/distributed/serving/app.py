"""The application: which deployments there are, what they hold, and how it starts and stops."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any

from ray import serve
from ray.serve.config import AutoscalingConfig, BackpressureConfig

from raypose.config.sections import PoseStageSection, ReplicasSection, ServeSection
from raypose.distributed.serving.api_key import with_api_key
from raypose.distributed.serving.deployments import (
    DetectorDeployment,
    LifterDeployment,
    PoseDeployment,
)
from raypose.distributed.serving.models import (
    load_served_detector,
    load_served_lifter,
    load_served_pose,
)
from raypose.distributed.serving.proxy import environment
from raypose.distributed.serving.records import Description
from raypose.distributed.serving.topologies import ChainIngress, FusedIngress
from raypose.distributed.session import ClusterSize
from raypose.errors import ConfigError, RayposeError
from raypose.inference.lift_stage import LiftStage
from raypose.inference.pose_stage import PoseStage

NAME = "raypose"
# What a running replica takes over without being replaced.
_LIVE = {
    "detector": {
        "max_batch_size",
        "batch_wait_timeout_s",
        "bbox_thr",
        "nms_thr",
        "max_instances",
    },
    "pose": {"max_batch_size", "batch_wait_timeout_s"},
    "lifter": {"max_batch_size", "batch_wait_timeout_s"},
}
# What Ray Serve changes while replicas run.
_NUMBER = {"num_replicas", "autoscaling"}
_LIVE_LIMITS = {
    "max_image_bytes",
    "max_image_pixels",
    "max_images",
    "max_request_bytes",
    "max_instances",
    "max_lift_frames",
    "request_timeout_s",
    "stream",
}


def run(section: ServeSection) -> None:
    """Start serving on the cluster this process has joined; returns once requests are answered.

    Where it is served already, what can be changed while it runs (limits, thresholds, sizes of
    batches, numbers of replicas) is changed without a break; other replicas are replaced one by
    one.

    Raises:
        RayposeError: if a model cannot be loaded, models do not fit together, or the replicas ask
            for more CPUs than there are.
    """
    app = build_app(section, ClusterSize.current().cpus)
    start(section)
    try:
        serve.run(app, name=NAME, route_prefix="/")
    except RuntimeError as error:
        reasons = _failures()
        if not reasons:
            raise
        raise RayposeError(f"serve: {error}\n{reasons}") from error


def start(section: ServeSection) -> None:
    """Start what listens for requests, on an address of a section; where it runs it stays."""
    serve.start(
        http_options={
            "host": section.host,
            "port": section.port,
            "request_timeout_s": section.request_timeout_s + 5,
        },
        logging_config={"enable_access_log": False},
        controller_options={"runtime_env": {"env_vars": environment(section)}},
    )


def stop(patience_s: float = 30.0) -> None:
    """Take it down: no new requests, and those that have come get their answers first.

    Args:
        patience_s: seconds they have for it.
    """
    ingress = serve.get_app_handle(NAME)
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        drained = ingress.broadcast("drain").results(timeout_s=patience_s)
        if all(drained):
            break
        time.sleep(0.1)
    serve.delete(NAME)


def build_app(section: ServeSection, cpus: float) -> serve.Application:
    """Bind the deployments, after every model has been loaded here once.

    Replicas that cannot start are tried again and again; a mistake is better told at once.

    Args:
        section: what is served and how.
        cpus: CPUs of the cluster, to share out among replicas that do not say what they need.

    Raises:
        RayposeError: see `run`.
    """
    section = with_api_key(section)
    about = _describe(section)
    if section.topology == "fused":
        share = _cpu_share([section.pose], cpus)
        fused = _deploy(FusedIngress, section.pose, share, _live(section), _fixed(section))
        return fused.bind(section, about)
    stages = [s for s in (section.pose, section.detector, section.lifter) if s is not None]
    share = _cpu_share([*stages, section.ingress], cpus)

    def stage(cls: type, name: str, *arguments: Any) -> Any:
        options = getattr(section, name)
        live = options.model_dump(include=_LIVE[name])
        fixed = repr((options.model_dump(exclude=_LIVE[name] | _NUMBER), arguments))
        return _deploy(cls, options, share, live, fixed).bind(options, *arguments)

    pose = stage(_pose_deployment(section.pose), "pose")
    detector = lifter = None
    if section.detector is not None:
        detector = stage(DetectorDeployment, "detector")
    if section.lifter is not None:
        lifter = stage(LifterDeployment, "lifter", about.models[about.default]["skeleton"])
    ingress = _deploy(ChainIngress, section.ingress, share, _live(section), _fixed(section))
    return ingress.bind(section, about, pose, detector, lifter)


def _failures() -> str:
    """Return what the replicas that did not start have to say; empty if there are none."""
    application = serve.status().applications.get(NAME)
    deployments = {} if application is None else application.deployments
    return "\n".join(
        f"{name}: {about.message}"
        for name, about in deployments.items()
        if about.status in ("DEPLOY_FAILED", "UNHEALTHY") and about.message
    )


def _pose_deployment(section: PoseStageSection) -> type:
    """Return the deployment, with models that come and go if there are several."""
    if len(section.named_models) == 1:
        return PoseDeployment
    load = serve.multiplexed(max_num_models_per_replica=section.max_models)(PoseDeployment.model)
    return type("PoseDeployment", (PoseDeployment,), {"model": load})


def _deploy(
    cls: type, section: ReplicasSection, cpu_share: float, live: dict[str, Any], fixed: str
) -> Any:
    """Return a deployment.

    Args:
        cls: of its replicas.
        section: how many there are and what they own.
        cpu_share: CPUs of a replica that does not say.
        live: what running replicas take over.
        fixed: what they do not; where it differs they are replaced.
    """
    number: dict[str, Any] = {"num_replicas": section.num_replicas}
    if section.autoscaling is not None:
        number = {"autoscaling_config": AutoscalingConfig(**section.autoscaling.model_dump())}
    cpus = cpu_share if section.num_cpus is None else section.num_cpus
    return serve.deployment(
        cls
    ).options(  # type: ignore[attr-defined]
        **number,
        # Without a version every deployment counts as changed, and all replicas are replaced.
        _internal=True,
        version=hashlib.sha256(fixed.encode()).hexdigest()[:16],
        user_config=live,
        max_ongoing_requests=section.max_ongoing_requests,
        max_queued_requests=section.max_queued_requests,
        ray_actor_options={"num_cpus": cpus, "num_gpus": section.num_gpus},
        health_check_period_s=section.health_check_period_s,
        health_check_timeout_s=section.health_check_timeout_s,
        graceful_shutdown_timeout_s=section.graceful_shutdown_timeout_s,
        backpressure_config=BackpressureConfig(retry_after_s=1),
    )


def _live(section: ServeSection) -> dict[str, Any]:
    """Return what a running ingress takes over, the thresholds of fused stages among it."""
    live = section.model_dump(include=_LIVE_LIMITS)
    if section.topology == "fused":
        live["pose"] = section.pose.model_dump(include=_LIVE["pose"])
        if section.detector is not None:
            # How long to wait for more images is said by the pose section there.
            thresholds = _LIVE["detector"] - {"batch_wait_timeout_s"}
            live["detector"] = section.detector.model_dump(include=thresholds)
    return live


def _fixed(section: ServeSection) -> str:
    """Return all else that an ingress depends on."""
    if section.topology == "chain":
        left_out = dict.fromkeys(_LIVE_LIMITS | set(_LIVE), True)
        rest = section.model_dump(exclude={**left_out, "ingress": _NUMBER})
        stages = [section.detector is not None, section.lifter is not None]
        return repr((rest, stages, list(section.pose.named_models)))
    stages = {name: keys | _NUMBER for name, keys in _LIVE.items()}
    return repr(section.model_dump(exclude={**dict.fromkeys(_LIVE_LIMITS, True), **stages}))


def _cpu_share(deployments: Sequence[ReplicasSection], cpus: float) -> float:
    """Return the CPUs of a replica that does not say; replicas without a CPU wait for ever."""
    fixed = sum(d.fewest_replicas * d.num_cpus for d in deployments if d.num_cpus is not None)
    if fixed > cpus:
        raise RayposeError(
            f"serve: the replicas ask for {fixed:g} CPUs, the cluster has {cpus:g}; lower "
            "num_cpus or num_replicas of the stages"
        )
    open_replicas = sum(max(d.fewest_replicas, 1) for d in deployments if d.num_cpus is None)
    return min(1.0, (cpus - fixed) / open_replicas) if open_replicas else 1.0


def _describe(section: ServeSection) -> Description:
    """Load every model once, and return what they are."""
    try:
        named = section.pose.named_models
    except ValueError as error:
        raise ConfigError("serve.pose: a model needs 'config', or 'weights'") from error
    stages = {name: load_served_pose(model, section.pose) for name, model in named.items()}
    if section.detector is not None:
        if all(stage.crop.whole_image for stage in stages.values()):
            raise ConfigError(
                "serve.detector: a bottom-up model finds the people itself; leave the detector out"
            )
        load_served_detector(section.detector)
    return Description(
        models={name: _about(stage) for name, stage in stages.items()},
        detector=section.detector is not None,
        lifter=_about_lifter(section, next(iter(stages.values()))),
        topology=section.topology,
    )


def _about(stage: PoseStage) -> dict[str, Any]:
    skeleton = stage.estimator.skeleton
    return {
        "skeleton": {} if skeleton is None else skeleton.to_dict(),
        "whole_image": stage.crop.whole_image,
    }


def _about_lifter(section: ServeSection, pose: PoseStage) -> dict[str, Any] | None:
    if section.lifter is None:
        return None
    skeleton = pose.estimator.skeleton
    if skeleton is None:
        raise ConfigError("serve.lifter: the pose model does not say what its skeleton is")
    stage: LiftStage = load_served_lifter(section.lifter, skeleton)
    windows = stage.windows(causal=True)
    return {
        "skeleton": stage.skeleton.to_dict(),
        "unit": stage.unit,
        "num_frames": windows.num_frames,
        "target": windows.target,
        "step": windows.step,
    }
