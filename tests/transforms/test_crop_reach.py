"""What crops may show: by hand, and as the farthest of many that are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from raypose.ops.affine import apply_affine, invert_affine
from raypose.structures import PoseSample
from raypose.transforms import Compose
from raypose.transforms.compose import build_transforms
from raypose.transforms.crop_reach import crop_reach


def sample(number: int = 0) -> PoseSample:
    rng = np.random.default_rng(3)
    return PoseSample(
        id=str(number),
        img_shape=(1000, 1200),
        image=np.zeros((1000, 1200, 3), np.uint8),
        bboxes=np.array([[500, 400, 620, 640]], np.float32),
        keypoints=rng.uniform((500, 400), (620, 640), (1, 17, 2)).astype(np.float32),
        keypoints_visible=np.ones((1, 17), np.float32),
        flip_indices=tuple(range(17)),
        upper_body_ids=tuple(range(11)),
        lower_body_ids=tuple(range(11, 17)),
    )


def steps(*middle: dict[str, Any], **affine: Any) -> list[dict[str, Any]]:
    return [
        {"type": "LoadImage"},
        {"type": "GetBBoxCenterScale", "padding": 1.0},
        *middle,
        {"type": "TopdownAffine", "input_size": [96, 128], **affine},
    ]


def test_a_box_that_stays_where_it_is() -> None:
    found = crop_reach(build_transforms(steps()), sample())
    # 180 x 240 about (560, 520), a pixel of the input more for UDP, and two of the image.
    half = np.array([90 * 96 / 95, 120 * 128 / 127]) + 2
    np.testing.assert_allclose(
        found, [*np.subtract((560, 520), half), *np.add((560, 520), half)], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("angle", "half"),
    # 180 x 240: by 90 degrees the other way round; further than its diagonal it never reaches.
    [(90, (150.0, 150.0)), (30, (137.9, 148.9)), (0, (90.0, 120.0))],
)
def test_a_box_that_turns(angle: float, half: tuple[float, float]) -> None:
    turn = {"type": "RandomBBoxTransform", "rotate_factor": angle, "rotate_prob": 1.0,
            "scale_factor": [0.5, 1.0], "shift_factor": 0}  # fmt: skip
    x1, y1, x2, y2 = crop_reach(build_transforms(steps(turn)), sample())
    # Of the margins only those of two pixels are left out here.
    assert ((x2 - x1) / 2 - 2) / (96 / 95) == pytest.approx(half[0], rel=0.01)
    assert ((y2 - y1) / 2 - 2) / (128 / 127) == pytest.approx(half[1], rel=0.01)


@pytest.mark.parametrize("udp", [False, True])
def test_no_crop_reaches_further_and_some_nearly_as_far(udp: bool) -> None:
    middle = [
        {"type": "RandomFlip", "direction": ["horizontal", "vertical"]},
        {"type": "RandomHalfBody", "prob": 0.5},
        {"type": "RandomBBoxTransform", "rotate_factor": 60, "scale_factor": [0.7, 1.3],
         "shift_prob": 1.0, "rotate_prob": 1.0},
    ]  # fmt: skip
    pipeline = Compose(steps(*middle, use_udp=udp))
    bounds = np.array(crop_reach(pipeline.transforms, sample()))
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for number in range(4000):
        done = pipeline(sample(number))
        assert done is not None
        assert done.transform is not None
        corners = np.array([[0, 0], [95, 0], [0, 127], [95, 127]], np.float64)
        shown = apply_affine(invert_affine(done.transform.matrix), corners)
        low, high = np.minimum(low, shown.min(axis=0)), np.maximum(high, shown.max(axis=0))
    assert (low > bounds[:2]).all()
    assert (high < bounds[2:]).all()
    assert ((high - low) > 0.85 * (bounds[2:] - bounds[:2])).all()
