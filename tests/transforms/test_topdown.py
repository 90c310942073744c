from __future__ import annotations

import numpy as np
import pytest

from raypose.errors import ConfigError, DataError
from raypose.structures import PoseSample
from raypose.transforms import (
    GetBBoxCenterScale,
    RandomBBoxTransform,
    RandomHalfBody,
    TopdownAffine,
    WholeImageBBox,
)
from raypose.transforms.truncated_normal import truncated_normal
from tests.transforms.conftest import MakeSample


def test_center_and_scale(make_sample: MakeSample) -> None:
    sample = GetBBoxCenterScale()(make_sample())
    np.testing.assert_array_equal(sample.bbox_center, [[55, 40]])
    np.testing.assert_array_equal(sample.bbox_scale, [[70 * 1.25, 60 * 1.25]])
    again = GetBBoxCenterScale(2.0)(sample)
    np.testing.assert_array_equal(again.bbox_scale, [[70 * 2.5, 60 * 2.5]])
    with pytest.raises(DataError, match="needs 'bboxes'"):
        GetBBoxCenterScale()(PoseSample(id="x"))


def test_the_image_in_place_of_the_box(make_sample: MakeSample) -> None:
    image = np.zeros((30, 50, 3), np.uint8)
    for sample in (make_sample(image=image), PoseSample(id="x", image=image)):
        np.testing.assert_array_equal(WholeImageBBox()(sample).bboxes, [[0, 0, 50, 30]])
    with pytest.raises(DataError, match="LoadImage first"):
        WholeImageBBox()(PoseSample(id="x"))


def crop(sample: PoseSample, use_udp: bool = False) -> PoseSample:
    return TopdownAffine((60, 80), use_udp)(GetBBoxCenterScale(1.0)(sample))


def test_crop_by_hand(make_sample: MakeSample) -> None:
    # 45 x 60 at (20, 10) has the aspect ratio of the input: scaled by 4 / 3 about its corner.
    sample = crop(make_sample(bboxes=np.array([[20, 10, 65, 70]], np.float32)))
    assert sample.transform is not None
    np.testing.assert_allclose(
        sample.transform.matrix, [[4 / 3, 0, -20 * 4 / 3], [0, 4 / 3, -10 * 4 / 3]], atol=1e-6
    )
    assert sample.transformed_keypoints is not None
    np.testing.assert_allclose(sample.transformed_keypoints[0, 0], [40 / 3, 40 / 3], atol=1e-5)
    np.testing.assert_array_equal(sample.keypoints, make_sample().keypoints)
    np.testing.assert_array_equal(sample.transform.center, [42.5, 40])
    np.testing.assert_array_equal(sample.transform.scale, [45, 60])


def test_a_crop_of_the_input_size_copies_pixels(make_sample: MakeSample) -> None:
    sample = crop(make_sample(bboxes=np.array([[20, 0, 80, 80]], np.float32)))
    original = make_sample().image
    assert original is not None
    np.testing.assert_array_equal(sample.image, original[:, 20:80])


def test_a_wide_box_grows_in_height_and_shows_black_outside(make_sample: MakeSample) -> None:
    sample = crop(make_sample(bboxes=np.array([[0, 0, 120, 80]], np.float32)))
    np.testing.assert_array_equal(sample.bbox_scale, [[120, 160]])
    assert sample.image is not None
    assert not sample.image[:18].any()
    assert not sample.image[-18:].any()
    assert sample.image[25:55].any()


def test_udp_crop_and_the_references_way_back(make_sample: MakeSample) -> None:
    sample = crop(make_sample(bboxes=np.array([[20, 10, 65, 70]], np.float32)), use_udp=True)
    assert sample.transform is not None
    there = sample.transform.to_input(np.array([[20.0, 10.0], [65.0, 70.0]]))
    np.testing.assert_allclose(there, [[0, 0], [59, 79]], atol=1e-5)
    back = sample.transform.to_image(np.array([[0.0, 0.0], [60.0, 80.0]]))
    np.testing.assert_allclose(back, [[20, 10], [65, 70]], atol=1e-5)


def test_third_coordinates_stay(make_sample: MakeSample) -> None:
    keypoints = np.array([[[30, 20, 7.5]]], np.float32)
    sample = crop(make_sample(keypoints=keypoints, keypoints_visible=np.ones((1, 1), np.float32)))
    assert sample.transformed_keypoints is not None
    assert sample.transformed_keypoints[0, 0, 2] == 7.5


def test_crop_without_keypoints(make_sample: MakeSample) -> None:
    sample = crop(make_sample(keypoints=None, keypoints_visible=None, flip_indices=None))
    assert sample.transformed_keypoints is None
    assert sample.transform is not None


def test_mistakes(make_sample: MakeSample) -> None:
    with pytest.raises(ConfigError, match="input_size is width and height"):
        TopdownAffine((192, 256, 3))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="GetBBoxCenterScale goes before TopdownAffine"):
        TopdownAffine((48, 64))(make_sample())
    with pytest.raises(DataError, match="LoadImage comes first"):
        crop(make_sample(image=None))
    with pytest.raises(DataError, match="crops one box, got 2"):
        crop(make_sample(bboxes=np.ones((2, 4), np.float32)))
    with pytest.raises(DataError, match="a box with an area"):
        crop(make_sample(bboxes=np.array([[5, 5, 5, 5]], np.float32)))


