"""`BaseDetector` and its answer, `Detections`: where the instances of an image are.

N boxes. Boxes are xyxy in image space.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detections:
    """Boxes of one image, the best first.

    Attributes:
        boxes: (N, 4) float32 xyxy, image space.
        scores: (N,) float32 in 0..1.
        labels: (N,) int64, class index of the detector.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, index: npt.NDArray[np.bool_ | np.integer]) -> Detections:
        """Return the detections picked by a boolean mask or integer indices."""
        return Detections(
            boxes=self.boxes[index], scores=self.scores[index], labels=self.labels[index]
        )

    @classmethod
    def empty(cls) -> Detections:
        """Return the answer for an image with nothing in it."""
        return cls.from_boxes(np.zeros((0, 4), np.float32))

    @classmethod
    def from_boxes(cls, boxes: npt.ArrayLike) -> Detections:
        """Return given boxes (N, 4) as certain detections of class 0."""
        array = np.asarray(boxes, np.float32).reshape(-1, 4)
        return cls(
            boxes=array,
            scores=np.ones(len(array), np.float32),
            labels=np.zeros(len(array), np.int64),
        )


class BaseDetector(ABC):
    """Parent of detectors: whole images in, boxes out.

    A detector opens files and devices at the first `detect` or in `to`, not in its constructor,
    so that a config is checked where neither is at hand.
    """

    @abstractmethod
    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Find the instances of each image.

        Args:
            images: B arrays (H_i, W_i, 3) uint8 BGR.

        Returns:
            B `Detections`, the boxes in pixels of their image and inside of it.
        """

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that labels are indices of; empty where they are not known."""
        return ()

    @property
    def classes(self) -> npt.NDArray[np.int64] | None:
        """Indices of the classes that are looked for, None for all."""
        return None

    def to(self, device: str) -> BaseDetector:
        """Move to `cpu`, `cuda` or `cuda:1` and make ready; returns the detector itself."""
        del device
        return self
