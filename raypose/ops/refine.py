"""From the cell of a maximum to a position between cells (torch).

DARK and UDP blur a heatmap, take the logarithm and make one Newton step. Only the blurred values
next to the peak matter, so only the patch around it is blurred. The reference also brings each
blurred map back to its old maximum, a factor that the differences of logarithms lose, except where
a value is clipped: only for maps where that happens the factor is computed.

M points, P maps (H, W) or vectors (W); `index` (M,) says which map a point belongs to. Positions
are (x, y) in cells.
"""

from __future__ import annotations

import torch
from torch import Tensor

from raypose.ops.blur import gaussian_blur, gaussian_kernel, peak_loss

_DARK_LOWEST = 1e-10
_UDP_LOWEST, _UDP_LARGEST = 1e-3, 50.0


def refine_keypoints(
    points: Tensor, heatmaps: Tensor, index: Tensor, tolerance: float = 0.0
) -> Tensor:
    """Move peaks by a quarter cell towards the larger neighbour; not at all if both are equal.

    Args:
        points: (M, 2) cells of peaks, float32.
        heatmaps: (P, H, W).
        index: (M,) map of each point.
        tolerance: neighbours count as equal that differ by no more than this share of the peak,
            for maps with rounding noise.

    Returns:
        (M, 2); an axis stays where the peak is at or next to its border.
    """
    H, W = heatmaps.shape[-2:]
    x, y = points.long().unbind(-1)
    x_movable = (x > 1) & (x < W - 1) & (y > 0) & (y < H)
    y_movable = (y > 1) & (y < H - 1) & (x > 0) & (x < W)
    peak = (index * H + y) * W + x
    cells = torch.stack([peak, peak + 1, peak - 1, peak + W, peak - W])
    values = heatmaps.reshape(-1)
    # Beyond the border lie cells of other rows or maps; but there an axis does not move.
    peaks, right, left, below, above = values[cells.clamp_(0, len(values) - 1)]
    least = tolerance * peaks.abs()
    steps = [
        difference.sign() * (movable & (difference.abs() > least))
        for difference, movable in ((right - left, x_movable), (below - above, y_movable))
    ]
    return points + 0.25 * torch.stack(steps, dim=-1)


def refine_keypoints_dark(
    points: Tensor, heatmaps: Tensor, index: Tensor, blur_kernel_size: int
) -> Tensor:
    """Make the Newton step of DARK, with differences over one and (second order) two cells.

    "Distribution-Aware Coordinate Representation for Human Pose Estimation",
    https://arxiv.org/abs/1910.06278.

    Args:
        points: (M, 2) cells of peaks, float32.
        heatmaps: (P, H, W).
        index: (M,) map of each point.
        blur_kernel_size: of the Gaussian, odd.

    Returns:
        (M, 2); points nearer than two cells to the border stay, and those on flat ground.
    """
    H, W = heatmaps.shape[-2:]
    x, y = points.long().unbind(-1)
    movable = (x > 1) & (x < W - 2) & (y > 1) & (y < H - 2)
    patches = _blurred_patches(x, y, heatmaps, index, blur_kernel_size, reach=2)
    used = patches.flatten(1)[:, [2, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 22]]
    clipped = movable & (used < _DARK_LOWEST).any(dim=1)
    patches = patches * _lost_factor(clipped, heatmaps, index, blur_kernel_size)[:, None, None]
    p = patches.clamp(min=_DARK_LOWEST).log().permute(1, 2, 0)  # (5, 5, M), rows first
    dx, dy = 0.5 * (p[2, 3] - p[2, 1]), 0.5 * (p[3, 2] - p[1, 2])
    dxx = 0.25 * (p[2, 4] - 2 * p[2, 2] + p[2, 0])
    dyy = 0.25 * (p[4, 2] - 2 * p[2, 2] + p[0, 2])
    dxy = 0.25 * (p[3, 3] - p[1, 3] - p[3, 1] + p[1, 1])
    step = _newton_step(dx, dy, dxx, dxy, dyy)
    return torch.where(movable[:, None], points - step, points)


