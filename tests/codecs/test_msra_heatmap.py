from __future__ import annotations

import pytest
import torch

from raypose.codecs import MSRAHeatmap


def test_a_peak_moves_a_quarter_cell_towards_the_larger_neighbour() -> None:
    heatmaps = torch.zeros(1, 1, 8, 8)
    heatmaps[0, 0, 4, 3] = 0.9
    heatmaps[0, 0, 4, 4] = 0.5
    heatmaps[0, 0, 3, 3] = 0.2

    keypoints, scores = MSRAHeatmap([32, 16], [8, 8], sigma=1).decode(heatmaps)

    assert keypoints.tolist() == [[[[4 * 3.25, 2 * 3.75]]]]
    assert scores.item() == pytest.approx(0.9)


def test_a_map_without_a_positive_value_has_no_keypoint() -> None:
    keypoints, scores = MSRAHeatmap([32, 32], [8, 8], sigma=1).decode(-torch.ones(1, 1, 8, 8))

    assert keypoints.tolist() == [[[[-4.0, -4.0]]]]
    assert scores.tolist() == [[[-1.0]]]


def test_dark_finds_the_centre_of_a_gaussian_between_cells() -> None:
    codec = MSRAHeatmap([192, 256], [48, 64], sigma=2, unbiased=True)
    points = torch.tensor([[[[90.7, 121.3], [60.1, 77.9]]]])

    keypoints, _ = codec.decode(codec.encode(points)["heatmaps"])

    torch.testing.assert_close(keypoints, points, rtol=0, atol=2e-3)
