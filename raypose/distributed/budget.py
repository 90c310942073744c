"""`CpuBudget`: who gets which CPUs, so that data tasks always find one.

Workers that own every CPU leave none to Ray Data, which then waits without a word.
"""

from __future__ import annotations

from dataclasses import dataclass

from raypose.errors import RayposeError


@dataclass(frozen=True, kw_only=True)
class CpuBudget:
    """CPUs of processes that compute and of the tasks that feed them.

    Attributes:
        worker_cpus: CPUs that each process reserves.
        data_cpus: CPUs left for the data tasks that feed each of them.
        threads: threads that each of them computes with on a CPU.
    """

    worker_cpus: float
    data_cpus: float
    threads: int

    @classmethod
    def plan(
        cls,
        num_workers: int,
        total_cpus: float,
        *,
        setting: str,
        wanted: float | None = None,
        feeds: bool = True,
    ) -> CpuBudget:
        """Share out CPUs.

        Args:
            num_workers: processes that compute.
            total_cpus: CPUs of the cluster.
            setting: key of the config that `wanted` is from, for messages.
            wanted: CPUs that each process is said to need; by default a fair share, at most 1.
            feeds: whether tasks of Ray Data feed the processes; then one CPU is left to them.

        Raises:
            RayposeError: if the processes are said to need more than there is.
        """
        spare = min(1.0, total_cpus / 2) if feeds else 0.0
        fair = (total_cpus - spare) / num_workers
        if wanted is not None and wanted > fair:
            left = " with one left for the tasks that load data" if feeds else ""
            raise RayposeError(
                f"{setting}: {num_workers} processes with {wanted:g} CPUs each need "
                f"{num_workers * wanted:g}, the cluster has {total_cpus:g}; "
                f"at most {fair:g} each{left}"
            )
        worker = min(1.0, fair) if wanted is None else wanted
        threads = total_cpus // num_workers if wanted is None else wanted
        return cls(
            worker_cpus=worker,
            data_cpus=(total_cpus - num_workers * worker) / num_workers,
            threads=max(1, int(threads)),
        )
