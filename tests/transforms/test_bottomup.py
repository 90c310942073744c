from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from raypose.errors import ConfigError, DataError, RayposeError
from raypose.structures import PoseSample
from raypose.transforms import (
    BottomupGetHeatmapMask,
    BottomupRandomAffine,
    BottomupResize,
    FilterAnnotations,
)
from tests.transforms.conftest import MakeSample

STILL: dict[str, Any] = {"shift_prob": 0, "scale_prob": 0, "rotate_prob": 0}


def test_fit_shows_the_whole_image_with_its_annotations(make_sample: MakeSample) -> None:
    # 120 x 80 in 64 x 64: scaled by 64 / 120, 32 / 3 rows above and below.
    sample = BottomupResize((64, 64), pad_val=(10, 20, 30))(make_sample())
    factor = 64 / 120
    assert sample.image is not None
    assert sample.image.shape == (64, 64, 3)
    np.testing.assert_array_equal(sample.image[5, 5], [10, 20, 30])
    np.testing.assert_allclose(
        sample.transform.matrix,  # type: ignore[union-attr]
        [[factor, 0, 0], [0, factor, (64 - 80 * factor) / 2]],
        atol=1e-6,
    )
    box = np.array([20, 10, 90, 70]) * factor + np.array([0, 1, 0, 1]) * (64 - 80 * factor) / 2
    np.testing.assert_allclose(sample.bboxes, [box], rtol=1e-5)
    np.testing.assert_allclose(sample.areas, [1000 * factor**2], rtol=1e-5)
    assert sample.keypoints is sample.transformed_keypoints
    assert sample.img_shape == (80, 120)


def test_expand_covers_the_input(make_sample: MakeSample) -> None:
    sample = BottomupResize((64, 64), resize_mode="expand", size_factor=16)(make_sample())
    assert sample.transform is not None
    assert sample.transform.input_size == (96, 64)


def test_resize_says_what_is_wrong_before_the_first_image() -> None:
    with pytest.raises(RayposeError, match="multiples of size_factor 32"):
        BottomupResize((100, 64))
    with pytest.raises(RayposeError, match="'fit' or 'expand'"):
        BottomupResize((64, 64), resize_mode="fill")
    with pytest.raises(ConfigError, match="input_size is width and height"):
        BottomupResize((0, 64))


