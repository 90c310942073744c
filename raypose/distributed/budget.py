"""`CpuBudget`: who gets which CPUs, so that data tasks always find one.

Workers that own every CPU leave none to Ray Data, which then waits without a word.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from raypose.errors import RayposeError


@dataclass(frozen=True, kw_only=True)
class CpuBudget:
    """CPUs of processes that compute and of the tasks that feed them.

    Attributes:
        worker_cpus: CPUs that each process reserves.
        data_cpus: CPUs left for the data tasks that feed each of them; 0 if the processes own all,
            which data tasks must share with them then.
        threads: threads that each of them computes with on a CPU.
        wanted: CPUs that each process is said to need, None for a share of what there is.
    """

    worker_cpus: float
    data_cpus: float
    threads: int
    wanted: float | None = None

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
        budget = cls(worker_cpus=worker, data_cpus=0.0, threads=1, wanted=wanted)
        return budget.spread_over(num_workers, total_cpus)

    def spread_over(self, num_workers: int, total_cpus: float) -> CpuBudget:
        """Return what there is for each of some processes, which reserve as much as before.

        The cluster may have lost nodes, or found some, since it was planned for.
        """
        left = max(0.0, total_cpus - num_workers * self.worker_cpus)
        threads = total_cpus // num_workers if self.wanted is None else self.wanted
        return replace(self, data_cpus=left / num_workers, threads=max(1, int(threads)))
