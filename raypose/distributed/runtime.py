"""`RayRuntime`: what the training loop asks of Ray Train and of torch's process group."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch.distributed
from torch import nn

from raypose.training.runtime import install

SCORE = "checkpoint_score"
"""Metric by which Ray Train keeps checkpoints: the epoch of those that were the best so far."""


class RayRuntime:
    """One Ray Train worker.

    Args:
        work_dir: of the run; a checkpoint there is where a resumed run starts.
        resume: whether it does.
    """

    def __init__(self, work_dir: Path, resume: bool) -> None:
        context = ray.train.get_context()
        self.rank = context.get_world_rank()
        self.world_size = context.get_world_size()
        self.device = ray.train.torch.get_device()
        self.work_dir = work_dir
        self._resume = resume
        self._scratch = tempfile.TemporaryDirectory(prefix="raypose-")

    def prepare(self, step: nn.Module, sync_bn: bool) -> nn.Module:
        """Return the step in DDP, with batch statistics over all workers if wanted."""
        if self.world_size == 1:
            return step
        if sync_bn and self.device.type == "cuda":
            step = nn.SyncBatchNorm.convert_sync_batchnorm(step)
        ids = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(step, device_ids=ids)

    def share_buffers(self, module: nn.Module) -> None:
        """Give every worker rank 0's buffers."""
        if self.world_size > 1:
            for buffer in module.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def gather(self, value: Any) -> list[Any] | None:
        """Collect a value of every worker on rank 0."""
        if self.world_size == 1:
            return [value]
        values: list[Any] | None = [None] * self.world_size if self.rank == 0 else None
        torch.distributed.gather_object(value, values)
        return values

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value."""
        if self.world_size == 1:
            return value
        values = [value]
        torch.distributed.broadcast_object_list(values)
        return values[0]

    def report(self, metrics: dict[str, float], checkpoint: Path | None, best: bool) -> None:
        """Report to Ray Train; it moves the checkpoint to the run's storage."""
        if checkpoint is None:
            ray.train.report(metrics)
            return
        with tempfile.TemporaryDirectory() as folder:
            install(checkpoint, Path(folder) / "last.pth")
            # Ray Train keeps the highest: the latest of those that were the best so far.
            score = metrics["epoch"] if best else -1.0
            ray.train.report(
                {**metrics, SCORE: score},
                checkpoint=ray.train.Checkpoint.from_directory(folder),
            )

    def latest_checkpoint(self) -> Path | None:
        """Return the checkpoint that Ray Train kept for a restart, or that of a former run."""
        kept = ray.train.get_checkpoint()
        if kept is not None:
            return Path(kept.to_directory(self._scratch.name)) / "last.pth"
        last = self.work_dir / "last.pth"
        return last if self._resume and last.is_file() else None
