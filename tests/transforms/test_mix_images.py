"""Several images in one: what is where, what is drawn, and what a user's own mixing needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from raypose.errors import ConfigError, DataError
from raypose.structures import PoseSample
from raypose.transforms import Compose, MixImages, Mosaic, YOLOXMixUp
from tests.transforms.conftest import MakeSample

LOADED = [{"type": "LoadImage"}]


class Plain(Sequence[PoseSample]):
    """Images 20 x 10 of one grey each, with a keypoint in the middle and a box all round."""

    def __init__(self, count: int = 4) -> None:
        self._size = count

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> PoseSample:  # type: ignore[override]
        return PoseSample(
            id=str(index),
            image=np.full((10, 20, 3), 10 * (index + 1), np.uint8),
            img_shape=(10, 20),
            keypoints=np.array([[[10, 5]]], np.float32),
            keypoints_visible=np.ones((1, 1), np.float32),
            bboxes=np.array([[0, 0, 20, 10]], np.float32),
            bbox_scores=np.ones(1, np.float32),
            areas=np.array([50], np.float32),
            flip_indices=(0,),
            meta={"category_id": np.array([index]), "invalid_segs": [[[0, 0, 1, 0, 1, 1]]]},
        )


def draw(index: int, others: Sequence[PoseSample], seed: int = 0) -> PoseSample:
    sample = others[index]
    sample.others = others
    sample.rng = np.random.default_rng(seed)
    return sample


def test_a_mosaic_has_every_person_where_its_pixels_are() -> None:
    mosaic = Mosaic(img_scale=(40, 40), center_range=(1, 1), pad_val=200, pre_transform=LOADED)
    sample = mosaic(draw(0, Plain()))
    assert sample.image is not None
    assert sample.image.shape == (80, 80, 3)
    assert sample.img_shape == (80, 80)
    assert sample.transform is None
    assert sample.keypoints is not None
    assert sample.bboxes is not None
    assert sample.areas is not None
    # 20 x 10 becomes 40 x 20 and touches the middle of the canvas.
    middles = [[20, 30], [60, 30], [20, 50], [60, 50]]
    np.testing.assert_allclose(sample.keypoints[:, 0], middles)
    boxes = [[0, 20, 40, 40], [40, 20, 80, 40], [0, 40, 40, 60], [40, 40, 80, 60]]
    np.testing.assert_allclose(sample.bboxes, boxes)
    np.testing.assert_allclose(sample.areas, 200)
    greys = [int(sample.image[int(y), int(x) - 1, 0]) for x, y in sample.keypoints[:, 0]]
    assert greys == [10 * (index + 1) for index in sample.meta["category_id"]]
    assert sample.meta["category_id"][0] == 0
    assert set(np.unique(sample.image)) == {*greys, 200}
    assert "invalid_segs" not in sample.meta


def test_what_a_mosaic_cuts_off_is_not_visible() -> None:
    mosaic = Mosaic(img_scale=(40, 40), center_range=(0.25, 0.25), pre_transform=LOADED)
    sample = mosaic(draw(0, Plain()))
    assert sample.keypoints_visible is not None
    assert sample.bboxes is not None
    assert sample.keypoints_visible[:, 0].tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(sample.bboxes[0], [0, 0, 10, 10])


@pytest.mark.parametrize("flip_ratio", [0.0, 1.0])
def test_half_of_another_image_is_mixed_in(flip_ratio: float) -> None:
    mix = YOLOXMixUp(
        img_scale=(40, 40),
        ratio_range=(0.5, 0.5),
        flip_ratio=flip_ratio,
        pad_val=100,
        pre_transform=LOADED,
    )
    sample = mix(draw(0, Plain(1)))
    assert sample.image is not None
    assert sample.keypoints is not None
    # The other one is 20 x 10 again, at the top left of 20 x 20, of which 20 x 10 is cut out.
    assert sample.image.shape == (10, 20, 3)
    middle = sample.keypoints[1, 0]
    assert middle[0] == (19 - 10 if flip_ratio else 10)
    top = round(float(middle[1])) - 5
    expected = np.full(10, (10 + 100) / 2)
    expected[: max(0, 10 + top)] = 10
    np.testing.assert_allclose(sample.image[:, 3, 0], expected, atol=1)


def test_nobody_to_mix_in_leaves_the_image_alone() -> None:
    class Nobody(Plain):
        def __getitem__(self, index: int) -> PoseSample:  # type: ignore[override]
            sample = super().__getitem__(index)
            sample.keypoints = np.zeros((0, 1, 2), np.float32)
            return sample

    sample = Plain()[0]
    sample.others = Nobody()
    mixed = YOLOXMixUp(img_scale=(40, 40), pre_transform=LOADED)(sample)
    assert mixed.image is not None
    assert (mixed.image == 10).all()


def test_pixels_of_a_mirrored_image_are_mirrored() -> None:
    class Halves(Plain):
        def __getitem__(self, index: int) -> PoseSample:  # type: ignore[override]
            sample = super().__getitem__(index)
            assert sample.image is not None
            sample.image[:, 10:] = 250
            sample.keypoints = np.array([[[15, 5]]], np.float32)
            return sample

    mirrored = [*LOADED, {"type": "RandomFlip", "prob": 1.0}]
    pipeline = Compose([*mirrored, Mosaic(img_scale=(40, 40), pre_transform=mirrored)])
    for index in range(4):
        sample = Halves()[index]
        sample.others = Halves()
        mixed = pipeline(sample)
        assert mixed is not None
        assert mixed.image is not None
        assert mixed.keypoints is not None
        assert mixed.keypoints_visible is not None
        for (x, y), (seen,) in zip(mixed.keypoints[:, 0], mixed.keypoints_visible, strict=True):
            if seen:
                assert mixed.image[min(int(y), 79), min(int(x), 79), 0] > 200


def test_draws_follow_from_the_sample_alone() -> None:
    steps = [
        {"type": "LoadImage"},
        {
            "type": "Mosaic",
            "img_scale": [32, 32],
            "pre_transform": [{"type": "LoadImage"}, {"type": "YOLOXHSVRandomAug"}],
        },
        {"type": "BottomupRandomAffine", "input_size": [32, 32], "transform_mode": "perspective",
         "bbox_keep_corner": False},
        {"type": "YOLOXMixUp", "img_scale": [32, 32], "pre_transform": LOADED},
    ]  # fmt: skip

    def run(seed: int, epoch: int, index: int) -> PoseSample:
        sample = Plain()[index]
        sample.others = Plain()
        mixed = Compose(steps, seed)(sample, epoch)
        assert mixed is not None
        return mixed

    first, again = run(1, 2, 3), run(1, 2, 3)
    assert first.image is not None
    assert first.keypoints is not None
    assert len(first.keypoints) == 5
    assert again.image is not None
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.keypoints, again.keypoints)
    np.testing.assert_array_equal(first.keypoints, first.transformed_keypoints)
    for other in (run(0, 2, 3), run(1, 0, 3), run(1, 2, 0)):
        assert other.image is not None
        assert not np.array_equal(first.image, other.image)


def test_a_mix_of_ones_own() -> None:
    class Brightest(MixImages):
        num_others: ClassVar[int] = 1

        def mix(self, sample: PoseSample, others: Sequence[PoseSample]) -> PoseSample:
            assert sample.image is not None
            assert others[0].image is not None
            sample.image = np.maximum(sample.image, others[0].image)
            return sample

    mixed = [Brightest(LOADED)(draw(1, Plain(), seed)) for seed in range(30)]
    assert {sample.image.max() for sample in mixed if sample.image is not None} == {20, 30, 40}
    kept = Brightest(LOADED, prob=0)(draw(0, Plain()))
    assert kept.image is not None
    assert kept.image.max() == 10


def test_mistakes(make_sample: MakeSample) -> None:
    with pytest.raises(DataError, match="does not belong into data"):
        Mosaic(pre_transform=LOADED)(make_sample())
    with pytest.raises(DataError, match="pre_transform of Mosaic dropped 20"):
        Mosaic(pre_transform=[lambda sample: None])(draw(0, Plain()))
    with pytest.raises(DataError, match="not loaded"):
        Mosaic(pre_transform=[lambda s: PoseSample(id="raw")])(draw(0, Plain()))
    with pytest.raises(DataError, match="not crops"):
        YOLOXMixUp(pre_transform=[*LOADED, {"type": "GetBBoxCenterScale"}])(draw(0, Plain()))
    for wrong in ({"prob": 2}, {"img_scale": (0, 4)}):
        for mix in (Mosaic, YOLOXMixUp):
            with pytest.raises(ConfigError, match=next(iter(wrong))):
                mix(pre_transform=LOADED, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="center_range"):
        Mosaic(center_range=(1, 3), pre_transform=LOADED)
    with pytest.raises(ConfigError, match="ratio_range"):
        YOLOXMixUp(ratio_range=(2, 1), pre_transform=LOADED)
