"""`ValidationRecord`: what a run keeps of its validations, for people and for its report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from raypose.config import Config
from raypose.errors import DataError
from raypose.structures import PoseSample, Skeleton
from raypose.training.answers import Answer, write_answers
from raypose.training.logs.run_log import RunLog
from raypose.training.reports.run_folder import BEST_ANSWERS
from raypose.training.reports.sample_views import color_type_of, views_of_sample
from raypose.visualization import contact_sheet

logger = logging.getLogger(__name__)
Image = npt.NDArray[Any]

_CELL = (240, 240)


class ValidationRecord:
    """Keeps the best answers, and draws some of all answers.

    `val_predictions.parquet` has the answers of the best checkpoint; `samples/epoch_N.jpg` shows
    the same few samples at each validation, beside their labels, and goes to the logs as well.

    Args:
        config: of the run.
        dataset: the validation set.
        folder: of the run.

    Attributes:
        logs: those that get the pictures too.
    """

    def __init__(
        self,
        config: Config,
        dataset: Sequence[PoseSample],
        folder: Path,
    ) -> None:
        self._dataset = dataset
        self._folder = folder
        self.logs: Sequence[RunLog] = ()
        self._color_type = color_type_of(config)
        self._skeleton: Skeleton | None = config.skeleton
        count = min(config.train.sample_pictures, len(dataset))
        self._shown = set(np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist())

    def note(self, answers: Sequence[Answer], epoch: int, step: int, best: bool) -> None:
        """Keep what is to be kept of a validation.

        Args:
            answers: to all samples.
            epoch: done so far.
            step: batches done so far.
            best: whether no earlier validation was better.
        """
        if best:
            write_answers(answers, self._folder / BEST_ANSWERS)
        sheet = self._sheet(answers)
        if sheet is None:
            return
        path = self._folder / "samples" / f"epoch_{epoch}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), sheet)
        for log in self.logs:
            log.show(step, "samples", sheet)

    def _sheet(self, answers: Sequence[Answer]) -> Image | None:
        """Return the pictures of the samples that are shown, None if there are none."""
        pictures, captions = [], []
        for answer in answers:
            if answer.index not in self._shown or self._skeleton is None:
                continue
            sample = self._dataset[answer.index]
            try:
                views = views_of_sample(
                    sample,
                    answer.poses,
                    self._skeleton,
                    color_type=self._color_type,
                    size=_CELL,
                )
            except DataError as error:
                logger.warning("no picture of a sample: %s", error)
                continue
            pictures.append(np.hstack([image for _, image in views]))
            captions.append(sample.id)
        if not pictures:
            return None
        return contact_sheet(pictures, captions, columns=2, cell_size=(2 * _CELL[0], _CELL[1]))
