from __future__ import annotations

import cv2
import numpy as np
import pytest

from raypose.errors import DataError
from raypose.structures import PoseSample
from raypose.transforms import PhotometricDistortion, YOLOXHSVRandomAug
from tests.transforms.conftest import MakeSample


class Fixed:
    """A generator whose draws are known."""

    def __init__(self, uniform: list[np.ndarray | float], integers: list[np.ndarray | int]) -> None:
        self._uniform, self._integers = iter(uniform), iter(integers)

    def uniform(self, *_: float) -> np.ndarray | float:
        return next(self._uniform)

    def integers(self, *_: int, size: int | None = None) -> np.ndarray | int:
        return next(self._integers)

    def permutation(self, n: int) -> np.ndarray:
        return np.array([2, 0, 1])[:n]


@pytest.mark.parametrize(
    ("drawn", "happens", "amounts"),
    [
        ([-0.9, 0.5, 1.0], [1, 1, 0], (-4, 15, 0)),
        ([1.0, -1.0, 0.7], [1, 1, 1], (5, -30, 21)),
        ([0.1, -0.5, -0.9], [1, 1, 1], (0, -15, -27)),
        ([0.0, 0.0, 1.0], [0, 0, 1], (0, 0, 30)),
    ],
)
def test_hsv_adds_the_drawn_amounts(
    make_sample: MakeSample, drawn: list[float], happens: list[int], amounts: tuple[int, ...]
) -> None:
    sample = make_sample()
    assert sample.image is not None
    expected = cv2.cvtColor(sample.image, cv2.COLOR_BGR2HSV).astype(int)
    expected[..., 0] = (expected[..., 0] + amounts[0]) % 180
    expected[..., 1:] = np.clip(expected[..., 1:] + amounts[1:], 0, 255)
    draws = Fixed([np.array(drawn)], [np.array(happens)])
    sample.rng = draws  # type: ignore[assignment]
    sample = YOLOXHSVRandomAug()(sample)
    np.testing.assert_array_equal(
        sample.image, cv2.cvtColor(expected.astype(np.uint8), cv2.COLOR_HSV2BGR)
    )


def distort(
    sample: PoseSample, flags: list[int], colors: int, amounts: list[float], turn: int
) -> np.ndarray:
    draws = Fixed(list(amounts), [np.array(flags), colors, turn])
    sample.rng = draws  # type: ignore[assignment]
    result = PhotometricDistortion()(sample).image
    assert result is not None
    return result


def test_brightness_then_contrast_then_swap(make_sample: MakeSample) -> None:
    image = make_sample().image
    assert image is not None
    got = distort(make_sample(), [1, 1, 0, 1], 0, [-10.5, 1.3, 1.0], 0)
    brighter = np.clip(image - 10.5, 0, 255).astype(np.uint8)
    expected = np.clip(brighter * 1.3, 0, 255).astype(np.uint8)[..., [2, 0, 1]]
    np.testing.assert_array_equal(got, expected)
    assert got.flags.c_contiguous


def test_saturation_and_hue_before_contrast(make_sample: MakeSample) -> None:
    image = make_sample().image
    assert image is not None
    got = distort(make_sample(), [0, 1, 1, 0], 3, [0.0, 0.7, 1.4], -9)
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV).astype(float)
    hsv[..., 0] = (hsv[..., 0] - 9) % 180
    hsv[..., 1] = np.clip(hsv[..., 1] * 1.4, 0, 255)
    colored = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)
    np.testing.assert_array_equal(got, np.clip(colored * 0.7, 0, 255).astype(np.uint8))


def test_nothing_drawn_changes_nothing(make_sample: MakeSample) -> None:
    np.testing.assert_array_equal(
        distort(make_sample(), [0, 0, 0, 0], 0, [9.0, 1.5, 1.5], 5), make_sample().image
    )


@pytest.mark.parametrize("transform", [PhotometricDistortion(), YOLOXHSVRandomAug()])
def test_image_given_stays_as_it_was(
    make_sample: MakeSample, transform: PhotometricDistortion | YOLOXHSVRandomAug
) -> None:
    for seed in range(8):
        sample = make_sample(seed=1, rng=np.random.default_rng(seed))
        original = sample.image
        assert original is not None
        original.flags.writeable = False
        sample = transform(sample)
        assert sample.image is not None
        assert sample.image.shape == original.shape
    with pytest.raises(DataError, match="LoadImage comes first"):
        transform(make_sample(image=None))
