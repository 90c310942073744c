"""A detector of a user's module: every image is one box; it can be slow, or die once."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from raypose.models.detectors import BaseDetector, Detections
from raypose.registry import MODELS


@MODELS.register_module(force=True)
class WholeImages(BaseDetector):
    """Finds one box as large as the image.

    Args:
        delay: seconds for each call.
        die: file; who finds it removes it and dies.
    """

    def __init__(self, delay: float = 0.0, die: str | None = None) -> None:
        super().__init__()
        self.delay = delay
        self.die = die

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
        if self.die is not None and os.path.exists(self.die):
            os.remove(self.die)
            os._exit(1)
        time.sleep(self.delay)
        return [Detections.from_boxes([[0, 0, *image.shape[1::-1]]]) for image in images]
