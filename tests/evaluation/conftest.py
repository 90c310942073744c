"""Small made-up data sets for the tests of metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from raypose.structures import Poses, PoseSample, Skeleton

Pair = tuple[PoseSample, Poses]


@pytest.fixture
def skeleton() -> Skeleton:
    return Skeleton.load(
        {"name": "mouse", "keypoints": ["snout", "left_ear", "right_ear", "tail"], "sigmas": 0.05}
    )


@pytest.fixture
def make_pairs() -> Callable[..., list[Pair]]:
    """Samples with one animal each, three to an image, and predictions some pixels off."""

    def make(count: int = 9, noise: float = 2.0, k: int = 4, **meta: Any) -> list[Pair]:
        rng = np.random.default_rng(0)
        pairs = []
        for i in range(count):
            corner = np.array([150.0 * (i % 3), 40.0])
            keypoints = (corner + rng.uniform(0, 80, (1, k, 2))).astype(np.float32)
            found = keypoints + rng.normal(0, noise, keypoints.shape).astype(np.float32)
            sample = PoseSample(
                id=f"animal-{i}",
                index=i,
                img_id=10 + i // 3,
                bboxes=np.array([[*corner, *(corner + 80)]], np.float32),
                keypoints=keypoints,
                keypoints_visible=np.ones((1, k), np.float32),
                areas=np.array([6400], np.float32),
                meta=dict(meta),
            )
            poses = Poses(
                keypoints=found,
                keypoint_scores=rng.uniform(0.3, 1, (1, k)).astype(np.float32),
                bboxes=sample.bboxes,
                bbox_scores=rng.uniform(0.5, 1, 1).astype(np.float32),
            )
            pairs.append((sample, poses))
        return pairs

    return make
