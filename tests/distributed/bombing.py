"""A metric of a user's module that lets training workers die after the first validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raypose.evaluation import EPE
from raypose.registry import METRICS


@METRICS.register_module(force=True)
class BombingEPE(EPE):
    """The mean error; its first computation leaves a file that `TinyBackbone` dies of.

    Args:
        bomb: the file.
        **options: those of `EPE`.
    """

    def __init__(self, bomb: str, **options: Any) -> None:
        super().__init__(**options)
        self.bomb = Path(bomb)

    def compute(self) -> dict[str, float]:
        mark = self.bomb.with_name(f"{self.bomb.name}.exploded")
        if not mark.exists():
            mark.touch()
            self.bomb.touch()
        return super().compute()
