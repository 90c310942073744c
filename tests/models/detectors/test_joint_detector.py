from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raypose.models.detectors import BaseDetector, Detections, JointDetector


class Fixed(BaseDetector):
    """Finds the same boxes in every image, as classes of its own."""

    def __init__(self, boxes: list[list[float]], label: int) -> None:
        self.boxes = boxes
        self.label = label
        self.device = ""

    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        found = Detections.from_boxes(self.boxes)
        labels = np.full(len(found), self.label)
        return [
            Detections(boxes=found.boxes + i, scores=found.scores, labels=labels)
            for i, _ in enumerate(images)
        ]

    def to(self, device: str) -> Fixed:
        self.device = device
        return self


def test_labels_are_categories_whatever_each_detector_calls_them() -> None:
    hands, faces = Fixed([[0, 0, 1, 1], [2, 2, 3, 3]], 0), Fixed([[5, 5, 9, 9]], 4)
    detector = JointDetector({"hand": hands, "face": faces}).to("cuda:1")
    assert detector.class_names == ("hand", "face")
    assert (hands.device, faces.device) == ("cuda:1", "cuda:1")
    image = np.zeros((9, 9, 3), np.uint8)
    first, second = detector.detect([image, image])
    np.testing.assert_array_equal(first.boxes, [[0, 0, 1, 1], [2, 2, 3, 3], [5, 5, 9, 9]])
    np.testing.assert_array_equal(first.labels, [0, 0, 1])
    np.testing.assert_array_equal(second.boxes, first.boxes + 1)
    assert detector.detect([]) == []
