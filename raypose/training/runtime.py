"""`Runtime`: what the training loop asks of whoever launched it.

The loop is written once against this; `LocalRuntime` is one process without any launcher,
`raypose.training.process_group` has one of several, and Ray Train its own in
`raypose.distributed`.
"""

from __future__ import annotations

import shutil
import threading
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from raypose.training.train_step import TrainStep


class Notice(IntEnum):
    """What a process has been told; a higher one holds for a lower one too."""

    NONE = 0
    SAVE = 1
    STOP = 2


class Runtime(Protocol):
    """One process of a training run."""

    @property
    def rank(self) -> int:
        """Number of this process, 0 for the one that writes."""
        ...

    @property
    def world_size(self) -> int:
        """How many processes train together."""
        ...

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        ...

    @property
    def work_dir(self) -> Path:
        """Folder of the results of the run."""
        ...

    def prepare(self, step: TrainStep, sync_bn: bool) -> nn.Module:
        """Return the train step wrapped so that gradients are averaged over all processes."""
        ...

    def share_buffers(self, module: nn.Module) -> None:
        """Give every process rank 0's buffers, such as the statistics of batch norms."""
        ...

    def gather(self, value: Any) -> list[Any] | None:
        """Collect a picklable value of every process on rank 0; None elsewhere."""
        ...

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value on every process."""
        ...

    def highest(self, values: Tensor) -> Tensor:
        """Return the highest of each value, whole numbers on the device, over all processes."""
        ...

    def notice(self) -> Notice:
        """Return what this process has been told: to save now, or to save and stop."""
        ...

    def report(self, metrics: dict[str, float], checkpoint: Path | None, best: bool) -> None:
        """Hand over a checkpoint and numbers; called by every process, equally often.

        Args:
            metrics: numbers so far, `epoch` among them.
            checkpoint: file written by rank 0, None elsewhere; it is copied before this returns.
            best: whether it is the best one so far.
        """
        ...

    def latest_checkpoint(self) -> Path | None:
        """Return the checkpoint file to go on from, if there is one."""
        ...


class LocalRuntime:
    """This process alone.

    Args:
        work_dir: folder that gets `last.pth` and `best.pth`.
        device: where to compute; the first GPU if there is one by default.
        resume: go on from `last.pth` where it exists.
        stop: set by whoever wants the run to save and to stop.
    """

    def __init__(
        self,
        work_dir: Path,
        device: torch.device | str | None = None,
        resume: bool = False,
        stop: threading.Event | None = None,
    ) -> None:
        self.work_dir = work_dir
        self.device = torch.device(device or default_device())
        self.rank = 0
        self.world_size = 1
        self._resume = resume
        self._stop = stop

    def prepare(self, step: TrainStep, sync_bn: bool) -> nn.Module:
        """Return the step as it is: batch statistics of one process need no synchronising."""
        del sync_bn
        return step

    def share_buffers(self, module: nn.Module) -> None:
        """Do nothing: there is no other process."""

    def gather(self, value: Any) -> list[Any] | None:
        """Return the value in a list."""
        return [value]

    def broadcast(self, value: Any) -> Any:
        """Return the value."""
        return value

    def highest(self, values: Tensor) -> Tensor:
        """Return the values."""
        return values

    def notice(self) -> Notice:
        """Return whether the run is to stop."""
        asked = self._stop is not None and self._stop.is_set()
        return Notice.STOP if asked else Notice.NONE

    def report(self, metrics: dict[str, float], checkpoint: Path | None, best: bool) -> None:
        """Put the checkpoint into the work folder; a reader never sees half a file."""
        del metrics
        if checkpoint is None:
            return
        install(checkpoint, self.work_dir / "last.pth")
        if best:
            install(checkpoint, self.work_dir / "best.pth")

    def latest_checkpoint(self) -> Path | None:
        """Return `last.pth` of the work folder when resuming."""
        last = self.work_dir / "last.pth"
        return last if self._resume and last.is_file() else None


def install(source: Path, target: Path) -> None:
    """Copy a file to its place in one step, so that a reader never sees half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, partial)
    partial.replace(target)


def default_device() -> torch.device:
    """Return the accelerator of this machine, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
