from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from raypose.structures import CropTransform, PoseSample
from raypose.structures.pose_sample import ROW_COLUMNS

RNG = np.random.default_rng(1)


def floats(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def full_sample() -> PoseSample:
    """A sample with every field that travels."""
    return PoseSample(
        id="7:3",
        index=11,
        img_path="images/7.jpg",
        img_id=7,
        img_shape=(480, 640),
        image=RNG.integers(0, 255, (4, 3, 3), np.uint8),
        bboxes=floats(2, 4),
        bbox_scores=floats(2),
        bbox_center=floats(2, 2),
        bbox_scale=floats(2, 2),
        bbox_rotation=floats(2),
        keypoints=floats(2, 17, 2),
        keypoints_visible=floats(2, 17),
        areas=floats(2),
        transformed_keypoints=floats(2, 17, 2),
        transform=CropTransform.from_matrix(RNG.normal(size=(2, 3)), (1, 2), (3, 4), (48, 64)),
        flip_indices=(1, 0),
        upper_body_ids=(0,),
        lower_body_ids=(1,),
        meta={
            "category_id": 1,
            "name": "walk",
            "head_size": 3.5,
            "invalid_segs": [np.arange(6, dtype=np.int64).reshape(3, 2), np.zeros((0, 2))],
            "camera_param": {"f": np.array([1.5, 2.5], np.float32), "name": "left"},
            "flag": np.bool_(True),
        },
    )


def through_arrow(sample: PoseSample) -> PoseSample:
    table = pa.Table.from_pylist([sample.to_row()])
    return PoseSample.from_row(table.to_pylist()[0])


def assert_equal(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_equal(a, b)
    elif isinstance(one, CropTransform):
        for name in CropTransform.__slots__:
            assert_equal(getattr(one, name), getattr(other, name))
    else:
        assert one == other


@pytest.mark.parametrize("travel", [through_arrow, lambda s: PoseSample.from_row(s.to_row())])
def test_every_field_comes_back_as_it_was(travel: Any) -> None:
    sample = full_sample()
    again = travel(sample)
    sample.meta["flag"] = True  # a number of numpy's becomes a plain one
    left_behind = {"rng", "pending"}
    for field in fields(PoseSample):
        if field.name not in left_behind:
            assert_equal(getattr(again, field.name), getattr(sample, field.name))


def test_a_bare_sample_comes_back() -> None:
    again = through_arrow(PoseSample(id="x"))
    for field in fields(PoseSample):
        if field.name not in ("rng", "id"):
            assert_equal(getattr(again, field.name), getattr(PoseSample(id="x"), field.name))


def test_empty_arrays_keep_their_shape() -> None:
    sample = PoseSample(id="x", keypoints=np.zeros((0, 17, 2), np.float32))
    assert_equal(through_arrow(sample).keypoints, sample.keypoints)


def test_rows_have_the_columns_that_are_promised() -> None:
    assert full_sample().to_row().keys() == ROW_COLUMNS.keys()
    assert PoseSample(id="x").to_row().keys() <= ROW_COLUMNS.keys()


def test_arrays_of_meta_can_be_changed_after_the_trip() -> None:
    again = through_arrow(full_sample())
    again.meta["camera_param"]["f"][0] = 9.0
    assert again.meta["camera_param"]["f"].tolist() == [9.0, 2.5]


def test_what_cannot_travel_is_named() -> None:
    sample = PoseSample(id="x", meta={"thing": object()})
    with pytest.raises(TypeError, match=r"PoseSample.meta cannot travel with a object"):
        sample.to_row()
