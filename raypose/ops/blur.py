"""Gaussian blur of heatmaps and SimCC vectors (torch).

The blur is a product with a banded matrix. On small maps that is faster than a convolution, runs
on every device, and treats the border as part of the matrix.

P maps or vectors, H and W.
"""

from __future__ import annotations

import torch
from torch import Tensor

# OpenCV's fixed kernels; its formula gives other values for these sizes.
_SMALL_KERNELS = {
    1: (1.0,),
    3: (0.25, 0.5, 0.25),
    5: (0.0625, 0.25, 0.375, 0.25, 0.0625),
    7: (0.03125, 0.109375, 0.21875, 0.28125, 0.21875, 0.109375, 0.03125),
    9: tuple(weight / 256 for weight in (4, 13, 30, 51, 60, 51, 30, 13, 4)),
}


def gaussian_kernel(size: int) -> Tensor:
    """Return the Gaussian (size,) float32 that OpenCV takes for an odd size, on the CPU."""
    if size in _SMALL_KERNELS:
        return torch.tensor(_SMALL_KERNELS[size])
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    steps = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    weights = torch.exp(steps.square() / (-2 * sigma**2))
    return (weights / weights.sum()).float()


def gaussian_blur(heatmaps: Tensor, kernel_size: int) -> Tensor:
    """Blur heatmaps (P, H, W) with zeros beyond the border, keeping the maximum of each."""
    blurred = _blur(heatmaps, kernel_size, mirror=False)
    return blurred * _peak_ratio(heatmaps, blurred)[:, None, None]


def gaussian_blur1d(vectors: Tensor, kernel_size: int) -> Tensor:
    """Blur vectors (P, W) with zeros beyond the border, keeping the maximum of each."""
    blurred = _blur1d(vectors, kernel_size)
    return blurred * _peak_ratio(vectors, blurred)[:, None]


def peak_loss(maps: Tensor, kernel_size: int) -> Tensor:
    """Return the factor (P,) by which the two functions above restore the maximum.

    Args:
        maps: heatmaps (P, H, W) or vectors (P, W).
        kernel_size: of the Gaussian, odd.
    """
    if maps.ndim == 2:
        return _peak_ratio(maps, _blur1d(maps, kernel_size))
    return _peak_ratio(maps, _blur(maps, kernel_size, mirror=False))


def smooth(heatmaps: Tensor, kernel_size: int) -> Tensor:
    """Blur heatmaps (P, H, W) mirrored at the border, without rescaling."""
    return _blur(heatmaps, kernel_size, mirror=True)


def _blur(heatmaps: Tensor, kernel_size: int, mirror: bool) -> Tensor:
    H, W = heatmaps.shape[-2:]
    rows = blur_matrix(H, kernel_size, mirror).to(heatmaps.device)
    columns = blur_matrix(W, kernel_size, mirror).to(heatmaps.device)
    return rows @ (heatmaps @ columns.T)


def _blur1d(vectors: Tensor, kernel_size: int) -> Tensor:
    matrix = blur_matrix(vectors.shape[-1], kernel_size, mirror=False).to(vectors.device)
    return vectors @ matrix.T


def blur_matrix(length: int, kernel_size: int, mirror: bool) -> Tensor:
    """Return the matrix (length, length) that blurs a column vector, on the CPU.

    Args:
        length: of the vector.
        kernel_size: of the Gaussian, odd.
        mirror: whether the vector is mirrored at its ends, or zeros lie beyond them.
    """
    cells = torch.arange(length)[:, None] + torch.arange(kernel_size) - kernel_size // 2
    weights = gaussian_kernel(kernel_size).expand(length, kernel_size)
    if mirror:
        period = max(2 * (length - 1), 1)
        cells = cells % period
        cells = torch.minimum(cells, period - cells)
    else:
        weights = weights * ((cells >= 0) & (cells < length))
        cells = cells.clamp(0, length - 1)
    return torch.zeros(length, length).scatter_add_(1, cells, weights)


def _peak_ratio(before: Tensor, after: Tensor) -> Tensor:
    return before.flatten(1).amax(dim=1) / after.flatten(1).amax(dim=1)
