"""Whole images resized and cut by chance: pixels, annotations and their record stay together."""

from __future__ import annotations

import numpy as np
import pytest

from raypose.errors import ConfigError
from raypose.structures import PoseSample
from raypose.transforms import (
    BottomupRandomChoiceResize,
    BottomupRandomCrop,
    Compose,
    RandomChoice,
    RandomFlip,
)
from tests.transforms.conftest import MakeSample


def marked(make_sample: MakeSample, seed: int = 0) -> PoseSample:
    """An image, black but for a white square round each keypoint."""
    sample = make_sample(seed, image=np.zeros((80, 120, 3), np.uint8))
    assert sample.keypoints is not None
    assert sample.image is not None
    for x, y in sample.keypoints[0].astype(int):
        sample.image[y - 4 : y + 5, x - 4 : x + 5] = 255
    return sample


def check(sample: PoseSample, before: PoseSample) -> None:
    assert sample.image is not None
    assert sample.keypoints is not None
    assert sample.keypoints_visible is not None
    assert sample.transform is not None
    assert before.keypoints is not None
    assert sample.transform.input_size == sample.image.shape[1::-1]
    moved = sample.transform.to_input(before.keypoints)
    if np.linalg.det(sample.transform.matrix[:, :2]) < 0:
        moved = moved[:, list(before.flip_indices or ())]
    if len(sample.keypoints):
        np.testing.assert_allclose(sample.keypoints, moved, atol=1e-3)
        np.testing.assert_array_equal(sample.keypoints, sample.transformed_keypoints)
        for (x, y), seen in zip(sample.keypoints[0], sample.keypoints_visible[0], strict=True):
            if seen:
                height, width = sample.image.shape[:2]
                column, row = min(round(float(x)), width - 1), min(round(float(y)), height - 1)
                assert sample.image[row, column, 0] > 200


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize(
    ("resize", "size"),
    [
        (BottomupRandomChoiceResize([(90, 200)], keep_ratio=True), (135, 90)),
        (BottomupRandomChoiceResize([(200, 60)], keep_ratio=True), (90, 60)),
        (BottomupRandomChoiceResize([(60, 100)], keep_ratio=True, backend="pillow"), (90, 60)),
        (BottomupRandomChoiceResize([(100, 100)]), (100, 100)),
    ],
)
def test_a_resized_image(
    make_sample: MakeSample, resize: BottomupRandomChoiceResize, size: tuple[int, int], flip: float
) -> None:
    sample = resize(RandomFlip(flip)(marked(make_sample)))
    assert sample.image is not None
    assert sample.image.shape[1::-1] == size
    check(sample, marked(make_sample))


def test_pillow_averages_what_it_makes_smaller(make_sample: MakeSample) -> None:
    stripes = np.zeros((80, 120, 3), np.uint8)
    stripes[:, ::4] = 200
    means = {}
    for backend in ("cv2", "pillow"):
        resize = BottomupRandomChoiceResize([(30, 20)], backend=backend)
        small = resize(make_sample(image=stripes.copy())).image
        assert small is not None
        means[backend] = small[:, 5:-5].std()
    assert means["pillow"] < 5
    assert BottomupRandomChoiceResize([(30, 20)], backend="pillow")(
        make_sample(image=np.full((80, 120, 3), 77, np.uint8))
    ).image.max() == 77  # type: ignore[union-attr]  # fmt: skip


