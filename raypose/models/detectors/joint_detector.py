"""`JointDetector`: several detectors as one, each for a category of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from raypose.models.detectors.base import BaseDetector, Detections, Image


class JointDetector(BaseDetector):
    """Look for each category with its own detector; labels are indices of the categories.

    Args:
        detectors: category -> its detector. Whatever a detector finds is of its category.
    """

    def __init__(self, detectors: Mapping[str, BaseDetector]) -> None:
        self.detectors = dict(detectors)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the categories."""
        return tuple(self.detectors)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Find the instances of all categories; those of a category come the best first."""
        each = [detector.detect(images) for detector in self.detectors.values()]
        return [_joined(found) for found in zip(*each, strict=True)]

    def to(self, device: str) -> JointDetector:
        """Move all detectors; see `BaseDetector.to`."""
        self.detectors = {name: each.to(device) for name, each in self.detectors.items()}
        return self


def _joined(found: Sequence[Detections]) -> Detections:
    return Detections(
        boxes=np.concatenate([item.boxes for item in found]),
        scores=np.concatenate([item.scores for item in found]),
        labels=np.repeat(np.arange(len(found)), [len(item) for item in found]),
    )