def test_truncated_normal_has_its_moments() -> None:
    draws = truncated_normal(np.random.default_rng(0), 20_000)
    assert np.abs(draws).max() <= 1
    # Variance of a standard normal within one sigma: 1 - 2 phi(1) / (2 Phi(1) - 1) = 0.2912.
    assert abs(draws.mean()) < 0.01
    assert draws.var() == pytest.approx(0.2911, abs=0.006)
    # P(|x| < 0.5) = 0.3829 / 0.6827.
    assert (np.abs(draws) < 0.5).mean() == pytest.approx(0.561, abs=0.01)


def test_random_boxes(make_sample: MakeSample) -> None:
    rng = np.random.default_rng(0)
    transform = RandomBBoxTransform(shift_prob=0.3, scale_prob=0.7, rotate_prob=0.6)
    shifts, scales, rotations = [], [], []
    for _ in range(1500):
        sample = GetBBoxCenterScale(1.0)(make_sample())
        sample.rng = rng
        sample = transform(sample)
        assert sample.bbox_center is not None
        assert sample.bbox_scale is not None
        assert sample.bbox_rotation is not None
        assert sample.bbox_rotation.shape == (1,)
        shifts.append((sample.bbox_center[0] - [55, 40]) / [70, 60])
        scales.append(sample.bbox_scale[0] / [70, 60])
        rotations.append(sample.bbox_rotation[0])
    shift, scale, rotation = np.array(shifts), np.array(scales), np.array(rotations)
    np.testing.assert_allclose(scale[:, 0], scale[:, 1], rtol=1e-5)
    for values, limit, prob in (
        (shift[:, 0], 0.16, 0.3),
        (shift[:, 1], 0.16, 0.3),
        (scale[:, 0] - 1, 0.5, 0.7),
        (rotation, 80, 0.6),
    ):
        changed = np.abs(values) > 1e-6
        assert np.abs(values).max() <= limit + 1e-5
        assert changed.mean() == pytest.approx(prob, abs=0.05)
        assert (values[changed] / limit).std() == pytest.approx(0.54, abs=0.04)
    with pytest.raises(DataError, match="goes before RandomBBoxTransform"):
        transform(make_sample())


def body(**changes: object) -> PoseSample:
    """Six keypoints of an upper half, five of a lower one."""
    rng = np.random.default_rng(1)
    upper, lower = rng.uniform(0, 40, (6, 2)), rng.uniform(60, 99, (5, 2))
    values: dict[str, object] = {
        "keypoints": np.concatenate([upper, lower])[None].astype(np.float32),
        "keypoints_visible": np.ones((1, 11), np.float32),
        "bbox_center": np.array([[50, 50]], np.float32),
        "bbox_scale": np.array([[100, 100]], np.float32),
        "upper_body_ids": tuple(range(6)),
        "lower_body_ids": tuple(range(6, 11)),
    }
    return PoseSample(id="body", **{**values, **changes})  # type: ignore[arg-type]


def outcomes(transform: RandomHalfBody, visible: list[int]) -> dict[str, float]:
    rng, counts = np.random.default_rng(0), {"whole": 0, "upper": 0, "lower": 0}
    for _ in range(1000):
        shown = np.array([visible], np.float32)
        sample = transform(body(rng=rng, keypoints_visible=shown))
        assert sample.bbox_center is not None
        x = sample.bbox_center[0, 0]
        counts["whole" if x == 50 else "upper" if x < 50 else "lower"] += 1
    return {name: count / 1000 for name, count in counts.items()}


def test_half_body_statistics() -> None:
    every = [1] * 11
    shares = outcomes(RandomHalfBody(), every)
    assert shares["upper"] == pytest.approx(0.3 * 0.7, abs=0.05)
    assert shares["lower"] == pytest.approx(0.3 * 0.3, abs=0.05)
    # Eight visible keypoints are too few for a body to be cut.
    assert outcomes(RandomHalfBody(), [1] * 8 + [0] * 3)["whole"] == 1
    # Two of the lower half are too few for a lower half, one for an upper one.
    only_upper = outcomes(RandomHalfBody(min_total_keypoints=4, prob=1), [1] * 8 + [0] * 3)
    assert only_upper == {"whole": 0, "upper": 1, "lower": 0}
    only_lower = outcomes(RandomHalfBody(min_total_keypoints=4, prob=1), [1] + [0] * 5 + [1] * 5)
    assert only_lower == {"whole": 0, "upper": 0, "lower": 1}
    neither = outcomes(
        RandomHalfBody(min_total_keypoints=2, prob=1), [1] + [0] * 5 + [1, 1, 0, 0, 0]
    )
    assert neither == {"whole": 1, "upper": 0, "lower": 0}


def test_half_body_box() -> None:
    shown = np.array([[1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1]], np.float32)
    transform = RandomHalfBody(prob=1, upper_prioritized_prob=1)
    sample = transform(body(keypoints_visible=shown))
    assert sample.keypoints is not None
    points = sample.keypoints[0, [0, 1, 2, 4, 5]]
    np.testing.assert_allclose(sample.bbox_center, [points.mean(axis=0)], rtol=1e-6)
    np.testing.assert_allclose(sample.bbox_scale, [np.ptp(points, axis=0) * 1.5], rtol=1e-6)


def test_half_body_needs_halves() -> None:
    with pytest.raises(DataError, match="'upper_body_ids'"):
        RandomHalfBody()(body(upper_body_ids=None))
    with pytest.raises(DataError, match="goes before RandomHalfBody"):
        RandomHalfBody()(body(bbox_center=None))
    same = np.ones((1, 11, 2), np.float32)
    sample = RandomHalfBody(prob=1)(body(keypoints=same))
    np.testing.assert_array_equal(sample.bbox_scale, [[100, 100]])
