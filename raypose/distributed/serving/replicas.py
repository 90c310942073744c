"""The replicas of a service, and the pods that hold them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from raypose.config.sections import ReplicasSection, ServeSection
from raypose.errors import ConfigError

# CPUs of a replica that does not say.
_CPUS = 1.0
# Memory of a replica, model and images together; a pod has 2 more for Ray itself.
_MEMORY_GIB = 3
# CPUs of a pod without a GPU, unless one replica needs more.
_POD_CPUS = 4


def deployed(section: ServeSection) -> dict[str, ReplicasSection]:
    """Return the deployments of a section by their keys."""
    if section.topology == "fused":
        return {"pose": section.pose}
    stages: dict[str, ReplicasSection | None] = {
        "ingress": section.ingress,
        "detector": section.detector,
        "pose": section.pose,
        "lifter": section.lifter,
    }
    return {name: stage for name, stage in stages.items() if stage is not None}


def with_own_cpus(section: ServeSection) -> ServeSection:
    """Return the section with CPUs for each replica that does not say what it needs.

    A share of the cluster is of no use where the cluster is made for the replicas.
    """
    changes: dict[str, Any] = {
        name: stage.model_copy(update={"num_cpus": _CPUS})
        for name, stage in deployed(section).items()
        if stage.num_cpus is None
    }
    return section.model_copy(update=changes)


@dataclass(frozen=True, kw_only=True)
class PodGroup:
    """Pods of one size.

    Attributes:
        name: `gpu` or `cpu`.
        cpus: of a pod.
        gpus: of a pod.
        memory_gib: of a pod.
        fewest: how many there are at the start, and the fewest while they follow the load.
        most: the most while they follow the load.
    """

    name: str
    cpus: int
    gpus: int
    memory_gib: int
    fewest: int
    most: int


def pods_for(section: ServeSection) -> list[PodGroup]:
    """Return groups of pods that hold the replicas of a section, those with GPUs first.

    Every pod has room for a number of the largest replicas: then all find their place in
    whatever order Ray Serve starts them. A replica that owns nothing needs no pod of its own.

    Args:
        section: what is served, with CPUs for every replica (see `with_own_cpus`).

    Raises:
        ConfigError: if no replica owns anything.
    """
    stages = deployed(section).values()
    with_gpu = [stage for stage in stages if stage.num_gpus > 0]
    without = [stage for stage in stages if stage.num_gpus == 0 and stage.num_cpus]
    groups = [_group(name, each) for name, each in (("gpu", with_gpu), ("cpu", without)) if each]
    if not groups:
        raise ConfigError("serve: no stage asks for CPUs or GPUs; say how many in pose.num_cpus")
    return groups


def _group(name: str, stages: Sequence[ReplicasSection]) -> PodGroup:
    fewest = sum(stage.fewest_replicas for stage in stages)
    most = sum(_most_replicas(stage) for stage in stages)
    cpus = max(stage.num_cpus or 0.0 for stage in stages)
    gpus = max(stage.num_gpus for stage in stages)
    if gpus > 0:
        held = max(1, math.floor(1 / gpus + 1e-6))
    else:
        held = max(1, math.floor(_POD_CPUS / cpus + 1e-6))
    held = min(held, most)
    return PodGroup(
        name=name,
        cpus=max(1, math.ceil(held * cpus)),
        gpus=math.ceil(gpus),
        memory_gib=2 + held * _MEMORY_GIB,
        fewest=math.ceil(fewest / held),
        most=math.ceil(most / held),
    )


def _most_replicas(stage: ReplicasSection) -> int:
    return stage.num_replicas if stage.autoscaling is None else stage.autoscaling.max_replicas
