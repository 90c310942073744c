"""`IntegralRegressionLabel`: labels and heatmaps of the same keypoints."""

from __future__ import annotations

import pytest
import torch

from raypose.codecs import IntegralRegressionLabel, MSRAHeatmap

POINTS = torch.tensor([[[[20.0, 30.0], [70.0, 90.0], [40.0, 60.0], [500.0, 3.0]]]])
VISIBLE = torch.tensor([[[1.0, 1.0, 0.0, 1.0]]])


def test_heatmaps_sum_to_one_or_are_empty() -> None:
    codec = IntegralRegressionLabel([96, 128], [24, 32], 2.0)
    targets = codec.encode(POINTS, VISIBLE)
    sums = targets["heatmaps"].sum(dim=(-1, -2))
    torch.testing.assert_close(sums, torch.tensor([[1.0, 1.0, 0.0, 0.0]]))
    assert targets["keypoint_weights"].tolist() == [[[1, 1, 0, 0]]]


def test_their_mean_is_the_keypoint() -> None:
    codec = IntegralRegressionLabel([96, 128], [24, 32], 2.0, unbiased=True)
    heatmaps = codec.encode(POINTS[:, :, 1:2])["heatmaps"]
    x = (heatmaps.sum(dim=-2) * torch.arange(24)).sum(dim=-1) * 4
    y = (heatmaps.sum(dim=-1) * torch.arange(32)).sum(dim=-1) * 4
    torch.testing.assert_close(torch.stack([x, y], -1), POINTS[0, :, 1:2], rtol=0, atol=0.2)


def test_without_normalize_they_are_those_of_msra() -> None:
    codec = IntegralRegressionLabel([96, 128], [24, 32], 2.0, normalize=False)
    plain = MSRAHeatmap([96, 128], [24, 32], 2.0).encode(POINTS, VISIBLE)
    assert torch.equal(codec.encode(POINTS, VISIBLE)["heatmaps"], plain["heatmaps"])


def test_labels_are_read_back() -> None:
    codec = IntegralRegressionLabel([96, 128], [24, 32], 2.0)
    keypoints, scores = codec.decode(codec.encode(POINTS)["keypoint_labels"])
    torch.testing.assert_close(keypoints, POINTS)
    assert torch.equal(scores, torch.ones(1, 1, 4))


def test_one_instance_only() -> None:
    codec = IntegralRegressionLabel([96, 128], [24, 32], 2.0)
    with pytest.raises(ValueError, match="N = 2"):
        codec.encode(POINTS.expand(1, 2, 4, 2))
