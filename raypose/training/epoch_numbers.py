"""`EpochNumbers`: means over an epoch, summed on the device and read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from raypose.training.runtime import Runtime


class EpochNumbers:
    """What the batches of an epoch give, over all processes.

    Args:
        share: part of each batch that is this process's; its numbers weigh as much.

    Attributes:
        batches: how many count.
        skipped: optimizer steps that were left out.
        replaced: samples of this process that others stand in for.
    """

    def __init__(self, share: float) -> None:
        self.batches = 0
        self.skipped = 0
        self.replaced = 0
        self._share = share
        self._sums: dict[str, Tensor | float] = {}
        self._latest: Mapping[str, Tensor] = {}
        self._pending: list[Mapping[str, Tensor]] = []

    def add(self, parts: Mapping[str, Tensor]) -> None:
        """Note the numbers of a batch; they count once `end_step` is told so."""
        self._latest = {
            name: value.detach().float().mean() * self._share for name, value in parts.items()
        }
        self._pending.append(self._latest)

    def end_step(self, taken: bool) -> None:
        """Count the batches of an optimizer step, or forget them if it was left out."""
        if taken:
            for parts in self._pending:
                for name, value in parts.items():
                    self._sums[name] = self._sums.get(name, 0.0) + value
            self.batches += len(self._pending)
        self.skipped += not taken
        self._pending = []

    def latest(self, runtime: Runtime) -> dict[str, float]:
        """Return the numbers of the newest batch over all processes; empty but on rank 0."""
        ours = {name: float(value) for name, value in self._latest.items()}
        return _added(runtime.gather(ours) or [])

    def sums(self, runtime: Runtime) -> dict[str, float]:
        """Return the sums over all batches and processes; empty but on rank 0."""
        ours = {name: float(value) for name, value in self._sums.items()}
        ours["replaced"] = self.replaced
        return _added(runtime.gather(ours) or [])

    def means(self, runtime: Runtime) -> dict[str, float]:
        """Return the means over all batches, the same on every process; `replaced` is a sum."""
        sums = self.sums(runtime)
        found = {
            name: value if name == "replaced" else value / self.batches
            for name, value in sums.items()
        }
        return runtime.broadcast(found)

    def to_dict(self, runtime: Runtime) -> dict[str, Any]:
        """Return what there is so far over all processes, as plain numbers for a checkpoint."""
        return {"batches": self.batches, "skipped": self.skipped, "sums": self.sums(runtime)}

    def restore(self, content: Mapping[str, Any], rank: int) -> None:
        """Go on from numbers of `to_dict`; one process takes those of all."""
        self.batches = content["batches"]
        self.skipped = content["skipped"]
        if rank == 0:
            sums = dict(content["sums"])
            self.replaced = int(sums.pop("replaced"))
            self._sums = sums


def _added(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for share in shares for name in share)
    return {name: sum(share.get(name, 0.0) for share in shares) for name in names}
