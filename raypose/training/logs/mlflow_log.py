"""`MlflowLog`: numbers and pictures of a run in MLflow."""

from __future__ import annotations

import importlib
import os
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import yaml

from raypose.errors import ConfigError
from raypose.training.logs.run_log import Image, Number, noted_id

_EXPERIMENT = "raypose"
# Sections of the config whose values are parameters there; all of it is kept as a file.
_PARAMETERS = ("optimizer", "train")
_MAX_LENGTH = 500


class MlflowLog:
    """A run of MLflow, named as the folder, with the config of the run.

    Where it goes follows from the environment, as MLflow documents: `MLFLOW_TRACKING_URI` and
    `MLFLOW_EXPERIMENT_NAME` (`raypose` by default). What a name may not hold there is `_`:
    `coco/AP (M)` is `coco/AP _M_`. A run that goes on from a checkpoint goes on in the same one;
    MLflow keeps what was noted after that checkpoint beside what comes a second time.

    Args:
        folder: of the run; its id in MLflow is in `mlflow_run`.
        done: batches of the run so far, 0 for a new one.

    Raises:
        ConfigError: if mlflow is not installed.
    """

    def __init__(self, folder: Path, done: int) -> None:
        try:
            mlflow: Any = importlib.import_module("mlflow")
        except ImportError as error:
            raise ConfigError(
                "train.loggers: 'mlflow' needs the package mlflow: pip install 'raypose[mlflow]'"
            ) from error
        self._metric: Any = mlflow.entities.Metric
        self._client: Any = mlflow.MlflowClient()
        self._id = noted_id(folder / "mlflow_run", done, lambda: self._new_run(folder))
        config = folder / "config.yaml"
        if not done and config.is_file():
            content = yaml.safe_load(config.read_text(encoding="utf-8"))
            leaves = {k: v for name in _PARAMETERS for k, v in _leaves(content.get(name), name)}
            parameters = [mlflow.entities.Param(k, str(v)[:_MAX_LENGTH]) for k, v in leaves.items()]
            self._client.log_batch(self._id, params=parameters)
            self._client.log_artifact(self._id, str(config))

    def write(self, step: int, numbers: Mapping[str, Number]) -> None:
        """Note each number under its name."""
        now = int(1000 * time.time())
        metrics = [self._metric(_name(k), float(v), now, step) for k, v in numbers.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def show(self, step: int, name: str, image: Image) -> None:
        """Keep a picture among the files of the run."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"step_{step:08d}.jpg"
            cv2.imwrite(str(path), image)
            self._client.log_artifact(self._id, str(path), name)

    def close(self) -> None:
        """Say that the run is over."""
        self._client.set_terminated(self._id)

    def _new_run(self, folder: Path) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _EXPERIMENT)
        found = self._client.get_experiment_by_name(name)
        number = self._client.create_experiment(name) if found is None else found.experiment_id
        return self._client.create_run(number, run_name=folder.resolve().name).info.run_id


def _name(name: str) -> str:
    return re.sub(r"[^\w./ -]", "_", name)


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    """Return the values of nested mappings by their key paths."""
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}")]
    return [] if value is None else [(path, value)]
