from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from raypose.structures import CropTransform, PoseBatch, PoseSample

RNG = np.random.default_rng(2)


def person(index: int, instances: int = 1, size: tuple[int, int] = (6, 4)) -> PoseSample:
    return PoseSample(
        id=f"p{index}",
        index=index,
        image=RNG.integers(0, 255, (*size, 3), np.uint8),
        bboxes=RNG.normal(size=(instances, 4)).astype(np.float32),
        keypoints=RNG.normal(size=(instances, 5, 2)).astype(np.float32),
        keypoints_visible=np.ones((instances, 5), np.float32),
        transform=CropTransform.identity((size[1], size[0])),
        flip_indices=(0, 2, 1, 4, 3),
        meta={"category_id": index, "name": f"n{index}", "track": np.arange(instances)},
    )


def test_fewer_instances_are_padded_invisibly() -> None:
    samples = [person(0, 1), person(1, 3), person(2, 0)]
    batch = PoseBatch.collate(samples)
    assert batch.keypoints is not None
    assert batch.keypoints_visible is not None
    assert batch.num_instances is not None
    assert batch.keypoints.shape == (3, 3, 5, 2)
    assert batch.num_instances.tolist() == [1, 3, 0]
    for index, sample in enumerate(samples):
        assert sample.keypoints is not None
        real = len(sample.keypoints)
        np.testing.assert_array_equal(batch.keypoints[index, :real], sample.keypoints)
        assert not batch.keypoints[index, real:].any()
        assert (batch.keypoints_visible[index, :real] == 1).all()
        assert not batch.keypoints_visible[index, real:].any()
    assert batch.annotations["bboxes"].shape == (3, 3, 4)


def test_images_become_channels_first_and_stay_bytes() -> None:
    samples = [person(0), person(1)]
    batch = PoseBatch.collate(samples)
    assert isinstance(batch.inputs, Tensor)
    assert batch.inputs.dtype == torch.uint8
    assert batch.inputs.shape == (2, 3, 6, 4)
    for image, sample in zip(batch.inputs, samples, strict=True):
        assert sample.image is not None
        np.testing.assert_array_equal(image.permute(1, 2, 0), sample.image)


def test_images_of_several_sizes_stay_apart() -> None:
    batch = PoseBatch.collate([person(0), person(1, size=(8, 4))])
    assert isinstance(batch.inputs, list)
    assert [tuple(image.shape) for image in batch.inputs] == [(3, 6, 4), (3, 8, 4)]
    assert len(batch) == 2


def test_read_only_images_are_copied() -> None:
    sample = person(0)
    assert sample.image is not None
    sample.image.flags.writeable = False
    inputs = PoseBatch.collate([sample]).inputs
    assert isinstance(inputs, Tensor)
    before = sample.image.copy()
    inputs.zero_()
    np.testing.assert_array_equal(sample.image, before)


def test_keypoints_of_input_space_come_first() -> None:
    sample = person(0)
    sample.transformed_keypoints = np.full((1, 5, 2), 7, np.float32)
    keypoints = PoseBatch.collate([sample]).keypoints
    assert keypoints is not None
    assert (keypoints == 7).all()


def test_meta_is_stacked_where_it_can_be() -> None:
    batch = PoseBatch.collate([person(0), person(1)])
    assert batch.annotations["category_id"].tolist() == [0, 1]
    assert batch.annotations["name"] == ["n0", "n1"]
    ragged = PoseBatch.collate([person(0, 1), person(1, 2)]).annotations["track"]
    assert [value.tolist() for value in ragged] == [[0], [0, 1]]


def test_sizes_of_the_images_and_poses_in_space() -> None:
    samples = [person(0), person(1)]
    assert not {"img_shape", "keypoints_3d"} & set(PoseBatch.collate(samples).annotations)

    samples[0].img_shape, samples[1].img_shape = (480, 640), (100, 200)
    samples[1].meta["keypoints_3d"] = np.full((1, 5, 3), 2.0, np.float32)
    annotations = PoseBatch.collate(samples).annotations

    assert annotations["img_shape"].tolist() == [[480, 640], [100, 200]]
    assert annotations["keypoints_3d"].shape == (2, 1, 5, 3)
    assert annotations["keypoints_3d"][0].isnan().all()
    assert (annotations["keypoints_3d"][1] == 2).all()


def test_meta_that_one_sample_lacks_is_left_out() -> None:
    second = person(1)
    del second.meta["name"]
    assert "name" not in PoseBatch.collate([person(0), second]).annotations


def test_who_is_who() -> None:
    batch = PoseBatch.collate([person(4), person(2)])
    assert batch.ids == ["p4", "p2"]
    assert batch.indices == [4, 2]
    assert batch.flip_indices == (0, 2, 1, 4, 3)
    assert len(batch.transforms) == 2


def test_detections_have_no_keypoints() -> None:
    sample = person(0)
    sample.keypoints = sample.keypoints_visible = None
    batch = PoseBatch.collate([sample])
    assert batch.keypoints is None
    assert batch.keypoints_visible is None


def test_to_moves_everything() -> None:
    batch = PoseBatch.collate([person(0)]).replace(targets={"maps": [torch.ones(2)]})
    moved = batch.to("meta")
    assert isinstance(moved.inputs, Tensor)
    assert isinstance(batch.inputs, Tensor)
    tensors = (moved.inputs, moved.keypoints, moved.annotations["bboxes"], moved.targets["maps"][0])
    assert all(t is not None and t.device.type == "meta" for t in tensors)
    assert batch.inputs.device.type == "cpu"


def test_replace_leaves_the_batch_as_it_was() -> None:
    batch = PoseBatch.collate([person(0)])
    assert batch.replace(flip_test=True).flip_test
    assert not batch.flip_test
    with pytest.raises(AttributeError):
        batch.flip_test = True  # type: ignore[misc]
