"""Maps of offsets from cells to keypoints as training targets (torch).

B samples, N instances, K keypoints; H and W of the maps, sizes are (w, h). Positions are (x, y)
in cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def offset_heatmap(
    heatmap_size: Sequence[int],
    keypoints: Tensor,
    keypoints_visible: Tensor,
    radius_factor: float,
) -> tuple[Tensor, Tensor]:
    """Draw a disc around each keypoint and the offsets to it, in units of the disc's radius.

    The target of the combined kind of https://arxiv.org/abs/1911.07524. A keypoint that several
    instances show belongs to the last of them.

    Args:
        heatmap_size: (w, h).
        keypoints: (B, N, K, 2) in cells.
        keypoints_visible: (B, N, K); keypoints below 0.5 leave their maps 0.
        radius_factor: radius of the disc as a share of the longer side.

    Returns:
        Heatmaps (B, 3K, H, W): for each keypoint the disc, the offset in x and in y; and weights
        (B, N, K), the visibility.
    """
    B, N, K, _ = keypoints.shape
    W, H = (int(cells) for cells in heatmap_size)
    radius = radius_factor * max(W, H)
    labelled = keypoints_visible >= 0.5
    if N > 1:
        order = torch.arange(1, N + 1, device=keypoints.device)[:, None]
        last = (labelled * order).argmax(dim=1, keepdim=True)  # (B, 1, K)
        keypoints = keypoints.gather(1, last[..., None].expand(B, 1, K, 2))
    center, shown = keypoints[:, 0], labelled.any(dim=1)

    heatmaps = keypoints.new_empty(B, K, 3, H, W)
    heatmaps[:, :, 0] = 0
    # Two cells more than the radius on each side hold every cell of the disc.
    steps = torch.arange(2 * math.ceil(radius) + 3, device=center.device)
    rows_columns, squares = [], []
    for axis, limit in enumerate((W, H)):
        grid = torch.arange(limit, device=center.device)
        position = center[..., axis, None]
        offset = (position - grid) / radius * shown[..., None]
        heatmaps[:, :, 1 + axis] = offset[..., None, :] if axis == 0 else offset[..., None]
        cell = position.floor().long() - math.ceil(radius) - 1 + steps
        square = ((position - cell) / radius).square()
        outside = (cell < 0) | (cell >= limit) | ~shown[..., None]
        squares.append(square.masked_fill(outside, 2.0))
        rows_columns.append(cell.clamp(0, limit - 1))
    disc = squares[1][..., None] + squares[0][..., None, :] <= 1  # (B, K, P, P)
    columns, rows = rows_columns
    maps = 3 * torch.arange(B * K, device=center.device).view(B, K, 1, 1)
    index = (maps * H + rows[..., None]) * W + columns[..., None, :]
    values = disc.to(heatmaps.dtype)
    heatmaps.view(-1).scatter_reduce_(0, index.flatten(), values.flatten(), "amax")
    return heatmaps.view(B, 3 * K, H, W), keypoints_visible.clone()


def displacement_heatmap(
    heatmap_size: Sequence[int],
    keypoints: Tensor,
    keypoints_visible: Tensor,
    roots: Tensor,
    roots_visible: Tensor,
    diagonals: Tensor,
    radius: float,
) -> tuple[Tensor, Tensor]:
    """Write the way from the cells around each root to the keypoints of its instance.

    The target of "Bottom-Up Human Pose Estimation Via Disentangled Keypoint Regression",
    https://arxiv.org/abs/2104.02300. Where instances overlap, the smaller one keeps the cell.

    Args:
        heatmap_size: (w, h).
        keypoints: (B, N, K, 2) in cells.
        keypoints_visible: (B, N, K); below 1 or outside of the map they are left out.
        roots: (B, N, 2) in cells.
        roots_visible: (B, N).
        diagonals: (B, N), sizes of the instances.
        radius: half the side of the square around a root, in cells.

    Returns:
        Displacements and their weights (1 / diagonal, else 0), both (B, 2K, H, W).
    """
    B, N, K, _ = keypoints.shape
    W, H = (int(cells) for cells in heatmap_size)
    x, y = (torch.arange(cells, device=roots.device) for cells in (W, H))
    limits = torch.tensor([W, H], device=roots.device)
    cells = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # (H, W, 2)
    displacements = keypoints.new_zeros(B, K, 2, H, W)
    weights = torch.zeros_like(displacements)
    sizes = keypoints.new_zeros(B, 1, H, W)
    # One instance after the other: who comes first decides where several meet.
    for n in range(N):
        root, point = roots[:, n], keypoints[:, n]
        low, high = (root - radius).long(), (root + radius).long()
        near = ((cells >= low[:, None, None]) & (cells < high[:, None, None])).all(dim=-1)
        rooted = (roots_visible[:, n] >= 1) & ((root >= 0) & (root < limits)).all(dim=-1)
        shown = (keypoints_visible[:, n] >= 1) & ((point >= 0) & (point < limits)).all(dim=-1)
        wanted = (near & rooted[:, None, None])[:, None] & shown[..., None, None]  # (B, K, H, W)
        size = diagonals[:, n, None, None, None]
        free = (displacements == 0).all(dim=2) | (size <= sizes)
        # A cell that one keypoint of an instance has taken is open to its later ones.
        taken = wanted & ((wanted & free).cumsum(dim=1) > 0)
        way = (point[:, :, None, None] - cells).movedim(-1, 2)
        displacements = torch.where(taken[:, :, None], way, displacements)
        weights = torch.where(taken[:, :, None], (1 / size)[:, :, None], weights)
        sizes = torch.where(taken.any(dim=1, keepdim=True), size, sizes)
    return displacements.flatten(1, 2), weights.flatten(1, 2)
