"""`GroupRuntime`: a process among several of one torch process group."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh

from raypose.training.runtime import LocalRuntime
from raypose.training.sharding import shard
from raypose.training.synced_norm import sync_batch_norms
from raypose.training.train_step import TrainStep


class GroupRuntime(LocalRuntime):
    """One process of a torch process group, which it has joined; rank 0 writes.

    Args:
        work_dir: as for `LocalRuntime`.
        device: likewise.
        resume: likewise.
        stop: likewise; it is enough if it is set in one process.
        strategy: `ddp` keeps the whole model in each process, `fsdp2` a part of it.
    """

    def __init__(
        self,
        work_dir: Path,
        device: torch.device | str | None = None,
        resume: bool = False,
        stop: threading.Event | None = None,
        strategy: Literal["ddp", "fsdp2"] = "ddp",
    ) -> None:
        super().__init__(work_dir, device, resume, stop)
        self.rank = torch.distributed.get_rank()
        self._strategy = strategy
        self.world_size = torch.distributed.get_world_size()

    def prepare(self, step: TrainStep, sync_bn: bool) -> nn.Module:
        """Return the step in DDP or FSDP2, with batch statistics over all processes if wanted."""
        if self.world_size == 1:
            return step
        if sync_bn:
            sync_batch_norms(step, self.device)
        if self._strategy == "fsdp2":
            shard(step.estimator, init_device_mesh(self.device.type, (self.world_size,)))
            return step
        ids = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(step, device_ids=ids)

    def share_buffers(self, module: nn.Module) -> None:
        """Give every process rank 0's buffers."""
        for buffer in module.buffers():
            torch.distributed.broadcast(buffer, src=0)

    def gather(self, value: Any) -> list[Any] | None:
        """Collect a value of every process on rank 0."""
        values: list[Any] | None = [None] * self.world_size if self.rank == 0 else None
        torch.distributed.gather_object(value, values)
        return values

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value."""
        values = [value]
        torch.distributed.broadcast_object_list(values)
        return values[0]

    def highest(self, values: Tensor) -> Tensor:
        """Return the highest of each value over all processes."""
        values = values.clone()
        torch.distributed.all_reduce(values, torch.distributed.ReduceOp.MAX)
        return values