def refine_keypoints_dark_udp(
    points: Tensor, heatmaps: Tensor, index: Tensor, blur_kernel_size: int
) -> Tensor:
    """Make the Newton step of UDP, with differences over one cell, also at the border.

    "The Devil is in the Details: Delving into Unbiased Data Processing for Human Pose
    Estimation", https://arxiv.org/abs/1911.07524. Arguments as for `refine_keypoints_dark`.

    Returns:
        (M, 2). Points outside of the map stay; those of a map of zeros are NaN, since no factor
        restores its maximum.
    """
    H, W = heatmaps.shape[-2:]
    x, y = points.long().unbind(-1)
    patches = _blurred_patches(x, y, heatmaps, index, blur_kernel_size, reach=1)
    patches = _repeat_edge(_repeat_edge(patches, y, H).transpose(1, 2), x, W).transpose(1, 2)
    peaks = _take(heatmaps, index, y, x)
    clipped = (patches.flatten(1) < _UDP_LOWEST).any(dim=1) | (peaks > _UDP_LARGEST)
    factor = _lost_factor(clipped, heatmaps, index, blur_kernel_size)
    patches = (patches * factor[:, None, None]).clamp(_UDP_LOWEST, _UDP_LARGEST)
    p = patches.log().permute(1, 2, 0)  # (3, 3, M), rows first
    dx, dy = 0.5 * (p[1, 2] - p[1, 0]), 0.5 * (p[2, 1] - p[0, 1])
    tiny = torch.finfo(torch.float32).eps
    dxx = p[1, 2] - 2 * p[1, 1] + p[1, 0] + tiny
    dyy = p[2, 1] - 2 * p[1, 1] + p[0, 1] + tiny
    dxy = 0.5 * (p[2, 2] - p[1, 2] - p[2, 1] + 2 * p[1, 1] - p[1, 0] - p[0, 1] + p[0, 0])
    return points - _newton_step(dx, dy, dxx, dxy, dyy)


def place_udp_without_peak(heatmaps: Tensor, blur_kernel_size: int) -> Tensor:
    """Return where the reference's UDP step leads maps without a positive value.

    Their peak is (-1, -1), and the cells round it are the first cell of the map and, across its
    start, the last row of the map before: a meaningless place, but the reference's.

    Args:
        heatmaps: (B, K, H, W); before the first map of a sample comes its last.
        blur_kernel_size: of the Gaussian, odd.

    Returns:
        (B, K, 2), which says something only for maps without a positive value.
    """
    response = udp_response(heatmaps.flatten(0, 1), blur_kernel_size).view(heatmaps.shape)
    before = response.roll(1, dims=1).flatten(0, 1)
    own, left, above = response.flatten(0, 1)[:, 0, 0], before[:, -1, -1], before[:, -1, 0]
    dx, dy = 0.5 * (own - left), 0.5 * (own - above)
    tiny = torch.finfo(torch.float32).eps
    step = _newton_step(dx, dy, left - own + tiny, dy, above - own + tiny)
    return (-1 - step).view(*heatmaps.shape[:2], 2)


def udp_response(heatmaps: Tensor, blur_kernel_size: int) -> Tensor:
    """Return the maps (P, H, W) that `refine_keypoints_dark_udp` steps on, blurred logarithms."""
    return gaussian_blur(heatmaps, blur_kernel_size).clamp(_UDP_LOWEST, _UDP_LARGEST).log()


