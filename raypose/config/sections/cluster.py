"""`cluster:`: how many training processes and what each of them owns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from raypose.config.sections.base import Amount, AutoOrBool, Count, PositiveFloat, Section


def _count_or_range(value: Any) -> Any:
    if _is_count(value, 0):
        return value
    pair = isinstance(value, list) and len(value) == 2 and all(_is_count(n, 1) for n in value)
    if pair and value[0] <= value[1]:
        return value
    raise ValueError("expected a number of workers, or [min, max] of at least 1 and min <= max")


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


WorkerCount = Annotated[Count | list[Count], BeforeValidator(_count_or_range)]


class ClusterSection(Section):
    """Where a training runs.

    Attributes:
        num_workers: training processes; 0 trains in this process, without Ray. `[min, max]` starts
            with as many as there is room for and follows the cluster: fewer when nodes go, more
            when nodes come, from the last checkpoint.
        elastic_resize_monitor_interval_s: how often more or fewer of `[min, max]` are considered.
        use_gpu: one GPU for each worker; `auto` if the cluster has enough of them, for `[min, max]`
            enough for `min`.
        resources_per_worker: what Ray reserves for each, such as `{CPU: 2, GPU: 1}`.
        placement_strategy: how Ray spreads the workers over nodes.
        strategy: `ddp` holds the whole model in each worker, `fsdp2` a part of each of its weights,
            for models that do not fit; losses are the same.
        max_failures: restarts after a worker or node dies; -1 for any number.
        storage_path: folder or bucket that all nodes reach, for checkpoints.
    """

    num_workers: WorkerCount = 0
    elastic_resize_monitor_interval_s: PositiveFloat = 60.0
    use_gpu: AutoOrBool = "auto"
    resources_per_worker: dict[str, Amount] = Field(default_factory=dict)
    placement_strategy: Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"] = "PACK"
    strategy: Literal["ddp", "fsdp2"] = "ddp"
    max_failures: int = 2
    storage_path: str | None = None

    @property
    def min_workers(self) -> int:
        """Return the smallest number of workers that a run goes on with."""
        return self.num_workers if isinstance(self.num_workers, int) else self.num_workers[0]

    @property
    def max_workers(self) -> int:
        """Return the largest number of workers."""
        return self.num_workers if isinstance(self.num_workers, int) else self.num_workers[1]

    @property
    def is_elastic(self) -> bool:
        """Return whether the number of workers follows the cluster."""
        return not isinstance(self.num_workers, int)
