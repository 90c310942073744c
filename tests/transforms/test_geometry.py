"""What all transforms of geometry must agree on: pixels, keypoints and the way back."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from raypose.structures import PoseSample
from raypose.transforms import Compose
from tests.transforms.conftest import MakeSample

TOPDOWN: list[dict[str, Any]] = [
    {"type": "GetBBoxCenterScale"},
    {"type": "RandomFlip", "prob": [0.3, 0.3, 0.3], "direction": [
        "horizontal", "vertical", "diagonal"]},
    {"type": "RandomHalfBody", "min_total_keypoints": 2, "min_lower_keypoints": 2},
    {"type": "RandomBBoxTransform", "scale_factor": [0.8, 1.2]},
]  # fmt: skip
CHAINS: dict[str, list[dict[str, Any]]] = {
    "topdown": [*TOPDOWN, {"type": "TopdownAffine", "input_size": [192, 256]}],
    "topdown udp": [*TOPDOWN, {"type": "TopdownAffine", "input_size": [192, 256], "use_udp": True}],
    "bottomup": [
        {"type": "BottomupRandomAffine", "input_size": [256, 192]},
        {"type": "RandomFlip"},
    ],
    "bottomup, flip first": [
        {"type": "RandomFlip"},
        {"type": "BottomupRandomAffine", "input_size": [256, 192]},
    ],
    "bottomup udp": [
        {"type": "RandomFlip", "direction": "vertical"},
        {"type": "BottomupRandomAffine", "input_size": [256, 192], "transform_mode": "affine_udp"},
        {"type": "RandomFlip"},
    ],
    "bottomup perspective": [
        {
            "type": "BottomupRandomAffine",
            "input_size": [128, 96],
            "transform_mode": "perspective",
            "shear_factor": 15.0,
        },
    ],
    "resize": [{"type": "RandomFlip"}, {"type": "BottomupResize", "input_size": [256, 192]}],
    "resize, flip last": [
        {"type": "BottomupResize", "input_size": [192, 256], "resize_mode": "expand"},
        {"type": "RandomFlip", "direction": "diagonal"},
    ],
    "resize udp": [
        {"type": "RandomFlip"},
        {"type": "BottomupResize", "input_size": [224, 224], "use_udp": True},
    ],
    "two warps": [
        {"type": "BottomupResize", "input_size": [160, 160]},
        {"type": "RandomFlip"},
        {"type": "BottomupRandomAffine", "input_size": [256, 192]},
    ],
}
# One colour for each keypoint, by which it is found again.
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], np.uint8)


def with_markers(sample: PoseSample) -> PoseSample:
    """Draw a 5 x 5 square round each keypoint on black."""
    image = np.zeros((80, 120, 3), np.uint8)
    assert sample.keypoints is not None
    for (x, y), color in zip(sample.keypoints[0].astype(int), COLORS, strict=True):
        image[y - 2 : y + 3, x - 2 : x + 3] = color
    sample.image = image
    return sample


def centroid(image: np.ndarray, color: np.ndarray) -> np.ndarray | None:
    """(x, y) of what has a color, weighted; None if it is not, or not wholly, in the image."""
    on, off = image[..., color > 0], image[..., color == 0]
    weight = on.min(axis=-1).astype(float)
    if off.shape[-1]:
        weight *= off.max(axis=-1) == 0
    y, x = np.nonzero(weight)
    H, W = weight.shape
    if not len(x) or x.min() == 0 or y.min() == 0 or x.max() == W - 1 or y.max() == H - 1:
        return None
    return np.average(np.stack([x, y], 1), axis=0, weights=weight[y, x])


@pytest.mark.parametrize("name", CHAINS)
def test_keypoints_stay_on_their_pixels(make_sample: MakeSample, name: str) -> None:
    pipeline, found = Compose(CHAINS[name]), 0
    for number in range(30):
        original = with_markers(make_sample(id=str(number)))
        assert original.keypoints is not None
        before = original.keypoints.copy()
        sample = pipeline(original)
        assert sample is not None
        assert sample.image is not None
        assert sample.transform is not None
        assert sample.transformed_keypoints is not None
        mirrored = np.linalg.det(sample.transform.matrix[:, :2]) < 0
        order = [1, 0, 2, 3] if mirrored else [0, 1, 2, 3]
        for keypoint, color in zip(sample.transformed_keypoints[0], COLORS[order], strict=True):
            place = centroid(sample.image, color)
            if place is not None:
                found += 1
                np.testing.assert_allclose(place, keypoint, atol=0.35)
        moved = sample.transform.to_input(before)[:, order]
        np.testing.assert_allclose(moved, sample.transformed_keypoints, atol=1e-3)
    assert found > 40


@pytest.mark.parametrize("name", [name for name in CHAINS if name != "topdown udp"])
def test_the_way_back_undoes_the_way_there(make_sample: MakeSample, name: str) -> None:
    points = np.random.default_rng(0).uniform(-50, 150, (40, 2)).astype(np.float32)
    for number in range(10):
        sample = Compose(CHAINS[name])(make_sample(id=str(number)))
        assert sample is not None
        transform = sample.transform
        assert transform is not None
        np.testing.assert_allclose(
            transform.to_image(transform.to_input(points)), points, atol=1e-3
        )
        assert sample.image is not None
        assert transform.input_size == sample.image.shape[1::-1]


@pytest.mark.parametrize("name", ["topdown", "topdown udp", "bottomup, flip first", "resize"])
def test_the_middle_of_the_input_shows_the_center(make_sample: MakeSample, name: str) -> None:
    for number in range(10):
        sample = Compose(CHAINS[name])(make_sample(id=str(number)))
        assert sample is not None
        transform = sample.transform
        assert transform is not None
        middle = np.asarray(transform.input_size, np.float64) / 2
        if "udp" in name:
            middle = middle - 0.5
        np.testing.assert_allclose(transform.matrix @ [*transform.center, 1], middle, atol=1e-3)


def test_flip_then_crop_is_a_crop_of_the_mirrored_image(make_sample: MakeSample) -> None:
    crop = [{"type": "GetBBoxCenterScale"}, {"type": "TopdownAffine", "input_size": [48, 64]}]
    flips = {"horizontal": 1, "vertical": 0, "diagonal": -1}
    for direction, code in flips.items():
        flip = {"type": "RandomFlip", "prob": 1.0, "direction": direction}
        ours = Compose([flip, *crop])(make_sample())
        other = make_sample()
        assert ours is not None
        assert other.image is not None
        other.image = np.asarray(cv2.flip(other.image, code), np.uint8)
        x1, y1, x2, y2 = 20, 10, 90, 70
        if direction != "vertical":
            x1, x2 = 119 - x2, 119 - x1
        if direction != "horizontal":
            y1, y2 = 79 - y2, 79 - y1
        other.bboxes = np.array([[x1, y1, x2, y2]], np.float32)
        expected = Compose(crop)(other)
        assert expected is not None
        assert ours.image is not None
        assert expected.image is not None
        difference = np.abs(ours.image.astype(int) - expected.image)
        # OpenCV interpolates at fractions of 1/32, which the mirror rounds the other way.
        assert difference.mean() < 1.0
        assert np.quantile(difference, 0.99) <= 8
