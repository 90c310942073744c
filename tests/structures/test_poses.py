from __future__ import annotations

import numpy as np
import pyarrow as pa

from raypose.structures import CropTransform, Poses

RNG = np.random.default_rng(3)


def people(count: int) -> Poses:
    return Poses(
        keypoints=RNG.normal(size=(count, 5, 2)).astype(np.float32),
        keypoint_scores=RNG.uniform(size=(count, 5)).astype(np.float32),
        bboxes=RNG.normal(size=(count, 4)).astype(np.float32),
        bbox_scores=RNG.uniform(size=count).astype(np.float32),
        track_ids=np.arange(count) + 2**40,
        keypoints_3d=RNG.normal(size=(count, 6, 3)).astype(np.float32),
        extras={"share": RNG.uniform(size=(count, 1)).astype(np.float32)},
    )


def assert_same(one: Poses, other: Poses) -> None:
    assert one.to_row() == other.to_row()


def test_rows_come_back_through_arrow() -> None:
    for poses in (people(3), people(0), Poses.empty(17)):
        row = pa.Table.from_pylist([poses.to_row()]).to_pylist()[0]
        again = Poses.from_row(row)
        assert_same(again, poses)
        assert again.keypoints.dtype == np.float32
        assert (again.track_ids is None) == (poses.track_ids is None)
        if again.track_ids is not None:
            assert again.track_ids.dtype == np.int64


def test_input_space_to_image_space() -> None:
    crop = CropTransform.from_box((50, 80), (40, 60), (20, 30))
    poses = Poses(
        keypoints=np.array([[[0, 0, 9], [10, 15, 9]]], np.float32),
        keypoint_scores=np.ones((1, 2), np.float32),
        bboxes=np.array([[0, 0, 20, 30]], np.float32),
    )
    found = poses.to_image(crop)
    # The third coordinate is no matter of the crop.
    np.testing.assert_allclose(found.keypoints, [[[30, 50, 9], [50, 80, 9]]], atol=1e-4)
    np.testing.assert_allclose(found.bboxes, [[30, 50, 70, 110]], atol=1e-4)  # type: ignore[arg-type]
    assert poses.keypoints[0, 0].tolist() == [0, 0, 9]


def test_select_by_mask_and_by_index() -> None:
    poses = people(3)
    chosen = poses.select([2, 0])
    np.testing.assert_array_equal(chosen.keypoints, poses.keypoints[[2, 0]])
    np.testing.assert_array_equal(chosen.extras["share"], poses.extras["share"][[2, 0]])
    assert_same(poses.select(np.array([True, False, True])), poses.select([0, 2]))
    assert chosen.scores is None


def test_parts_of_an_image_are_joined() -> None:
    poses = people(3)
    assert_same(Poses.concatenate([poses.select([0]), poses.select([1, 2])]), poses)
    partly = Poses.concatenate([poses, poses.replace(track_ids=None, extras={})])
    assert len(partly) == 6
    assert partly.track_ids is None
    assert partly.extras == {}


def test_nobody() -> None:
    poses = Poses.empty(17, dimensions=3)
    assert len(poses) == 0
    assert poses.keypoints.shape == (0, 17, 3)
    assert poses.to_image(CropTransform.identity((4, 4))).keypoints.shape == (0, 17, 3)
