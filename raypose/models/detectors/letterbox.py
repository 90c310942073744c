"""From images of any size to a detector's input, and its boxes back.

image space -> letterbox -> input space -> network -> select -> to_image -> image space
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError
from raypose.models.detectors.base import Detections, Image
from raypose.ops.nms import class_nms

_PAD_VALUE = 114


def check_thresholds(**thresholds: float | None) -> None:
    """Refuse thresholds out of range.

    Raises:
        ConfigError: for one that is not in 0..1.
    """
    for name, value in thresholds.items():
        if value is not None and not 0 <= value <= 1:
            raise ConfigError(f"{name} lies in 0..1, got {value}")


def letterbox(
    images: Sequence[Image], input_size: tuple[int, int], batch_size: int | None = None
) -> tuple[npt.NDArray[np.uint8], list[float]]:
    """Put each image into the top left of a grey canvas, as large as it fits.

    Args:
        images: (H_i, W_i, 3) uint8.
        input_size: (w, h) of the canvases.
        batch_size: number of canvases, the last ones empty; as many as images by default.

    Returns:
        Canvases (B, h, w, 3) and the factor that each image was scaled by.

    Raises:
        ValueError: for an image of another shape.
    """
    width, height = input_size
    canvases = np.full((batch_size or len(images), height, width, 3), _PAD_VALUE, np.uint8)
    ratios = [_place(image, canvas) for image, canvas in zip(images, canvases, strict=False)]
    return canvases, ratios


def select(
    boxes: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    score_thr: float,
    nms_thr: float,
) -> Detections:
    """Return the candidates of one image that pass threshold and suppression.

    Args:
        boxes: (A, 4) xyxy.
        scores: (A, C); a candidate is of its best class.
        score_thr: least score.
        nms_thr: largest IoU of two boxes of a class that are both kept.
    """
    labels = scores.argmax(axis=-1)
    best = np.take_along_axis(scores, labels[:, None], axis=-1)[:, 0]
    keep = np.flatnonzero(best >= score_thr)
    keep = keep[class_nms(boxes[keep], best[keep], nms_thr, labels[keep])]
    return Detections(boxes=boxes[keep], scores=best[keep], labels=labels[keep])


def to_image(
    found: Detections,
    image: Image,
    ratio: float,
    score_thr: float,
    classes: npt.NDArray[np.int64] | None,
    max_per_image: int,
) -> Detections:
    """Return the wanted boxes of one image in image space, the best first.

    Args:
        found: in input space.
        image: (H, W, 3).
        ratio: the factor that it was scaled by.
        score_thr: least score.
        classes: class indices to keep, None for all.
        max_per_image: most boxes.
    """
    height, width = image.shape[:2]
    boxes = np.clip(found.boxes / ratio, 0, [width, height, width, height])
    keep = (found.scores >= score_thr) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    if classes is not None:
        keep &= np.isin(found.labels, classes)
    order = np.flatnonzero(keep)
    order = order[np.argsort(-found.scores[order], kind="stable")][:max_per_image]
    return Detections(
        boxes=boxes[order].astype(np.float32),
        scores=found.scores[order].astype(np.float32),
        labels=found.labels[order].astype(np.int64),
    )


def _place(image: Image, canvas: Image) -> float:
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"an image is (H, W, 3), got {image.shape}")
    ratio = min(canvas.shape[0] / image.shape[0], canvas.shape[1] / image.shape[1])
    width = max(1, int(image.shape[1] * ratio))
    height = max(1, int(image.shape[0] * ratio))
    canvas[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return ratio
