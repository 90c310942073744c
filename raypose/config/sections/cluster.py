"""`cluster:`: how many training processes and what each of them owns."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from raypose.config.sections.base import Amount, AutoOrBool, Count, Section


class ClusterSection(Section):
    """Where a training runs.

    Attributes:
        num_workers: training processes; 0 trains in this process, without Ray.
        use_gpu: one GPU for each worker; `auto` if the cluster has enough of them.
        resources_per_worker: what Ray reserves for each, such as `{CPU: 2, GPU: 1}`.
        placement_strategy: how Ray spreads the workers over nodes.
        strategy: `ddp` holds the whole model in each worker, `fsdp2` a part of each of its weights,
            for models that do not fit; losses are the same.
        max_failures: restarts after a worker or node dies; -1 for any number.
        storage_path: folder or bucket that all nodes reach, for checkpoints.
    """

    num_workers: Count = 0
    use_gpu: AutoOrBool = "auto"
    resources_per_worker: dict[str, Amount] = Field(default_factory=dict)
    placement_strategy: Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"] = "PACK"
    strategy: Literal["ddp", "fsdp2"] = "ddp"
    max_failures: int = 2
    storage_path: str | None = None
