"""`train.batch_size: auto` on Ray: tried where workers will train, by as many as there will be."""

from __future__ import annotations

import os
from typing import Any

import ray
import torch

from raypose.config import Config
from raypose.distributed.mistakes import mistakes_as_they_are
from raypose.distributed.room import NodeGroup
from raypose.distributed.session import ClusterSize, enter_folder
from raypose.distributed.worker_plan import WorkerPlan
from raypose.training.batch_size.settling import WorkerPlace, find_batch_size
from raypose.training.runtime import default_device

# Ray's tasks have arguments of their own for these.
_NAMED = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}


def probe_batch_size(config: Config, plan: WorkerPlan) -> int:
    """Return the samples of a batch that every worker can have.

    As many workers try at the same time as a run goes on with at least; the smallest answer counts,
    since their GPUs may differ.

    Args:
        config: resolved.
        plan: what each worker owns.

    Raises:
        RayposeError: if no batch fits, or a sample cannot be loaded.
    """
    cluster = config.cluster
    if cluster.max_workers == 0:
        return find_batch_size(config, WorkerPlace(device=default_device()))
    together = min(cluster.max_workers, _most_on_a_node(ClusterSize.current().nodes, plan))
    named = {_NAMED[k]: v for k, v in plan.resources.items() if k in _NAMED}
    others = {k: v for k, v in plan.resources.items() if k not in _NAMED}
    remote = _probe.options(**{"num_cpus": 0, **named}, resources=others)
    given = (config.data, plan, together, os.getcwd())
    with mistakes_as_they_are():
        return min(ray.get([remote.remote(*given) for _ in range(cluster.min_workers)]))


def _most_on_a_node(nodes: tuple[NodeGroup, ...], plan: WorkerPlan) -> int:
    return max(1, *(node.room(plan.resources) for node in nodes))


@ray.remote(max_retries=0)
def _probe(data: dict[str, Any], plan: WorkerPlan, together: int, folder: str) -> int:
    enter_folder(folder)
    config = Config.from_resolved(data)
    device = torch.device("cuda") if plan.use_gpu else torch.device("cpu")
    if device.type == "cpu":
        torch.set_num_threads(plan.budget.threads)
    place = WorkerPlace(device=device, workers=config.cluster.min_workers, on_machine=together)
    return find_batch_size(config, place)
