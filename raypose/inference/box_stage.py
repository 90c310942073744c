"""`BoxStage`: where to look in each image, for each category of instances."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError, DataError, did_you_mean
from raypose.inference.frame import Image
from raypose.models.detectors import BaseDetector, Detections
from raypose.models.detectors.class_names import find_classes

ONLY = ""
"""The category of a predictor that has no categories."""

Boxes = npt.ArrayLike | Mapping[str, npt.ArrayLike]
"""Boxes (N, 4) xyxy of an image, or these by category."""


class BoxStage:
    """Give each top-down model its boxes: those of the caller, else those that are detected.

    Without either, the whole image is the box of the only category.

    Args:
        detector: finds the boxes, if any.
        categories: what there are models of; `ONLY` alone stands for whatever is found.
        whole_image: those of them whose models take whole images and no boxes.

    Raises:
        ConfigError: if no model needs the detector, or it does not look for a category.
    """

    def __init__(
        self,
        detector: BaseDetector | None,
        categories: Sequence[str],
        whole_image: Collection[str] = (),
    ) -> None:
        self.detector = detector
        self.categories = tuple(name for name in categories if name not in whole_image)
        if detector is not None and not self.categories:
            raise ConfigError("a bottom-up model finds the people itself; leave the detector out")
        self._labels = {} if detector is None else _labels(detector, self.categories)

    def __call__(
        self, images: Sequence[Image], boxes: Sequence[Boxes] | None = None
    ) -> dict[str, list[Detections]]:
        """Return for each category the boxes in each image.

        Args:
            images: B arrays (H_i, W_i, 3) uint8 BGR.
            boxes: those to use for each image; all of them are kept, in their order.

        Raises:
            DataError: if boxes are of a category that has no model.
            ConfigError: if boxes are given and no model takes any, or several categories have
                neither boxes nor a detector.
        """
        if boxes is not None and not self.categories:
            raise ConfigError("a bottom-up model takes no boxes: it finds the people itself")
        if boxes is not None:
            named = [self._by_category(given) for given in boxes]
            return {name: [each[name] for each in named] for name in self.categories}
        if self.detector is not None and images:
            return self._detect(images, self.detector)
        if len(self.categories) > 1 and images:
            raise ConfigError(
                f"{', '.join(self.categories)}: a detector, or boxes by category, must tell them "
                "apart"
            )
        whole = [Detections.from_boxes([[0, 0, *image.shape[1::-1]]]) for image in images]
        return {name: whole for name in self.categories}

    def _detect(
        self, images: Sequence[Image], detector: BaseDetector
    ) -> dict[str, list[Detections]]:
        found = detector.detect(images)
        return {
            name: [
                each if labels is None else each.select(np.isin(each.labels, labels))
                for each in found
            ]
            for name, labels in self._labels.items()
        }

    def _by_category(self, boxes: Boxes) -> dict[str, Detections]:
        if self.categories == (ONLY,):
            if isinstance(boxes, Mapping):
                raise DataError("boxes by category are for several pose models, here is but one")
            return {ONLY: Detections.from_boxes(boxes)}
        known = ", ".join(self.categories)
        if not isinstance(boxes, Mapping):
            raise DataError(f"boxes of an image come by category, as {{name: boxes}}; of {known}")
        for name in boxes:
            if name not in self.categories:
                near = did_you_mean(name, self.categories)
                raise DataError(f"there is no model for boxes of '{name}', only for {known}.{near}")
        return {name: Detections.from_boxes(boxes.get(name, ())) for name in self.categories}


def _labels(
    detector: BaseDetector, categories: Sequence[str]
) -> dict[str, npt.NDArray[np.int64] | None]:
    """Return the labels of each category, None for all."""
    if tuple(categories) == (ONLY,):
        return {ONLY: None}
    title = type(detector).__name__
    labels: dict[str, npt.NDArray[np.int64] | None] = {}
    for name in categories:
        indices = find_classes([name], detector.class_names, title)
        if detector.classes is not None and not np.isin(indices, detector.classes).any():
            raise ConfigError(f"this {title} does not look for '{name}'; add it to its classes")
        labels[name] = indices
    return labels
