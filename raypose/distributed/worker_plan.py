"""What each training worker owns, so that all of them find room and data tasks find CPUs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from raypose.config.sections import ClusterSection
from raypose.distributed.budget import CpuBudget
from raypose.distributed.room import cpu_shares, room_for
from raypose.distributed.session import ClusterSize
from raypose.errors import RayposeError

_CPUS = "cluster.resources_per_worker.CPU"


@dataclass(frozen=True, kw_only=True)
class WorkerPlan:
    """What Ray is asked for.

    Attributes:
        use_gpu: whether each worker owns a GPU.
        resources: of each worker, by Ray's names.
        budget: its CPUs, and those of the tasks that feed it.
    """

    use_gpu: bool
    resources: Mapping[str, float]
    budget: CpuBudget


def plan_workers(cluster: ClusterSection, size: ClusterSize, feeds: bool) -> WorkerPlan:
    """Share out a cluster among the workers of a training.

    For a range of workers, the smallest number of them has to find room; what each owns does not
    change when there are more.

    Args:
        cluster: what the config says of them; no workers are planned for like one.
        size: what there is.
        feeds: whether tasks of Ray Data feed them.

    Raises:
        RayposeError: if there is no room for the workers.
    """
    workers = max(cluster.min_workers, 1)
    use_gpu = _use_gpu(cluster, size.gpus)
    wanted = cluster.resources_per_worker.get("CPU")
    budget = CpuBudget.plan(workers, size.cpus, setting=_CPUS, wanted=wanted, feeds=feeds)
    others = {"GPU": 1.0} if use_gpu else {}
    others.update({k: v for k, v in cluster.resources_per_worker.items() if k != "CPU"})
    if cluster.max_workers == 0:
        return WorkerPlan(use_gpu=use_gpu, resources=others, budget=budget)
    shares = [budget.worker_cpus]
    if wanted is None:
        shares = [*cpu_shares(size.nodes, budget.worker_cpus, workers)]
    for share in shares:
        resources = {**others, "CPU": share}
        room = room_for(resources, size.nodes, cluster.placement_strategy)
        if room >= workers:
            budget = replace(budget, worker_cpus=share).spread_over(workers, size.cpus)
            return WorkerPlan(use_gpu=use_gpu, resources=resources, budget=budget)
    raise RayposeError(_no_room(cluster, size, {**others, "CPU": shares[-1]}, workers))


def _use_gpu(cluster: ClusterSection, gpus: float) -> bool:
    if cluster.use_gpu == "auto":
        return gpus >= max(cluster.min_workers, 1)
    if cluster.use_gpu and gpus < cluster.min_workers:
        raise RayposeError(
            f"cluster.use_gpu: {cluster.min_workers} workers need a GPU each, the cluster has "
            f"{gpus:g}; lower cluster.num_workers or set cluster.use_gpu to false"
        )
    return cluster.use_gpu


def _no_room(
    cluster: ClusterSection, size: ClusterSize, bundle: Mapping[str, float], workers: int
) -> str:
    room = room_for(bundle, size.nodes, cluster.placement_strategy)
    needs = ", ".join(f"{name}: {amount:g}" for name, amount in bundle.items() if amount)
    nodes = "; ".join(
        f"{group.count:g} x {{{', '.join(f'{k}: {group.resources.get(k, 0):g}' for k in bundle)}}}"
        for group in size.nodes[:8]
    )
    place = "on one node"
    if cluster.placement_strategy.startswith("STRICT"):
        place += f" (cluster.placement_strategy: {cluster.placement_strategy})"
    return (
        f"cluster.resources_per_worker: {workers} workers need {{{needs}}} each, {place}; there is "
        f"room for {room:g} on the nodes of the cluster: {nodes}"
    )