def refine_simcc_dark(points: Tensor, vectors: Tensor, blur_kernel_size: int) -> Tensor:
    """Make the Newton step of UDP along one axis.

    Args:
        points: (M,) bins of peaks, float32.
        vectors: (M, W), one for each point.
        blur_kernel_size: of the Gaussian, odd.

    Returns:
        (M,), NaN for a vector of zeros.
    """
    W = vectors.shape[-1]
    kernel = gaussian_kernel(blur_kernel_size).to(vectors.device)
    reach = torch.arange(-2, 3, device=vectors.device)
    centers = (points.long()[:, None] + reach).clamp(0, W - 1)
    taps = torch.arange(blur_kernel_size, device=vectors.device) - blur_kernel_size // 2
    bins = centers[..., None] + taps  # (M, 5, taps)
    inside = (bins >= 0) & (bins < W)
    values = vectors.gather(1, bins.clamp(0, W - 1).flatten(1)).view(bins.shape)
    blurred = (values * inside * kernel).sum(dim=-1)
    peaks = vectors.gather(1, centers[:, 2:3])[:, 0]
    clipped = (blurred < _UDP_LOWEST).any(dim=1) | (peaks > _UDP_LARGEST)
    index = torch.arange(len(vectors), device=vectors.device)
    factor = _lost_factor(clipped, vectors, index, blur_kernel_size)
    p = (blurred * factor[:, None]).clamp(_UDP_LOWEST, _UDP_LARGEST).log().T  # (5, M)
    slope = 0.5 * (p[3] - p[1])
    curvature = 1e-9 + 0.25 * (p[4] - 2 * p[2] + p[0])
    return points - slope / curvature


def _blurred_patches(
    x: Tensor, y: Tensor, heatmaps: Tensor, index: Tensor, kernel_size: int, reach: int
) -> Tensor:
    """Blurred values (M, R, R) of the R = 2 * reach + 1 rows and columns around each point."""
    H, W = heatmaps.shape[-2:]
    size = kernel_size + 2 * reach
    kernel = gaussian_kernel(kernel_size)
    bands = torch.zeros(2 * reach + 1, size)
    for row in range(2 * reach + 1):
        bands[row, row : row + kernel_size] = kernel
    bands = bands.to(heatmaps.device)
    steps = torch.arange(size, device=heatmaps.device) - size // 2
    rows, columns = y[:, None] + steps, x[:, None] + steps
    row_bands = bands * ((rows >= 0) & (rows < H))[:, None]
    column_bands = bands * ((columns >= 0) & (columns < W))[:, None]
    starts = (index[:, None] * H + rows.clamp_(0, H - 1)) * W
    cells = starts[:, :, None] + columns.clamp_(0, W - 1)[:, None]
    patches = heatmaps.reshape(-1)[cells]
    return row_bands @ patches @ column_bands.transpose(1, 2)


def _repeat_edge(patches: Tensor, rows: Tensor, H: int) -> Tensor:
    """Replace rows of (M, 3, 3) patches that lie beyond the border by the row on it."""
    steps = torch.arange(-1, 2, device=rows.device)
    kept = (rows[:, None] + steps).clamp_(0, H - 1) - rows[:, None] + 1
    return patches.gather(1, kept.clamp_(0, 2)[:, :, None].expand(patches.shape))


def _take(heatmaps: Tensor, index: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    H, W = heatmaps.shape[-2:]
    cells = (index * H + rows.clamp(0, H - 1)) * W + columns.clamp(0, W - 1)
    return heatmaps.reshape(-1)[cells]


def _lost_factor(clipped: Tensor, maps: Tensor, index: Tensor, kernel_size: int) -> Tensor:
    """Factor (M,) that restores the maximum after the blur, 1 for points that do not need it."""
    factor = torch.ones(len(clipped), device=maps.device)
    points = clipped.nonzero()[:, 0]
    if len(points):
        needed, which = index[points].unique(return_inverse=True)
        factor[points] = peak_loss(maps[needed], kernel_size)[which]
    return factor


def _newton_step(dx: Tensor, dy: Tensor, dxx: Tensor, dxy: Tensor, dyy: Tensor) -> Tensor:
    """Solve the 2 x 2 systems: (M, 2), 0 where the Hessian is singular."""
    determinant = dxx * dyy - dxy * dxy
    step = torch.stack([dyy * dx - dxy * dy, dxx * dy - dxy * dx], dim=-1)
    return torch.where((determinant != 0)[:, None], step / determinant[:, None], 0.0)
