"""`RayRuntime`: what the training loop asks of Ray Train."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Literal

import ray.train
import ray.train.torch
from ray.train.v2._internal.execution.context import get_train_context

from raypose.training.process_group import GroupRuntime
from raypose.training.runtime import Notice, install

SCORE = "checkpoint_score"
"""Metric by which Ray Train keeps checkpoints: the epoch of those that were the best so far."""


class RayRuntime(GroupRuntime):
    """One Ray Train worker.

    Args:
        work_dir: of the run; a checkpoint there is where a resumed run starts.
        resume: whether it does.
        stop: set in one of the workers if the run is to stop.
        strategy: how the model is spread over them.
    """

    def __init__(
        self,
        work_dir: Path,
        resume: bool,
        stop: threading.Event | None,
        strategy: Literal["ddp", "fsdp2"],
    ) -> None:
        super().__init__(work_dir, ray.train.torch.get_device(), resume, stop, strategy)
        self._scratch = tempfile.TemporaryDirectory(prefix="raypose-")

    def notice(self) -> Notice:
        """Return whether the run is to stop, or a node of a worker about to go."""
        # `ray.train.get_preemption_info` waits for all workers; they agree in a cheaper way here.
        leaving = get_train_context().preemption_context.preemption_info is not None
        return max(super().notice(), Notice.SAVE if leaving else Notice.NONE)

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
        return super().latest_checkpoint()