@pytest.mark.parametrize(("scale_type", "extent"), [("short", 80), ("long", 120)])
def test_affine_without_chance_is_a_centered_square(
    make_sample: MakeSample, scale_type: str, extent: float
) -> None:
    sample = BottomupRandomAffine((64, 64), scale_type=scale_type, **STILL)(make_sample())
    factor = 64 / extent
    expected = [[factor, 0, 32 - 60 * factor], [0, factor, 32 - 40 * factor]]
    assert sample.transform is not None
    np.testing.assert_allclose(sample.transform.matrix, expected, atol=1e-6)
    np.testing.assert_allclose(sample.transform.scale, [extent, extent])
    corners = np.array([[20, 10], [20, 70], [90, 10], [90, 70]])
    moved = corners * factor + [32 - 60 * factor, 32 - 40 * factor]
    np.testing.assert_allclose(sample.bboxes, [moved], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(sample.areas, [1000 * factor**2], rtol=1e-5)


def test_clipping_hides_keypoints_and_cuts_boxes(make_sample: MakeSample) -> None:
    transform = BottomupRandomAffine((80, 80), bbox_keep_corner=False, clip_border=True, **STILL)
    sample = transform(
        make_sample(keypoints=np.array([[[10, 5], [30, 5], [99, 5], [101, 5]]], np.float32))
    )
    np.testing.assert_allclose(sample.bboxes, [[0, 10, 70, 70]], atol=1e-4)
    np.testing.assert_array_equal(sample.keypoints_visible, [[0, 1, 0, 0]])
    kept = BottomupRandomAffine((80, 80), bbox_keep_corner=False, **STILL)(make_sample())
    np.testing.assert_allclose(kept.bboxes, [[0, 10, 70, 70]], atol=1e-4)
    np.testing.assert_array_equal(kept.keypoints_visible, make_sample().keypoints_visible)


def test_random_amounts_stay_in_their_ranges(make_sample: MakeSample) -> None:
    rng = np.random.default_rng(0)
    uniform = {"distribution": "uniform", "scale_factor": [0.5, 1.5], "rotate_factor": 20.0}
    transform = BottomupRandomAffine((64, 64), transform_mode="perspective", **uniform)
    scales, turns = [], []
    for _ in range(500):
        matrix, center, _ = transform._geometry(rng, np.array([120.0, 80.0]))
        # The shear keeps areas up to a factor of 1 - tan(x) tan(y).
        scales.append(np.sqrt(np.linalg.det(matrix[:, :2])))
        turns.append(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
        assert np.abs(center - 32).max() <= 0.2 * 64
    assert min(scales) == pytest.approx(0.5, abs=0.03)
    assert max(scales) == pytest.approx(1.5, abs=0.03)
    assert np.mean(scales) == pytest.approx(1, abs=0.05)
    assert np.abs(turns).max() <= 20 + 2.1
    assert np.std(turns) == pytest.approx(20 / np.sqrt(3), rel=0.15)


def test_affine_says_what_is_wrong() -> None:
    with pytest.raises(ConfigError) as caught:
        BottomupRandomAffine((64, 64), scale_type="shrt", transform_mode="projective")
    assert "Did you mean 'short'" in caught.value.problems[0]
    assert "transform_mode is one of" in caught.value.problems[1]


# ---------------------------------------------------------------- masks


def mask(sample: PoseSample, **arguments: Any) -> np.ndarray:
    return BottomupGetHeatmapMask(**arguments)(sample).meta["heatmap_mask"]


def test_mask_without_a_warp_marks_polygons(make_sample: MakeSample) -> None:
    outline = [[10, 5, 20, 5, 20, 10, 10, 10]]
    invalid = np.zeros((80, 120), bool)
    invalid[5:10, 10:20] = True  # up to, not including, the far edges
    got = mask(make_sample(meta={"invalid_segs": [outline]}))
    assert got.shape == (80, 120)
    assert got.dtype == np.bool_
    np.testing.assert_array_equal(got, ~invalid)
    np.testing.assert_array_equal(
        mask(make_sample(meta={"invalid_segs": [outline]}), get_invalid=True), ~got
    )
    assert mask(make_sample()).all()
    assert not mask(make_sample(), get_invalid=True).any()


def test_mask_follows_the_warp(make_sample: MakeSample) -> None:
    outline = [[60, 0, 119, 0, 119, 79, 60, 79]]
    sample = BottomupResize((64, 64))(make_sample(meta={"invalid_segs": [outline]}))
    got = mask(sample, heatmap_size=(16, 16))
    # Rows 0..2 and 13..15 lie outside of the image, the right half is invalid.
    assert got.shape == (16, 16)
    assert got[4:12, :7].all()
    assert not got[:, 9:].any()
    assert not got[:2].any()
    invalid = mask(sample, heatmap_size=(16, 16), get_invalid=True)
    assert invalid[4:12, 9:15].all()
    assert not invalid[:2].any()


def test_overlapping_outlines_add_up(make_sample: MakeSample) -> None:
    square = [10, 10, 50, 10, 50, 50, 10, 50]
    sample = make_sample(meta={"invalid_segs": [[square, square], [square]]})
    assert mask(sample, get_invalid=True)[12:48, 12:48].all()


def test_broken_outlines_name_the_sample(make_sample: MakeSample) -> None:
    broken = {"size": [80, 120], "counts": [3, 4]}
    with pytest.raises(DataError, match="sample sample: run lengths of 7 pixels, the image has"):
        mask(make_sample(meta={"invalid_segs": [broken]}))
    with pytest.raises(DataError, match="a polygon is x, y"):
        mask(make_sample(meta={"invalid_segs": [[[1, 2, 3]]]}))
    with pytest.raises(ConfigError, match="heatmap_size"):
        BottomupGetHeatmapMask(heatmap_size=(0, 4))


# ---------------------------------------------------------------- filter


def crowd() -> PoseSample:
    return PoseSample(
        id="crowd",
        bboxes=np.array([[0, 0, 9, 9], [0, 0, 1, 9], [0, 0, 9, 9]], np.float32),
        bbox_scores=np.arange(3, dtype=np.float32),
        keypoints=np.zeros((3, 2, 2), np.float32),
        keypoints_visible=np.array([[1, 1], [1, 1], [0, 1]], np.float32),
        areas=np.array([50, 60, 5], np.float32),
        transformed_keypoints=np.zeros((3, 2, 2), np.float32),
        meta={"category_id": np.array([1, 2, 3]), "invalid_segs": []},
    )


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ({}, [0, 1, 2]),
        ({"min_kpt_vis": 2}, [0, 1]),
        ({"by_box": True}, [0, 2]),
        ({"by_kpt": False, "by_area": True, "min_gt_area": 50}, [0, 1]),
        ({"by_box": True, "min_kpt_vis": 2}, [0]),
    ],
)
def test_filter_keeps_what_passes_every_test(arguments: dict[str, Any], kept: list[int]) -> None:
    sample = FilterAnnotations(**arguments)(crowd())
    assert sample is not None
    np.testing.assert_array_equal(sample.bbox_scores, kept)
    np.testing.assert_array_equal(sample.meta["category_id"], np.array(kept) + 1)
    for value in (sample.keypoints, sample.bboxes, sample.areas, sample.transformed_keypoints):
        assert value is not None
        assert len(value) == len(kept)


def test_filter_with_nothing_left() -> None:
    assert FilterAnnotations(min_kpt_vis=3)(crowd()) is None
    empty = FilterAnnotations(min_kpt_vis=3, keep_empty=False)(crowd())
    assert empty is not None
    assert empty.keypoints is not None
    assert empty.keypoints.shape == (0, 2, 2)
    assert FilterAnnotations()(empty) is empty
    with pytest.raises(ConfigError, match="at least one of"):
        FilterAnnotations(by_kpt=False)


def test_filter_measures_warped_boxes_by_what_is_round_them(make_sample: MakeSample) -> None:
    sample = BottomupRandomAffine((64, 64), rotate_factor=45.0)(make_sample())
    assert sample.bboxes is not None
    assert sample.bboxes.shape == (1, 4, 2)
    assert FilterAnnotations(by_box=True)(sample) is not None
    assert FilterAnnotations(by_box=True, min_gt_bbox_wh=(500, 500))(sample) is None
