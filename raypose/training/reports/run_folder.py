"""`RunFolder`: what a training run has left behind, finished or not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from raypose.config import Config
from raypose.errors import RayposeError
from raypose.models.checkpoint import read_checkpoint
from raypose.training.answers import Answer, read_answers
from raypose.training.logs.csv_log import read_csv_log

BEST_ANSWERS = "val_predictions.parquet"
"""Answers of the best checkpoint to the validation set, in the folder of the run."""


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """The folder of a run.

    Attributes:
        path: of the folder.
        config: resolved, as the run had it.
    """

    path: Path
    config: Config

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Read the config of a run.

        Raises:
            RayposeError: if the folder is not that of a run.
        """
        folder = Path(path)
        file = folder / "config.yaml"
        if not file.is_file():
            what = "no config.yaml in it" if folder.is_dir() else "no such folder"
            raise RayposeError(
                f"{folder}: {what}; the folder of a training run is expected, what "
                "`raypose train --work-dir` was given"
            )
        return cls(path=folder, config=Config.from_yaml(file.read_text(encoding="utf-8")))

    @property
    def checkpoint(self) -> Path | None:
        """Return the best checkpoint, or else the last one; None if there is none yet."""
        files = (self.path / name for name in ("best.pth", "last.pth"))
        return next((file for file in files if file.is_file()), None)

    def rows(self) -> list[dict[str, float]]:
        """Return what was noted over the run: rows of `log.csv`, each with `step` and `epoch`.

        Rows about training have an `lr`, those of validations do not. A run that kept no such log
        has the means of each epoch in its last checkpoint.
        """
        log = self.path / "log.csv"
        if log.is_file():
            return read_csv_log(log)
        last = self.path / "last.pth"
        if not last.is_file():
            return []
        content = read_checkpoint(last)
        measured = set(content["metrics"])
        rows: list[dict[str, float]] = []
        for row in content["history"]:
            place = {"step": row["epoch"], "epoch": row["epoch"]}
            rows.append({**place, **{k: v for k, v in row.items() if k not in measured}})
            if measured & row.keys():
                rows.append({**place, **{k: v for k, v in row.items() if k in measured}})
        return rows

    def summary(self) -> dict[str, float]:
        """Return the numbers of `metrics.json`; nothing while the run goes on."""
        file = self.path / "metrics.json"
        if not file.is_file():
            return {}
        content: dict[str, float | None] = json.loads(file.read_text(encoding="utf-8"))
        return {name: value for name, value in content.items() if value is not None}

    def answers(self) -> list[Answer] | None:
        """Return the best checkpoint's answers to the validation set, if the run kept them."""
        file = self.path / BEST_ANSWERS
        return read_answers(file) if file.is_file() else None
