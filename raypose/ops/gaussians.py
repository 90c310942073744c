"""Gaussian heatmaps of keypoints as training targets (torch).

Everything is batched and stays on the device of the keypoints. A Gaussian is separable: its
profiles along x and along y are made first, which is W + H exponentials instead of W * H.

B samples, N instances, K keypoints; H and W of the heatmaps, sizes are (w, h). Positions are
(x, y) in heatmap cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from raypose.ops.blur import blur_matrix

# exp(-40) is 4e-18 and the product of two such is still a normal number: denormals, which smaller
# exponents would give, make the outer product many times slower.
_LOWEST_EXPONENT = -40.0


def gaussian_heatmaps(
    heatmap_size: Sequence[int],
    keypoints: Tensor,
    keypoints_visible: Tensor,
    sigma: float | Tensor,
) -> tuple[Tensor, Tensor]:
    """Draw a Gaussian around the cell nearest to each keypoint, cut off at 3 sigma.

    Args:
        heatmap_size: (w, h).
        keypoints: (B, N, K, 2) in cells.
        keypoints_visible: (B, N, K); keypoints below 0.5 are not drawn.
        sigma: in cells, or one for each instance, (B, N).

    Returns:
        Heatmaps (B, K, H, W) with a peak of 1, the larger value where instances overlap; and
        weights (B, N, K), the visibility, 0 where no part of the window is inside.
    """
    return _windowed(heatmap_size, keypoints, keypoints_visible, sigma, exact_center=False)


def udp_gaussian_heatmaps(
    heatmap_size: Sequence[int],
    keypoints: Tensor,
    keypoints_visible: Tensor,
    sigma: float | Tensor,
) -> tuple[Tensor, Tensor]:
    """Draw a Gaussian centred on each keypoint, in the 3 sigma window of its nearest cell.

    "The Devil is in the Details: Delving into Unbiased Data Processing for Human Pose
    Estimation", https://arxiv.org/abs/1911.07524. Arguments and results as for
    `gaussian_heatmaps`.
    """
    return _windowed(heatmap_size, keypoints, keypoints_visible, sigma, exact_center=True)


def unbiased_gaussian_heatmaps(
    heatmap_size: Sequence[int],
    keypoints: Tensor,
    keypoints_visible: Tensor,
    sigma: float,
) -> tuple[Tensor, Tensor]:
    """Draw a Gaussian centred on each keypoint, without a cut-off.

    "Distribution-Aware Coordinate Representation for Human Pose Estimation" (DARK),
    https://arxiv.org/abs/1910.06278. Arguments and results as for `gaussian_heatmaps`.
    """
    radius = 3 * sigma
    inside = torch.ones_like(keypoints_visible, dtype=torch.bool)
    profiles = []
    for axis, cells in enumerate(heatmap_size):
        center = keypoints[..., axis]
        inside &= (center - radius < cells) & (center + radius + 1 >= 0)
        grid = torch.arange(cells, dtype=keypoints.dtype, device=keypoints.device)
        exponent = (grid - center[..., None]).square_().mul_(-1 / (2 * sigma**2))
        profiles.append(exponent.clamp_(min=_LOWEST_EXPONENT).exp_())
    labelled = keypoints_visible >= 0.5
    x, y = profiles
    y *= (labelled & inside)[..., None]
    heatmaps = _outer(x, y)
    weights = torch.where(labelled & ~inside, 0.0, keypoints_visible)
    return heatmaps[:, 0] if heatmaps.shape[1] == 1 else heatmaps.amax(dim=1), weights


def blurred_point_heatmaps(
    heatmap_size: Sequence[int],
    keypoints: Tensor,
    keypoints_visible: Tensor,
    kernel_size: int,
) -> tuple[Tensor, Tensor]:
    """Blur one cell for each keypoint, mirrored at the border, and scale its value to 255.

    "Cascaded Pyramid Network for Multi-Person Pose Estimation",
    https://arxiv.org/abs/1711.07319.

    Args:
        heatmap_size: (w, h).
        keypoints: (B, 1, K, 2) in cells; a keypoint belongs to the cell that it is rounded
            towards zero to.
        keypoints_visible: (B, 1, K); keypoints below 0.5 are not drawn.
        kernel_size: of the blur, odd.

    Returns:
        Heatmaps (B, K, H, W); and weights (B, 1, K), the visibility, 0 for cells outside.
    """
    labelled = keypoints_visible >= 0.5
    inside = torch.ones_like(labelled)
    profiles = []
    for axis, cells in enumerate(heatmap_size):
        cell = keypoints[..., axis].long()
        inside &= (cell >= 0) & (cell < cells)
        # Column c is what a blur makes of a single one in cell c.
        columns = blur_matrix(cells, kernel_size, mirror=True)
        columns = (columns / columns.diagonal()).to(keypoints, non_blocking=True)
        profiles.append(columns.T[cell.clamp(0, cells - 1)])
    x, y = profiles
    y = y * (255 * (labelled & inside))[..., None]
    weights = torch.where(labelled & ~inside, 0.0, keypoints_visible)
    return _outer(x[:, 0], y[:, 0]), weights


def _windowed(
    heatmap_size: Sequence[int],
    keypoints: Tensor,
    keypoints_visible: Tensor,
    sigma: float | Tensor,
    exact_center: bool,
) -> tuple[Tensor, Tensor]:
    """Gaussians in windows; the window's corner is truncated towards 0, as the reference does."""
    B, N, K, _ = keypoints.shape
    W, H = (int(cells) for cells in heatmap_size)
    sigma = _unsqueezed(_unsqueezed(sigma))  # (B, N, 1, 1) beside points (B, N, K, 2)
    radius, length = 3 * sigma, 6 * sigma + 1
    middle = length // 2
    longest = float(length.max()) if isinstance(length, Tensor) else length
    steps = torch.arange(math.ceil(longest), device=keypoints.device)
    limits = W + (H - W) * torch.arange(2, device=keypoints.device)  # (W, H), without a copy

    nearest = (keypoints + 0.5).long()
    first, last = (nearest - radius).long(), (nearest + radius + 1).long()
    labelled = keypoints_visible >= 0.5
    inside = ((first < limits) & (last >= 0)).all(dim=-1)
    center = middle + (keypoints - nearest) if exact_center else middle
    distance = steps - _unsqueezed(center)
    profiles = torch.exp(distance**2 / (-2 * _unsqueezed(sigma) ** 2)).to(keypoints.dtype)
    cells = first[..., None] + steps  # (B, N, K, 2, P)
    reached = (cells >= 0) & (cells < torch.minimum(last, limits)[..., None])
    reached &= (labelled & inside)[..., None, None]
    if isinstance(length, Tensor):
        reached &= steps < _unsqueezed(length)
    x, y = (profiles * reached).unbind(dim=-2)
    columns, rows = cells[..., 0, :].clamp_(0, W - 1), cells[..., 1, :].clamp_(0, H - 1)
    weights = torch.where(labelled & ~inside, 0.0, keypoints_visible)
    if N == 1:  # whole rows are faster to write than windows are to scatter
        x = x.new_zeros(B, K, W).scatter_add_(-1, columns[:, 0], x[:, 0])
        y = y.new_zeros(B, K, H).scatter_add_(-1, rows[:, 0], y[:, 0])
        return _outer(x, y), weights
    first_rows = H * torch.arange(K, device=x.device)[:, None]
    index = ((first_rows + rows) * W)[..., None] + columns[..., None, :]  # (B, N, K, P, P)
    heatmaps, windows = x.new_empty(B, K * H * W), _outer(x, y)
    # On a CPU sample after sample: what was just set to zero is still in the cache.
    size = 1 if x.device.type == "cpu" else max(B, 1)
    parts = (values.flatten(1).split(size) for values in (heatmaps, index, windows))
    for maps, where, values in zip(*parts, strict=True):
        maps.zero_().scatter_reduce_(1, where, values, "amax")
    return heatmaps.view(B, K, H, W), weights


def _unsqueezed(value: float | Tensor) -> float | Tensor:
    """Add an axis behind those of a tensor; a number has none."""
    return value[..., None] if isinstance(value, Tensor) else value


def _outer(x: Tensor, y: Tensor) -> Tensor:
    """Products (..., Y, X) of profiles (..., X) and (..., Y)."""
    return y[..., :, None] * x[..., None, :]
