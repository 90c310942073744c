"""JPEGs at a half, a quarter or an eighth: the same crop, to a fraction of a pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from raypose.config import build_pipeline
from raypose.errors import ConfigError, DataError
from raypose.structures import PoseSample
from raypose.transforms import Compose, LoadImage, TopdownAffine
from raypose.transforms.reduced_loading import ReducedLoading
from tests.tiny_runs import load_experiment

SIZE = (1203, 1597)  # h, w: no multiples of a reduction
SPOT = (803.25, 611.5)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A bright spot on a slope of grey, smooth enough for any size."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    spot = 150 * np.exp(-((x - SPOT[0]) ** 2 + (y - SPOT[1]) ** 2) / (2 * 60.0**2))
    image = np.repeat((spot + 40 + 40 * x / SIZE[1])[..., None], 3, axis=-1)
    path = tmp_path / "spot.jpg"
    cv2.imwrite(str(path), image.round().astype(np.uint8), (cv2.IMWRITE_JPEG_QUALITY, 98))
    return path


def sample(path: Path, side: float, **changes: Any) -> PoseSample:
    x, y = SPOT
    box = [x - side / 2, y - side / 2, x + side / 2, y + side / 2]
    given: dict[str, Any] = {"img_shape": SIZE, "bboxes": np.array([box], np.float32)}
    return PoseSample(id="a", img_path=str(path), **{**given, **changes})


def steps(*middle: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "LoadImage"},
        {"type": "GetBBoxCenterScale", "padding": 1.0},
        *middle,
        {"type": "TopdownAffine", "input_size": [64, 64]},
    ]


def crop(path: Path, side: float, reduced: bool, *middle: dict[str, Any]) -> np.ndarray:
    done = Compose(steps(*middle), seed=5, reduced_decode=reduced)(sample(path, side))
    assert done is not None
    assert done.image is not None
    assert done.img_shape == SIZE
    assert done.pixels is None
    return done.image.astype(float)


@pytest.mark.parametrize("side", [100.0, 130.0, 270.0, 530.0, 900.0])
@pytest.mark.parametrize("turned", [False, True])
def test_a_crop_is_where_it_was(picture: Path, side: float, turned: bool) -> None:
    turn = {"type": "RandomBBoxTransform", "rotate_factor": 60, "rotate_prob": 1.0,
            "scale_factor": [1, 1], "shift_prob": 1.0}  # fmt: skip
    middle = [{"type": "RandomFlip", "prob": 1.0}, turn] if turned else []
    full, reduced = (crop(picture, side, flag, *middle) for flag in (False, True))
    # Where the picture ends half a pixel of it may be black already.
    assert np.quantile(np.abs(full - reduced), 0.99) < 4
    # A place that is wrong by a tenth of a pixel would show on the slopes of the spot.
    slope = np.abs(np.diff(full[..., 0], axis=1)).max()
    assert np.abs(full - reduced).mean() < 0.1 * slope + 0.25


@pytest.mark.parametrize(
    ("side", "reduction"), [(100, 1), (127, 1), (128, 2), (255, 2), (256, 4), (512, 8), (5000, 8)]
)
def test_no_crop_has_fewer_pixels_than_it_shows(picture: Path, side: float, reduction: int) -> None:
    load = ReducedLoading(LoadImage(), TopdownAffine((64, 64)))
    given = sample(picture, side, bbox_scale=np.array([[side, side / 3]], np.float32))
    done = load(given)
    assert done is not None
    assert done.image is not None
    assert done.image.shape[:2] == (-(-SIZE[0] // reduction), -(-SIZE[1] // reduction))
    assert done.img_shape == SIZE
    if reduction == 1:
        assert done.pixels is None
    else:
        assert done.pixels is not None
        half = (reduction - 1) / 2
        np.testing.assert_array_equal(
            done.pixels, [[reduction, 0, half], [0, reduction, half], [0, 0, 1]]
        )


def test_a_part_of_a_picture_is_reduced_too(picture: Path, tmp_path: Path) -> None:
    whole = cv2.imread(str(picture))
    assert whole is not None
    part = tmp_path / "part.jpg"
    cv2.imwrite(str(part), whole[301:1000, 403:1300], (cv2.IMWRITE_JPEG_QUALITY, 98))
    place = np.array([[1.0, 0, 403], [0, 1, 301], [0, 0, 1]])
    done = Compose(steps(), reduced_decode=True)(sample(part, 300.0, pixels=place))
    assert done is not None
    assert done.image is not None
    assert np.abs(crop(picture, 300.0, False) - done.image).max() < 4


def test_other_formats_and_pictures_of_unknown_size_are_whole(
    picture: Path, tmp_path: Path
) -> None:
    png = tmp_path / "spot.png"
    cv2.imwrite(str(png), np.asarray(cv2.imread(str(picture))))
    np.testing.assert_array_equal(crop(png, 530.0, True), crop(png, 530.0, False))
    unknown = sample(picture, 530.0, img_shape=None)
    done = Compose(steps(), reduced_decode=True)(unknown)
    assert done is not None
    np.testing.assert_array_equal(done.image, crop(picture, 530.0, False))  # type: ignore[arg-type]


def test_a_size_that_is_wrong_is_told_or_mended_as_ever(picture: Path) -> None:
    pipeline = Compose(steps(), reduced_decode=True)
    with pytest.raises(DataError, match="the image is 1597 x 1203, its annotation says 1203 x"):
        pipeline(sample(picture, 530.0, img_shape=SIZE[::-1]))
    done = pipeline(sample(picture, 530.0, img_shape=(600, 800)))
    assert done is not None
    assert done.img_shape == SIZE


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        (steps({"type": "PhotometricDistortion"}), "PhotometricDistortion stands between"),
        (steps({"type": "WholeImageBBox"}), "WholeImageBBox stands between LoadImage and"),
        ([{"type": "LoadImage"}, {"type": "BottomupResize", "input_size": [64, 64]}],
         "for pipelines with LoadImage and TopdownAffine, .* has LoadImage, BottomupResize"),
        ([], "data.reduced_decode is for pipelines with LoadImage"),
    ],
)  # fmt: skip
def test_pipelines_that_need_every_pixel(transforms: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Compose(transforms, reduced_decode=True)


def test_the_config_asks_for_it_in_training_alone(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(tmp_path, synthetic_people, data__reduced_decode=True)
    kinds = {
        split: [type(step).__name__ for step in build_pipeline(config, split).stages[0].transforms]  # type: ignore[attr-defined]
        for split in ("train", "val")
    }
    assert "ReducedLoading" in kinds["train"]
    assert "LoadImage" not in kinds["train"]
    assert kinds["val"][0] == "LoadImage"
