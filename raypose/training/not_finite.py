"""Losses and gradients that are no numbers: `train.on_nan` names their batch and stops or skips.

A GPU runs behind the program that feeds it, and looking at a number makes the program wait. Under
`stop` flags stay on the device until the next log line, so a step costs no waiting; under `skip`
the step that comes next depends on the flag, and the program waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from raypose.errors import RayposeError
from raypose.structures import PoseBatch
from raypose.training.runtime import Runtime

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class _Update:
    """The batches of one optimizer step of this process.

    Attributes:
        names: for each batch its samples, as they are shown to the user.
        losses: for each batch whether its loss is no number, () bool on the device.
        place: epoch and step of the last batch, for the user, counted from 1.
    """

    names: list[list[str]] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)
    place: str = ""


class FiniteCheck:
    """What becomes of optimizer steps whose loss or gradient is not finite.

    Args:
        policy: `stop` ends the run at the next `look`, `skip` leaves such steps out.
        max_skips: steps left out one after the other before the run ends all the same.
        model: its buffers (statistics of batch norms) are restored where a step is left out.
        runtime: the processes act alike, whoever of them has the batch.
    """

    def __init__(
        self,
        policy: Literal["stop", "skip"],
        max_skips: int,
        model: nn.Module,
        runtime: Runtime,
    ) -> None:
        self._skips = policy == "skip"
        self._max_skips = max_skips
        self._runtime = runtime
        self._buffers = list(model.buffers()) if self._skips else []
        self._before: list[Tensor] = []
        self._in_a_row = 0
        self._current = _Update()
        self._flags: list[Tensor] = []
        self._unseen: list[_Update] = []

    def begin(self) -> None:
        """Note that the first batch of an optimizer step follows."""
        self._current = _Update()
        self._before = [buffer.clone() for buffer in self._buffers]

    def note(self, batch: PoseBatch, loss: Tensor, place: str) -> None:
        """Note a batch of the step.

        Args:
            batch: named if the loss or the gradient is no number.
            loss: () of this batch.
            place: where in the run it is.
        """
        self._current.names.append(_names(batch))
        self._current.losses.append(~torch.isfinite(loss.detach()))
        self._current.place = place

    @torch.no_grad()
    def passes(self, norm: Tensor | None) -> bool:
        """Return whether the step is to be taken, the same on every process.

        Args:
            norm: () of all gradients; None to judge by the losses alone.

        Raises:
            RayposeError: if too many have been left out one after the other.
        """
        update = self._current
        flag = torch.stack(update.losses).any()
        if norm is not None:
            flag = flag | ~torch.isfinite(norm)
        if not self._skips:
            self._flags.append(flag)
            self._unseen.append(update)
            return True
        if not self._runtime.highest(flag.int()).item():
            self._in_a_row = 0
            return True
        for buffer, before in zip(self._buffers, self._before, strict=True):
            buffer.copy_(before)
        self._in_a_row += 1
        told = self._describe(update)
        if self._in_a_row > self._max_skips:
            raise RayposeError(
                f"{told}; that makes {self._in_a_row} steps one after the other, more than "
                "train.max_nan_skips: lower optimizer.lr or set train.clip_grad"
            )
        if self._runtime.rank == 0:
            logger.warning("%s; the step is left out", told)
        return False

    def look(self) -> None:
        """End the run if a step since the last look was no number; every process has to ask.

        Raises:
            RayposeError: naming the samples of the first such step.
        """
        if not self._flags:
            return
        flags = self._runtime.highest(torch.stack(self._flags).int()).tolist()
        updates, self._unseen, self._flags = self._unseen, [], []
        if 1 in flags:
            raise RayposeError(
                f"{self._describe(updates[flags.index(1)])}; look at these samples, lower "
                "optimizer.lr or set train.clip_grad; train.on_nan: skip leaves such steps out"
            )

    def _describe(self, update: _Update) -> str:
        """Say what is wrong with a step and whose samples it was made of, over all processes."""
        losses = [bool(flag) for flag in torch.stack(update.losses).tolist()]
        shares = self._runtime.gather((update.names, losses)) or []
        batches = [pair for names, flags in shares for pair in zip(names, flags, strict=True)]
        culprits = [names for names, flag in batches if flag]
        what = "loss" if culprits else "gradient"
        names = [name for names in culprits or [names for names, _ in batches] for name in names]
        told = f"{update.place}: the {what} is not finite for the batch of {', '.join(names)}"
        return self._runtime.broadcast(told)


def _names(batch: PoseBatch) -> list[str]:
    files: Sequence[str | None] = batch.files or [None] * len(batch.ids)
    return [
        f"'{name}'" if file is None else f"'{name}' ({file})"
        for name, file in zip(batch.ids, files, strict=True)
    ]
