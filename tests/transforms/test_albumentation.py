from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from raypose.errors import ConfigError, DataError
from raypose.transforms import Albumentation
from tests.transforms.conftest import MakeSample


def apply(make_sample: MakeSample, seed: int = 0, **step: Any) -> np.ndarray:
    sample = make_sample(seed=1, rng=np.random.default_rng(seed))
    original = sample.image
    assert original is not None
    original.flags.writeable = False
    result = Albumentation([{"p": 1.0, **step}])(sample).image
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("name", "blur"),
    [("Blur", lambda image, k: cv2.blur(image, (k, k))), ("MedianBlur", cv2.medianBlur)],
)
def test_blurs_have_odd_sizes_from_3_to_7(make_sample: MakeSample, name: str, blur: Any) -> None:
    image = make_sample(seed=1).image
    seen = set()
    for seed in range(20):
        got = apply(make_sample, seed, type=name)
        size = next(k for k in (3, 5, 7) if (blur(image, k) == got).all())
        seen.add(size)
    assert seen == {3, 5, 7}
    assert (apply(make_sample, type=name, blur_limit=3) == blur(image, 3)).all()
    assert (apply(make_sample, type=name, blur_limit=[9, 9]) == blur(image, 9)).all()


def holes(image: np.ndarray, value: Any) -> np.ndarray:
    return (image == value).all(axis=-1)


def test_coarse_dropout_by_shares_of_the_image(make_sample: MakeSample) -> None:
    step = {"type": "CoarseDropout", "max_holes": 1, "max_height": 0.4, "max_width": 0.4}
    step |= {"min_height": 0.2, "min_width": 0.3, "fill_value": [1, 2, 3]}
    image = make_sample(seed=1).image
    for seed in range(20):
        got = apply(make_sample, seed, **step)
        dropped = holes(got, [1, 2, 3])
        y, x = np.nonzero(dropped)
        height, width = np.ptp(y) + 1, np.ptp(x) + 1
        assert dropped.sum() == height * width
        assert 16 <= height <= 32
        assert 36 <= width <= 48
        assert image is not None
        np.testing.assert_array_equal(got[~dropped], image[~dropped])


def test_coarse_dropout_by_pixels(make_sample: MakeSample) -> None:
    got = apply(make_sample, type="CoarseDropout", max_holes=3, fill_value=255)
    assert 64 <= holes(got, 255).sum() <= 3 * 64
    whole = apply(make_sample, type="CoarseDropout", max_holes=1, max_height=500, max_width=500)
    assert not whole.any()


def test_grid_dropout(make_sample: MakeSample) -> None:
    got = holes(apply(make_sample, type="GridDropout", fill_value=255), 255)
    # A tenth of 120 pixels is the unit, half of its sides is filled.
    x, y = np.arange(120) % 12 < 6, np.arange(80) % 12 < 6
    np.testing.assert_array_equal(got, y[:, None] & x)
    step = {"type": "GridDropout", "fill_value": 255, "holes_number_x": 4, "holes_number_y": 2}
    got = holes(apply(make_sample, **step, shift_x=5, ratio=0.2), 255)
    x = (np.arange(120) >= 5) & ((np.arange(120) - 5) % 30 < 6)
    np.testing.assert_array_equal(got, (np.arange(80) % 40 < 8)[:, None] & x)


def test_grid_dropout_with_random_units_and_offset(make_sample: MakeSample) -> None:
    step = {"type": "GridDropout", "unit_size_min": 10, "unit_size_max": 40, "random_offset": True}
    shares, starts = [], set()
    for seed in range(40):
        got = holes(apply(make_sample, seed, fill_value=255, **step), 255)
        shares.append(got.mean())
        starts.add(int(np.argmax(got.any(axis=0))))
    assert np.mean(shares) == pytest.approx(0.25, abs=0.05)
    assert len(starts) > 5


def test_each_has_its_probability(make_sample: MakeSample) -> None:
    transform = Albumentation([{"type": "CoarseDropout", "fill_value": 255, "p": 0.25}])
    rng, count = np.random.default_rng(0), 0
    for _ in range(800):
        sample = transform(make_sample(image=np.zeros((20, 20, 3), np.uint8), rng=rng))
        assert sample.image is not None
        count += sample.image.any()
    assert count / 800 == pytest.approx(0.25, abs=0.05)


def test_mistakes_are_reported_together(make_sample: MakeSample) -> None:
    with pytest.raises(ConfigError) as caught:
        Albumentation(
            [
                {"type": "MotionBlur"},
                {"type": "Blur", "blur_limits": 3},
                {"type": "MedianBlurr", "p": 1},
            ]
        )
    first, second, third = caught.value.problems
    assert "transforms.0: 'MotionBlur' is not one of Blur, MedianBlur, CoarseDropout" in first
    assert "transforms.1: Blur takes no argument 'blur_limits'" in second
    assert "Did you mean 'MedianBlur'?" in third
    with pytest.raises(ConfigError, match=r"both pixels .* or both shares"):
        Albumentation([{"type": "CoarseDropout", "max_height": 9, "min_height": 0.5}])
    with pytest.raises(ConfigError, match="0 < min_holes <= max_holes"):
        Albumentation([{"type": "CoarseDropout", "max_holes": 1, "min_holes": 2}])
    with pytest.raises(ConfigError, match="unit_size_min and unit_size_max come together"):
        Albumentation([{"type": "GridDropout", "unit_size_min": 10}])
    with pytest.raises(ConfigError, match="blur_limit"):
        Albumentation([{"type": "Blur", "blur_limit": 1}])
    with pytest.raises(DataError, match="LoadImage comes first"):
        Albumentation([{"type": "Blur"}])(make_sample(image=None))
