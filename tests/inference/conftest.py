"""A pose model whose answers are known: it finds the brightest pixel of each crop."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raypose.inference import CropStage, PoseStage
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import CropTransform, PoseBatch, Poses, PoseSample, Skeleton

INPUT_SIZE = (24, 32)
SPOT = Skeleton.load({"name": "spot", "keypoints": ["spot"]})


class SpotEstimator(BasePoseEstimator):
    """Answers with the brightest pixel; remembers how many samples each call got."""

    def __init__(self) -> None:
        super().__init__(backbone=nn.Identity(), skeleton=SPOT)
        self.calls: list[int] = []

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        raise AssertionError("not used in prediction")

    def predict(self, batch: PoseBatch) -> list[Poses]:
        assert isinstance(batch.inputs, Tensor)
        assert torch.is_inference_mode_enabled()
        self.calls.append(len(batch))
        poses = []
        for image, transform in zip(batch.inputs, batch.transforms, strict=True):
            brightness = image.sum(0)
            y, x = divmod(int(brightness.argmax()), brightness.shape[1])
            keypoints = np.array([[[x, y]]], np.float32)
            score = np.full((1, 1), brightness.max().item() / 765, np.float32)
            poses.append(Poses(keypoints=keypoints, keypoint_scores=score).to_image(transform))
        return poses


def crop_box(sample: PoseSample, epoch: int) -> PoseSample:
    """Crop the box, or the whole image, without regard to its aspect ratio."""
    assert epoch == 0
    assert sample.image is not None
    assert sample.img_shape == sample.image.shape[:2]
    if sample.bboxes is None:
        box = np.array([0, 0, *sample.image.shape[1::-1]], np.float32)
    else:
        (box,) = sample.bboxes
    transform = CropTransform.from_box((box[:2] + box[2:]) / 2, box[2:] - box[:2], INPUT_SIZE)
    sample.image = cv2.warpAffine(sample.image, transform.matrix, INPUT_SIZE)  # type: ignore[assignment]
    sample.transform = transform
    return sample


@pytest.fixture
def spot_stage() -> PoseStage:
    return PoseStage(SpotEstimator(), CropStage(crop_box), batch_size=4)


@pytest.fixture
def whole_image_stage() -> PoseStage:
    return PoseStage(SpotEstimator(), CropStage(crop_box, whole_image=True), batch_size=4)
