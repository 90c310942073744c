"""Where the numbers of a run go while it trains: the logs of `train.loggers`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from raypose.training.logs.csv_log import CsvLog
from raypose.training.logs.mlflow_log import MlflowLog
from raypose.training.logs.run_log import RunLog
from raypose.training.logs.tensorboard_log import TensorBoardLog
from raypose.training.logs.wandb_log import WandbLog

_KINDS: dict[str, Callable[[Path, int], RunLog]] = {
    "csv": CsvLog,
    "tensorboard": TensorBoardLog,
    "wandb": WandbLog,
    "mlflow": MlflowLog,
}


def open_logs(names: Sequence[str], folder: Path, done: int) -> list[RunLog]:
    """Open the logs of a run.

    Args:
        names: those of `train.loggers`.
        folder: of the run, made if missing.
        done: batches of the run that its checkpoint has seen.

    Raises:
        ConfigError: if a package is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_KINDS[name](folder, done) for name in dict.fromkeys(names)]
