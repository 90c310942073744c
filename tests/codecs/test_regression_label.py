from __future__ import annotations

import pytest
import torch

from raypose.codecs import RegressionLabel


def test_labels_and_weights_by_hand() -> None:
    points = torch.tensor([[[[10.0, 5.0], [-0.5, 3.0], [99.0, 49.0], [99.5, 3.0], [1.0, 1.0]]]])
    visible = torch.tensor([[[1.0, 1.0, 2.0, 1.0, 0.5]]])

    targets = RegressionLabel([100, 50]).encode(points, visible)

    assert targets["keypoint_labels"][0, 0, 0].tolist() == pytest.approx([0.1, 0.1])
    # Outside on the left, on the last pixel, outside on the right, not clearly visible.
    assert targets["keypoint_weights"].tolist() == [[[1, 0, 1, 0, 0]]]


def test_sigmas_become_scores() -> None:
    output = torch.tensor([[[0.5, 0.25, 0.1, 0.3]]])

    keypoints, scores = RegressionLabel([100, 40]).decode(output)

    assert keypoints.tolist() == [[[[50.0, 10.0]]]]
    assert scores.item() == pytest.approx(0.8)


def test_coordinates_alone_score_one() -> None:
    keypoints, scores = RegressionLabel([100, 40]).decode(torch.full((2, 3, 4, 2), 0.5))

    assert keypoints.shape == (2, 3, 4, 2)
    assert torch.equal(scores, torch.ones(2, 3, 4))


def test_other_numbers_of_columns_are_refused() -> None:
    with pytest.raises(ValueError, match=r"2 columns, or 4 with sigmas, got an output \(1, 2, 3\)"):
        RegressionLabel([100, 40]).decode(torch.zeros(1, 2, 3))
