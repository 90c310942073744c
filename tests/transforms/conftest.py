from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from raypose.structures import PoseSample

MakeSample = Callable[..., PoseSample]


@pytest.fixture
def make_sample() -> MakeSample:
    """Return a maker of loaded samples of one instance with four keypoints."""

    def make(seed: int = 0, **changes: Any) -> PoseSample:
        rng = np.random.default_rng(seed)
        values: dict[str, Any] = {
            "id": "sample",
            "image": rng.integers(0, 255, (80, 120, 3), np.uint8),
            "img_shape": (80, 120),
            "bboxes": np.array([[20, 10, 90, 70]], np.float32),
            "bbox_scores": np.ones(1, np.float32),
            "keypoints": np.array([[[30, 20], [80, 60], [40, 50], [60, 15]]], np.float32),
            "keypoints_visible": np.array([[1, 1, 0, 1]], np.float32),
            "areas": np.array([1000], np.float32),
            "flip_indices": (1, 0, 2, 3),
            "upper_body_ids": (0, 1),
            "lower_body_ids": (2, 3),
            "rng": np.random.default_rng(seed),
        }
        return PoseSample(**{**values, **changes})

    return make
