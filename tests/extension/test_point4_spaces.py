"""Contract 4: the head answers in input space by its codec, the estimator in image space."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from raypose.codecs import RegressionLabel
from raypose.models.estimators import TopdownPoseEstimator
from raypose.registry import MODELS
from raypose.structures import CropTransform, PoseBatch
from tests.extension.conftest import Load

SIZE = (48, 64)
UPRIGHT = CropTransform.from_box((100, 80), (96, 128), SIZE)
TURNED = CropTransform.from_matrix([[0, -0.5, 60], [0.5, 0, 10]], (0, 0), (1, 1), SIZE)


class CountingCodec(RegressionLabel):
    """Remembers what it was asked to decode."""

    decoded: torch.Tensor | None = None

    def decode(self, encoded: torch.Tensor) -> Any:
        self.decoded = encoded
        return super().decode(encoded)


@pytest.fixture
def estimator(load: Load) -> TopdownPoseEstimator:
    """Says the same for every image: one keypoint in the middle, one a quarter of the way."""
    load("people")
    head = MODELS.build(
        {
            "type": "PointHead",
            "in_channels": 4,
            "num_joints": 2,
            "loss": {"type": "L1Loss"},
            "decoder": CountingCodec(SIZE),
        }
    )
    torch.nn.init.zeros_(head.fc.weight)
    with torch.no_grad():
        head.fc.bias.copy_(torch.tensor([0.5, 0.5, 0.25, 0.25]))
    return TopdownPoseEstimator({"type": "SmallNet", "widths": [4]}, head=head).eval()


def batch(*crops: CropTransform) -> PoseBatch:
    return PoseBatch(inputs=torch.zeros(len(crops), 3, 64, 48), transforms=list(crops))


def test_the_heads_codec_leads_from_output_space_to_input_space(
    estimator: TopdownPoseEstimator,
) -> None:
    head = estimator.required_head()
    (poses,) = head.predict(estimator.extract_feat(torch.zeros(1, 3, 64, 48)), batch(UPRIGHT))
    np.testing.assert_allclose(poses.keypoints, [[[24, 32], [12, 16]]], atol=1e-4)
    assert isinstance(head.decoder, CountingCodec)
    assert head.decoder.decoded is not None
    np.testing.assert_allclose(head.decoder.decoded.detach(), [[[0.5, 0.5], [0.25, 0.25]]])


def test_the_estimator_leads_to_image_space_by_each_samples_crop(
    estimator: TopdownPoseEstimator,
) -> None:
    upright, turned = estimator.predict(batch(UPRIGHT, TURNED))
    np.testing.assert_allclose(upright.keypoints, [[[100, 80], [76, 48]]], atol=1e-4)
    # x = 60 - y' / 2 and y = 10 + x' / 2, solved for the image's x' and y'
    np.testing.assert_allclose(turned.keypoints, [[[44, 72], [12, 96]]], atol=1e-4)
