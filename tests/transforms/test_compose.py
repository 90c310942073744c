from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from raypose.errors import ConfigError
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms import Compose
from tests.transforms.conftest import MakeSample

PIPELINE = [
    {"type": "LoadImage"},
    {"type": "GetBBoxCenterScale"},
    {"type": "RandomFlip"},
    {"type": "RandomHalfBody", "min_total_keypoints": 1, "min_lower_keypoints": 1},
    {"type": "RandomBBoxTransform"},
    {"type": "TopdownAffine", "input_size": [48, 64]},
    {"type": "PhotometricDistortion"},
    {"type": "YOLOXHSVRandomAug"},
    {"type": "Albumentation", "transforms": [{"type": "Blur"}, {"type": "CoarseDropout"}]},
]


def run(pipeline: Compose, sample: PoseSample, epoch: int = 0) -> np.ndarray:
    result = pipeline(sample, epoch)
    assert result is not None
    assert result.image is not None
    assert result.transform is not None
    return np.concatenate([result.image.ravel(), result.transform.matrix.ravel()])


def test_randomness_depends_on_seed_epoch_and_id_only(make_sample: MakeSample) -> None:
    first = {name: run(Compose(PIPELINE, 3), make_sample(id=name)) for name in "abcd"}
    # Another order, after other work, in what could be another process.
    again = pickle.loads(pickle.dumps(Compose(PIPELINE, 3)))
    run(again, make_sample(id="something else"), epoch=9)
    for name in "dacb":
        np.testing.assert_array_equal(run(again, make_sample(id=name)), first[name])
    others = [
        run(Compose(PIPELINE, 4), make_sample(id="a")),
        run(Compose(PIPELINE, 3), make_sample(id="a"), epoch=1),
        first["b"],
    ]
    assert all((other != first["a"]).any() for other in others)


def test_none_drops_a_sample_and_ends_the_pipeline(make_sample: MakeSample) -> None:
    def drop(sample: PoseSample) -> None:
        return None

    def never(sample: PoseSample) -> PoseSample:
        raise AssertionError

    assert Compose([drop, never])(make_sample()) is None


def test_a_transform_of_ones_own(make_sample: MakeSample) -> None:
    def darken(sample: PoseSample) -> PoseSample:
        assert sample.image is not None
        sample.image = sample.image // 2
        return sample

    sample = Compose([{"type": "LoadImage"}, darken])(make_sample())
    assert sample is not None
    assert sample.image is not None
    assert sample.image.max() < 128


def test_what_is_no_transform() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'RandomFlip'"):
        Compose([{"type": "RandomFlp"}])
    with pytest.raises(ConfigError, match=r"transforms\.0: a callable"):
        Compose([object()])  # type: ignore[list-item]


def test_every_registered_transform_is_public() -> None:
    import raypose.transforms

    assert set(TRANSFORMS) == set(raypose.transforms.__all__) - {"MixImages"}


def test_real_pictures_through_the_standard_pipeline(shared_data: Path) -> None:
    from raypose.datasets import CocoDataset

    dataset = CocoDataset("val.json", data_root=str(shared_data / "lspet"), indices=20)
    pipeline = Compose([step for step in PIPELINE if step["type"] != "RandomHalfBody"])
    for index in range(len(dataset)):
        sample, before = pipeline(dataset[index]), dataset[index]
        assert sample is not None
        assert sample.transform is not None
        assert sample.image is not None
        assert sample.image.shape == (64, 48, 3)
        picture = cv2.imread(before.img_path or "")
        assert picture is not None
        assert sample.img_shape == picture.shape[:2]
        # Keypoints went where the pixels went, left and right swapped in a mirrored crop.
        assert before.keypoints is not None
        assert sample.transformed_keypoints is not None
        moved = sample.transform.to_input(before.keypoints)
        if np.linalg.det(sample.transform.matrix[:, :2]) < 0:
            moved = moved[:, list(before.flip_indices or ())]
        np.testing.assert_allclose(sample.transformed_keypoints, moved, atol=1e-2)