@pytest.mark.parametrize(
    ("crop", "least", "most"),
    [
        (BottomupRandomCrop((50, 40), allow_negative_crop=True), (50, 40), (50, 40)),
        (BottomupRandomCrop((500, 40), allow_negative_crop=True), (120, 40), (120, 40)),
        (
            BottomupRandomCrop((30, 100), "absolute_range", allow_negative_crop=True),
            (30, 30),
            (100, 80),
        ),
        (BottomupRandomCrop((0.5, 0.25), "relative", allow_negative_crop=True), (60, 20), (60, 20)),
        (
            BottomupRandomCrop((0.5, 0.25), "relative_range", allow_negative_crop=True),
            (30, 40),
            (120, 80),
        ),
    ],
)
def test_a_cut_image(
    make_sample: MakeSample,
    crop: BottomupRandomCrop,
    least: tuple[int, int],
    most: tuple[int, int],
) -> None:
    seen = set()
    for seed in range(20):
        sample = crop(RandomFlip(seed % 2)(marked(make_sample, seed)))
        assert sample is not None
        assert sample.image is not None
        size = sample.image.shape[1::-1]
        assert all(a <= b <= c for a, b, c in zip(least, size, most, strict=True))
        check(sample, marked(make_sample))
        assert sample.transform is not None
        seen.add(tuple(sample.transform.matrix[:, 2].tolist()))
    assert len(seen) > 5


def test_a_part_without_anybody(make_sample: MakeSample) -> None:
    def corner(seed: int) -> PoseSample:
        return make_sample(seed, bboxes=np.array([[0, 0, 2, 2]], np.float32))

    results = [BottomupRandomCrop((20, 20))(corner(seed)) for seed in range(10)]
    assert None in results
    kept = [
        BottomupRandomCrop((20, 20), allow_negative_crop=True)(corner(seed)) for seed in range(10)
    ]
    counts = [len(sample.keypoints) for sample in kept if sample and sample.keypoints is not None]
    assert len(counts) == 10
    assert 0 in counts


def test_resized_cut_and_resized_again(make_sample: MakeSample) -> None:
    sizes = [(100, 100), (150, 150)]
    steps = [
        {"type": "RandomFlip"},
        {
            "type": "RandomChoice",
            "transforms": [
                [{"type": "BottomupRandomChoiceResize", "scales": sizes}],
                [
                    {"type": "BottomupRandomChoiceResize", "scales": sizes, "keep_ratio": True},
                    {"type": "BottomupRandomCrop", "crop_size": [70, 70]},
                    {"type": "BottomupRandomChoiceResize", "scales": sizes},
                ],
            ],
        },
    ]
    for epoch in range(10):
        sample = Compose(steps)(marked(make_sample), epoch)
        if sample is not None:
            check(sample, marked(make_sample))


def test_choices_come_as_often_as_asked_for(make_sample: MakeSample) -> None:
    def named(name: str) -> list[object]:
        def transform(sample: PoseSample) -> PoseSample:
            sample.meta["chosen"] = name
            return sample

        return [transform]

    choice = RandomChoice([named("a"), named("b")], prob=[0.0, 1.0])  # type: ignore[list-item]
    assert {choice(make_sample(i)).meta["chosen"] for i in range(9)} == {"b"}  # type: ignore[union-attr]
    either = RandomChoice([named("a"), named("b")])  # type: ignore[list-item]
    assert {either(make_sample(i)).meta["chosen"] for i in range(9)} == {"a", "b"}  # type: ignore[union-attr]


def test_mistakes() -> None:
    with pytest.raises(ConfigError, match=r"scales.0: width and height"):
        BottomupRandomChoiceResize([(0, 4)])
    with pytest.raises(ConfigError, match="Did you mean 'pillow'"):
        BottomupRandomChoiceResize([(4, 4)], backend="pilow")
    with pytest.raises(ConfigError, match="Did you mean 'relative'"):
        BottomupRandomCrop((1, 1), "relativ")
    with pytest.raises(ConfigError, match="at most 1"):
        BottomupRandomCrop((2, 1), "relative")
    with pytest.raises(ConfigError, match="the least and the largest"):
        BottomupRandomCrop((20, 10), "absolute_range")
    with pytest.raises(ConfigError, match="prob has one number for each of the 1"):
        RandomChoice([[{"type": "LoadImage"}]], prob=[0.5, 0.5])
