"""Pictures of bright spots, and detectors that find them: every answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from raypose.models.detectors import BaseDetector, Detections


def picture(*people: tuple[int, int], dogs: Sequence[tuple[int, int]] = ()) -> np.ndarray:
    """Return a black picture (64, 96, 3) with spots of 3x3 pixels: white people, cyan dogs."""
    image = np.zeros((64, 96, 3), np.uint8)
    for spots, color in ((people, (200, 200, 200)), (dogs, (200, 200, 0))):
        for x, y in spots:
            image[y - 1 : y + 2, x - 1 : x + 2] = color
    return image


def two_walkers(frames: int) -> list[np.ndarray]:
    """Return pictures of two people who walk past each other, one above the other."""
    span = max(frames - 1, 1)
    steps = [50 * i // span for i in range(frames)]
    return [picture((20 + step, 16), (70 - step, 48)) for step in steps]


def write_video(path: Path, images: Sequence[np.ndarray], rate: float = 10.0) -> Path:
    """Write pictures as an MJPG video."""
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (width, height))
    for image in images:
        writer.write(image)
    writer.release()
    return path


class SpotDetector(BaseDetector):
    """Finds a box of 24x32 round each bright spot, white people and cyan dogs."""

    def __init__(self, names: tuple[str, ...] = ("person", "dog")) -> None:
        self.names = names
        self.calls: list[int] = []

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.names

    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        self.calls.append(len(images))
        return [self._detect(image) for image in images]

    def _detect(self, image: np.ndarray) -> Detections:
        bright = (image[..., 0] > 150).astype(np.uint8)
        _, _, _, middles = cv2.connectedComponentsWithStats(bright)
        found = Detections.from_boxes([[x - 10, y - 12, x + 14, y + 20] for x, y in middles[1:]])
        labels = [int(image[round(y), round(x), 2] < 150) for x, y in middles[1:]]
        return Detections(boxes=found.boxes, scores=found.scores, labels=np.array(labels, np.int64))
