from __future__ import annotations

import pytest
import torch

from raypose.ops import output_accuracy


def _heatmaps(*peaks: tuple[int, int]) -> torch.Tensor:
    """One instance with a keypoint's heatmap (20, 10) for each peak (x, y)."""
    heatmaps = torch.zeros(1, len(peaks), 20, 10)
    for k, (x, y) in enumerate(peaks):
        heatmaps[0, k, y, x] = 1
    return heatmaps


def test_x_is_divided_by_the_height_and_y_by_the_width() -> None:
    target = _heatmaps((4, 4), (4, 4), (4, 4))
    output = _heatmaps((5, 4), (4, 5), (4, 4))
    mask = torch.ones(1, 3, dtype=torch.bool)
    accuracy, mean, count = output_accuracy.pose_pck_accuracy(output, target, mask, 0.07)
    assert accuracy.tolist() == [1, 0, 1]
    assert mean.item() == pytest.approx(2 / 3)
    assert count.item() == 3


def test_masked_keypoints_do_not_count() -> None:
    target, output = _heatmaps((4, 4), (4, 4)), _heatmaps((4, 4), (9, 9))
    mask = torch.tensor([[True, False]])
    accuracy, mean, count = output_accuracy.pose_pck_accuracy(output, target, mask)
    assert accuracy.tolist() == [1, -1]
    assert (mean.item(), count.item()) == (1, 1)
    _, mean, count = output_accuracy.pose_pck_accuracy(output, target, mask & False)
    assert (mean.item(), count.item()) == (0, 0)


def test_simcc_bins_are_fractions_of_pixels() -> None:
    x, y = torch.zeros(1, 1, 40), torch.zeros(1, 1, 80)
    x[0, 0, 10] = y[0, 0, 20] = 1
    far = torch.zeros(1, 1, 40)
    far[0, 0, 14] = 1
    mask = torch.ones(1, 1, dtype=torch.bool)
    # 4 bins are 2 pixels of an input 20 wide and 40 high: 2 / 40.
    for thr, want in ((0.049, 0), (0.051, 1)):
        _, mean, _ = output_accuracy.simcc_pck_accuracy((far, y), (x, y), 2.0, mask, thr)
        assert mean.item() == want


def test_every_label_of_a_sample_must_be_right() -> None:
    pred = torch.tensor([[0.9, 0.1], [0.9, 0.9], [0.2, 0.2]])
    gt = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    accuracy = output_accuracy.multilabel_classification_accuracy
    assert accuracy(pred, gt, torch.ones(3)).item() == pytest.approx(2 / 3)
    mask = torch.tensor([[1, 1], [1, 1], [1, 0]])
    assert accuracy(pred, gt, mask).item() == pytest.approx(1 / 2)
    assert accuracy(pred, gt, torch.zeros(3)).item() == 0
