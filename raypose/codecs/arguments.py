"""What codecs check and complete before they compute."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from raypose.errors import RayposeError


def size_pair(name: str, size: Sequence[int]) -> tuple[int, int]:
    """Return a size as (w, h).

    Raises:
        RayposeError: if it is not two positive whole numbers.
    """
    values = tuple(size)
    if len(values) != 2 or any(value != int(value) or value <= 0 for value in values):
        raise RayposeError(f"{name} is (w, h), two positive whole numbers, got {list(values)}")
    return int(values[0]), int(values[1])


def visible_or_ones(keypoints: Tensor, keypoints_visible: Tensor | None) -> Tensor:
    """Return the visibility (B, N, K), ones where it is not given."""
    if keypoints_visible is None:
        return keypoints.new_ones(keypoints.shape[:-1])
    return keypoints_visible


def check_single_instance(codec: str, keypoints: Tensor) -> None:
    """Refuse several instances for one heatmap of each keypoint.

    Raises:
        RayposeError: if `keypoints` (B, N, K, D) have N other than 1.
    """
    if keypoints.shape[1] != 1:
        raise RayposeError(
            f"{codec} encodes one instance in each sample, got keypoints "
            f"{tuple(keypoints.shape)} with N = {keypoints.shape[1]}"
        )


def check_heatmap_size(codec: str, heatmaps: Tensor, heatmap_size: tuple[int, int]) -> None:
    """Refuse heatmaps that would be scaled wrongly.

    Raises:
        RayposeError: if `heatmaps` (B, C, H, W) are of another size than the codec's (w, h).
    """
    if heatmaps.ndim != 4 or tuple(heatmaps.shape[:-3:-1]) != heatmap_size:
        W, H = heatmap_size
        raise RayposeError(
            f"{codec} with heatmap_size [{W}, {H}] (w, h) decodes heatmaps (B, C, {H}, {W}), "
            f"got {tuple(heatmaps.shape)}"
        )


def divide(points: Tensor, by: tuple[float, float]) -> Tensor:
    """Divide x and y of points (..., 2) by numbers, which needs no copy to their device."""
    return torch.stack([points[..., 0] / by[0], points[..., 1] / by[1]], dim=-1)


def multiply(points: Tensor, by: tuple[float, float]) -> Tensor:
    """Multiply x and y of points (..., 2) by numbers."""
    return torch.stack([points[..., 0] * by[0], points[..., 1] * by[1]], dim=-1)
