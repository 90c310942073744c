"""Joining or starting a Ray cluster."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

import ray
import ray._private.state
import ray.data

from raypose.distributed.room import NodeGroup


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
    """What all nodes have together, counting those that an autoscaler may still start.

    Attributes:
        cpus: of all nodes, 1 at least.
        gpus: of all nodes.
        nodes: which nodes have them; those that run if there are more than an autoscaler may start.
    """

    cpus: float
    gpus: float
    nodes: tuple[NodeGroup, ...] = ()

    @classmethod
    def current(cls) -> ClusterSize:
        """Return the size of the cluster this process has joined."""
        now = ray.cluster_resources()
        state = ray._private.state.state
        # Without an autoscaler there is no such plan.
        planned = state.get_max_resources_from_cluster_config() or {}
        cpus, gpus = (max(now.get(k, 0.0), planned.get(k, 0.0)) for k in ("CPU", "GPU"))
        groups = _planned_nodes() if planned.get("CPU", 0.0) > now.get("CPU", 0.0) else []
        running = [
            NodeGroup(resources=node["Resources"], count=1) for node in ray.nodes() if node["Alive"]
        ]
        return cls(
            cpus=max(float(cpus), 1.0), gpus=float(gpus), nodes=tuple(groups) or tuple(running)
        )


def _planned_nodes() -> list[NodeGroup]:
    """Return the nodes that an autoscaler may have running at most."""
    config = ray._private.state.state.get_cluster_config()
    return [
        NodeGroup(
            resources=dict(group.resources),
            count=math.inf if group.max_count < 0 else group.max_count,
        )
        for group in ([] if config is None else config.node_group_configs)
    ]
