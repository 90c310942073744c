"""`TensorBoardLog`: numbers and pictures of a run as event files."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2

from raypose.errors import ConfigError
from raypose.training.logs.run_log import Image, Number


class TensorBoardLog:
    """Event files in `tensorboard/`.

    Args:
        folder: of the run.
        done: batches of the run so far; TensorBoard drops what was noted after them.

    Raises:
        ConfigError: if tensorboardX is not installed.
    """

    def __init__(self, folder: Path, done: int) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "train.loggers: 'tensorboard' needs the package tensorboardX: "
                "pip install 'raypose[logs]'"
            ) from error
        # Without a checkpoint to go on from, everything that is there is of another run.
        self._writer: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1)

    def write(self, step: int, numbers: Mapping[str, Number]) -> None:
        """Note each number under its name."""
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def show(self, step: int, name: str, image: Image) -> None:
        """Note a picture under its name."""
        proto: Any = importlib.import_module("tensorboardX.proto.summary_pb2")
        # `add_image` would want Pillow to do what OpenCV does.
        _, data = cv2.imencode(".jpg", image)
        height, width = image.shape[:2]
        picture = proto.Summary.Image(
            encoded_image_string=data.tobytes(), height=height, width=width, colorspace=3
        )
        summary = proto.Summary(value=[proto.Summary.Value(tag=name, image=picture)])
        self._writer.file_writer.add_summary(summary, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()
