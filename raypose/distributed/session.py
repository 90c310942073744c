"""Joining or starting a Ray cluster, and how its CPUs are shared out."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

import ray
import ray.data

from raypose.errors import RayposeError

logger = logging.getLogger(__name__)


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
class CpuBudget:
    """Who gets which CPUs, so that data tasks always find one.

    Workers that own every CPU leave none to Ray Data, which then waits without a word.

    Attributes:
        worker_cpus: CPUs that each worker (or actor) reserves.
        data_cpus: CPUs left for the data tasks that feed each worker.
        threads: threads that a worker computes with.
    """

    worker_cpus: float
    data_cpus: float
    threads: int

    @classmethod
    def plan(
        cls, num_workers: int, total_cpus: float, wanted: float | None, feeds: bool
    ) -> CpuBudget:
        """Share out CPUs.

        Args:
            num_workers: processes that compute.
            total_cpus: CPUs of the cluster.
            wanted: CPUs a worker is said to need in the config, if any.
            feeds: whether Ray Data tasks feed the workers.

        Raises:
            RayposeError: if the config reserves so much that data tasks find no CPU.
        """
        spare = min(1.0, total_cpus / 2) if feeds else 0.0
        fair = (total_cpus - spare) / num_workers
        if wanted is None:
            worker = min(1.0, fair)
        elif wanted > fair:
            raise RayposeError(
                f"cluster.resources_per_worker.CPU: {num_workers} workers with {wanted:g} CPUs "
                f"each leave {total_cpus - num_workers * wanted:g} of {total_cpus:g} CPUs to the "
                f"tasks that load their data; at most {fair:g} each, or data.loader: local"
            )
        else:
            worker = wanted
        left = (total_cpus - num_workers * worker) / num_workers
        return cls(
            worker_cpus=worker, data_cpus=left, threads=max(1, int(total_cpus // num_workers))
        )


def total_cpus() -> float:
    """Return the CPUs of all nodes of the cluster."""
    return float(ray.cluster_resources().get("CPU", 1.0))


def total_gpus() -> float:
    """Return the GPUs of all nodes of the cluster."""
    return float(ray.cluster_resources().get("GPU", 0.0))
