"""`WandbLog`: numbers and pictures of a run in Weights & Biases."""

from __future__ import annotations

import importlib
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from raypose.errors import ConfigError
from raypose.training.logs.run_log import Image, Number, noted_id

_PROJECT = "raypose"


class WandbLog:
    """A run of Weights & Biases, named as the folder, with the config of the run.

    Where it goes follows from the environment, as wandb documents: `WANDB_PROJECT` (`raypose` by
    default), `WANDB_ENTITY`, `WANDB_API_KEY`, `WANDB_MODE`. A run that goes on from a checkpoint
    goes on in the same one; wandb keeps what was noted after that checkpoint and leaves out the
    steps that come a second time.

    Args:
        folder: of the run; its id in wandb is in `wandb_run`.
        done: batches of the run so far, 0 for a new one.

    Raises:
        ConfigError: if wandb is not installed.
    """

    def __init__(self, folder: Path, done: int) -> None:
        try:
            self._wandb: Any = importlib.import_module("wandb")
        except ImportError as error:
            raise ConfigError(
                "train.loggers: 'wandb' needs the package wandb: pip install 'raypose[wandb]'"
            ) from error
        config = folder / "config.yaml"
        self._run: Any = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            dir=folder,
            name=folder.resolve().name,
            id=noted_id(folder / "wandb_run", done, lambda: uuid.uuid4().hex[:8]),
            resume="allow",
            config=yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else None,
        )

    def write(self, step: int, numbers: Mapping[str, Number]) -> None:
        """Note numbers; those of one step are one row."""
        self._run.log(dict(numbers), step=step)

    def show(self, step: int, name: str, image: Image) -> None:
        """Note a picture under its name."""
        self._run.log({name: self._wandb.Image(image[..., ::-1])}, step=step)

    def close(self) -> None:
        """Send what is left."""
        self._run.finish()
