"""Accuracy of network outputs against targets, while training (torch).

Everything stays on the device of the output and nothing waits for it, so a train step can log
these numbers without a synchronisation.

N instances, K keypoints, L labels; H and W of heatmaps, Wx and Wy bins of SimCC vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor


def pose_pck_accuracy(
    output: Tensor,
    target: Tensor,
    mask: Tensor,
    thr: float = 0.05,
    normalize: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute PCK between the maxima of heatmaps.

    Args:
        output: (N, K, H, W).
        target: (N, K, H, W).
        mask: (N, K) bool, keypoints that count.
        thr: normalised distance; a keypoint is right if it is strictly nearer.
        normalize: (N, 2), what x and y are divided by; [H, W] by default, in this order as in the
            reference.

    Returns:
        Accuracy of each keypoint (K,), -1 where none counts; its mean over those with a value
        (), 0 if there is none; and their number ().
    """
    H, W = output.shape[2:]
    if normalize is None:
        normalize = _same_for_all(output, H, W)
    return _pck(_heatmap_peaks(output), _heatmap_peaks(target), mask, thr, normalize)


def mean_position_error(poses: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return the mean distance () of the keypoints that count, 0 if none does.

    Args:
        poses: (..., K, D).
        targets: (..., K, D).
        mask: (..., K) bool, keypoints that count.
    """
    errors = torch.linalg.vector_norm(poses - targets, dim=-1)
    return (errors * mask).sum() / mask.sum().clamp(min=1)


def simcc_pck_accuracy(
    output: tuple[Tensor, Tensor],
    target: tuple[Tensor, Tensor],
    simcc_split_ratio: float,
    mask: Tensor,
    thr: float = 0.05,
    normalize: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute PCK between the maxima of SimCC vectors.

    Args:
        output: x (N, K, Wx) and y (N, K, Wy).
        target: the same.
        simcc_split_ratio: bins for each pixel of the input.
        mask: (N, K) bool, keypoints that count.
        thr: normalised distance; a keypoint is right if it is strictly nearer.
        normalize: (N, 2), what x and y in input pixels are divided by; height and width of the
            input by default, in this order as in the reference.

    Returns:
        As for `pose_pck_accuracy`.
    """
    x, y = output
    if normalize is None:
        height, width = (int(axis.shape[-1] / simcc_split_ratio) for axis in (y, x))
        normalize = _same_for_all(x, height, width)
    pred = _simcc_peaks(x, y) / simcc_split_ratio
    return _pck(pred, _simcc_peaks(*target) / simcc_split_ratio, mask, thr, normalize)


def coordinate_pck_accuracy(
    output: Tensor, target: Tensor, mask: Tensor, thr: float = 0.05
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute PCK between coordinates.

    Args:
        output: (N, K, D) fractions of the input's size.
        target: (N, K, D).
        mask: (N, K) bool, keypoints that count.
        thr: distance; a keypoint is right if it is strictly nearer.

    Returns:
        As for `pose_pck_accuracy`.
    """
    return _pck(output, target, mask, thr, torch.ones_like(target[:, 0]))


def multilabel_classification_accuracy(
    pred: Tensor, gt: Tensor, mask: Tensor, thr: float = 0.5
) -> Tensor:
    """Compute the share of samples with every label right.

    Args:
        pred: (N, L) probabilities.
        gt: (N, L) labels or probabilities; right means on the same side of `thr`.
        mask: (N,) or (N, L); only samples with every label annotated count.
        thr: between the two sides.

    Returns:
        (), 0 if no sample counts.
    """
    counted = (mask > 0).reshape(len(mask), -1).all(dim=1)
    right = ((pred - thr) * (gt - thr) > 0).all(dim=1) & counted
    return right.sum() / counted.sum().clamp(min=1)


def _heatmap_peaks(heatmaps: Tensor) -> Tensor:
    """Cells (N, K, 2) as (x, y) of the maxima; (-1, -1) where a maximum is not above 0."""
    values, index = heatmaps.flatten(2).max(dim=-1)
    W = heatmaps.shape[-1]
    peaks = torch.stack([index % W, index // W], dim=-1)
    return torch.where((values > 0)[..., None], peaks, -1).float()


def _simcc_peaks(x: Tensor, y: Tensor) -> Tensor:
    """Bins (N, K, 2) of the maxima; (-1, -1) where one of the two is not above 0."""
    x_value, x_index = x.max(dim=-1)
    y_value, y_index = y.max(dim=-1)
    peaks = torch.stack([x_index, y_index], dim=-1)
    return torch.where((torch.minimum(x_value, y_value) > 0)[..., None], peaks, -1).float()


def _same_for_all(values: Tensor, *numbers: int) -> Tensor:
    """Numbers as (N, len(numbers)), made on the device: a copy from the host would wait."""
    rows = [
        torch.full((len(values),), number, dtype=torch.float32, device=values.device)
        for number in numbers
    ]
    return torch.stack(rows, dim=-1)


def _pck(
    pred: Tensor, gt: Tensor, mask: Tensor, thr: float, normalize: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """PCK of positions (N, K, 2); see `pose_pck_accuracy`."""
    usable = (normalize > 0).all(dim=-1, keepdim=True)
    factor = torch.where(usable, normalize, 1)[:, None]
    distance = torch.linalg.vector_norm((pred - gt) / factor, dim=-1)
    valid = mask.bool() & usable
    counts = valid.sum(dim=0)
    accuracy = ((distance < thr) & valid).sum(dim=0) / counts.clamp(min=1)
    counted = counts > 0
    number = counted.sum()
    mean = torch.where(counted, accuracy, 0).sum() / number.clamp(min=1)
    return torch.where(counted, accuracy, -1), mean, number
