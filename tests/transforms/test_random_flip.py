from __future__ import annotations

import numpy as np
import pytest

from raypose.errors import ConfigError, DataError, RayposeError
from raypose.structures import PoseSample
from raypose.transforms import (
    BottomupGetHeatmapMask,
    BottomupResize,
    GetBBoxCenterScale,
    RandomFlip,
    TopdownAffine,
)
from tests.transforms.conftest import MakeSample


@pytest.mark.parametrize(
    ("direction", "box", "center", "keypoints", "visible", "rotation"),
    [
        (
            "horizontal",
            [29, 10, 99, 70],
            [64, 40],
            [[39, 60], [89, 20], [79, 50], [59, 15]],
            [1, 1, 0, 1],
            -30,
        ),
        (
            "vertical",
            [20, 9, 90, 69],
            [55, 39],
            [[80, 19], [30, 59], [40, 29], [60, 64]],
            [1, 1, 0, 1],
            -30,
        ),
        (
            "diagonal",
            [29, 9, 99, 69],
            [64, 39],
            [[89, 59], [39, 19], [79, 29], [59, 64]],
            [1, 1, 0, 1],
            30,
        ),
    ],
)
def test_annotations_are_mirrored(
    make_sample: MakeSample,
    direction: str,
    box: list[int],
    center: list[int],
    keypoints: list[list[int]],
    visible: list[int],
    rotation: float,
) -> None:
    sample = GetBBoxCenterScale()(make_sample(bbox_rotation=np.array([30], np.float32)))
    pixels = sample.image
    sample = RandomFlip(1.0, direction)(sample)
    assert sample.image is pixels
    np.testing.assert_array_equal(sample.bboxes, [box])
    np.testing.assert_array_equal(sample.bbox_center, [center])
    np.testing.assert_array_equal(sample.keypoints, [keypoints])
    np.testing.assert_array_equal(sample.keypoints_visible, [visible])
    np.testing.assert_array_equal(sample.bbox_rotation, [rotation])


def test_two_flips_undo_each_other(make_sample: MakeSample) -> None:
    sample, before = make_sample(), make_sample()
    for _ in range(2):
        sample = RandomFlip(1.0)(sample)
    np.testing.assert_array_equal(sample.keypoints, before.keypoints)
    np.testing.assert_array_equal(sample.pending, np.eye(3))


def test_probabilities(make_sample: MakeSample) -> None:
    def shares(flip: RandomFlip) -> list[float]:
        rng = np.random.default_rng(0)
        counts = {(1, 1): 0, (-1, 1): 0, (1, -1): 0, (-1, -1): 0}
        for _ in range(1500):
            sample = flip(PoseSample(id="", img_shape=(8, 6), rng=rng))
            signs = np.eye(3) if sample.pending is None else sample.pending
            counts[int(signs[0, 0]), int(signs[1, 1])] += 1
        return [count / 1500 for count in counts.values()]

    every = ["horizontal", "vertical", "diagonal"]
    np.testing.assert_allclose(shares(RandomFlip()), [0.5, 0.5, 0, 0], atol=0.05)
    np.testing.assert_allclose(shares(RandomFlip(0.6, every)), [0.4, 0.2, 0.2, 0.2], atol=0.05)
    np.testing.assert_allclose(
        shares(RandomFlip([0.1, 0.2, 0.3], every)), [0.4, 0.1, 0.2, 0.3], atol=0.05
    )
    assert shares(RandomFlip(1)) == [0, 1, 0, 0]
    assert shares(RandomFlip(0)) == [1, 0, 0, 0]


def test_after_a_warp_the_input_is_mirrored(make_sample: MakeSample) -> None:
    outline = [[0, 0, 40, 0, 40, 79, 0, 79]]
    sample = BottomupResize((96, 64))(make_sample(meta={"invalid_segs": [outline]}))
    sample = BottomupGetHeatmapMask(heatmap_size=(24, 16))(sample)
    image, mask = sample.image, sample.meta["heatmap_mask"]
    assert image is not None
    assert sample.keypoints is not None
    keypoints = sample.keypoints.copy()
    sample = RandomFlip(1.0)(sample)
    np.testing.assert_array_equal(sample.image, image[:, ::-1])
    np.testing.assert_array_equal(sample.meta["heatmap_mask"], mask[:, ::-1])
    assert sample.transformed_keypoints is not None
    np.testing.assert_allclose(
        sample.transformed_keypoints[0, 0], [95, 0] + keypoints[0, 1] * [-1, 1]
    )
    assert sample.pending is None


def test_mask_before_and_after_a_flip_are_the_same(make_sample: MakeSample) -> None:
    outline = [[10, 5, 60, 9, 33, 70]]
    masks = []
    for order in (
        [RandomFlip(1.0), BottomupGetHeatmapMask()],
        [BottomupGetHeatmapMask(), RandomFlip(1.0)],
    ):
        sample = BottomupResize((96, 64))(make_sample(meta={"invalid_segs": [outline]}))
        for transform in order:
            sample = transform(sample)
        masks.append(sample.meta["heatmap_mask"])
    assert (masks[0] != masks[1]).mean() < 0.002


def test_mistakes(make_sample: MakeSample) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'horizontal'"):
        RandomFlip(direction="horizontl")
    with pytest.raises(ConfigError, match="2 probs for 1 directions"):
        RandomFlip([0.1, 0.2])
    with pytest.raises(ConfigError, match="prob is from 0 to 1"):
        RandomFlip(1.5)
    with pytest.raises(DataError, match="needs 'img_shape'"):
        RandomFlip(1.0)(make_sample(img_shape=None))
    with pytest.raises(DataError, match="needs 'flip_indices'"):
        RandomFlip(1.0)(make_sample(flip_indices=None))
    cropped = TopdownAffine((48, 64))(GetBBoxCenterScale()(make_sample()))
    with pytest.raises(RayposeError, match="goes before TopdownAffine"):
        RandomFlip(1.0)(cropped)


def test_poses_in_space_are_mirrored_with_their_camera(make_sample: MakeSample) -> None:
    sample = make_sample()
    assert sample.keypoints is not None
    assert sample.flip_indices is not None
    assert sample.img_shape is not None
    K, width = sample.keypoints.shape[1], sample.img_shape[1]
    center, focal = np.array([70.0, 40.0]), np.array([100.0, 90.0])
    depth = np.arange(3.0, 3 + K)[None, :, None]
    space = np.concatenate([(sample.keypoints - center) / focal * depth, depth], axis=-1)
    sample.meta = {"keypoints_3d": space, "camera_param": {"f": focal, "c": center}}

    flipped = RandomFlip(prob=1.0).flip(sample, "horizontal")

    camera, points = flipped.meta["camera_param"], flipped.meta["keypoints_3d"]
    assert camera["c"].tolist() == [width - 1 - 70, 40]
    np.testing.assert_array_equal(points[0, :, 2], depth[0, list(sample.flip_indices), 0])
    pixels = points[..., :2] / points[..., 2:] * camera["f"] + camera["c"]
    np.testing.assert_allclose(pixels, flipped.keypoints, rtol=1e-5)
