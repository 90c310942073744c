"""Maxima of heatmaps and SimCC vectors, and suppression around them (torch).

On CPU tensors NumPy's argmax and OpenCV's dilation work on views of the same memory: they are one
to two orders of magnitude faster than torch's there. Other devices use torch; results are equal.

B samples, N instances, K keypoints, D depth, H and W. Locations are (x, y) or (x, y, z) in cells.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from raypose.errors import RayposeError


def first_maximum(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maxima (...) of vectors (..., W) and the first index of each, int64."""
    find = _argmax_numpy if _has_views(vectors) else _argmax_torch
    index = find(vectors)
    return vectors.gather(-1, index[..., None])[..., 0], index


def heatmap_maximum(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Find the first maximum of each heatmap in row-major order.

    Args:
        heatmaps: (..., H, W).

    Returns:
        Locations (..., 2) float32 and values (...). A location is (-1, -1) where the value is not
        above 0.
    """
    W = heatmaps.shape[-1]
    values, index = first_maximum(heatmaps.flatten(-2))
    return _locations([index % W, index // W], values)


def heatmap_3d_maximum(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Find the first maximum of each volume (..., D, H, W); see `heatmap_maximum`.

    Returns:
        Locations (..., 3) and values (...).
    """
    H, W = heatmaps.shape[-2:]
    values, index = first_maximum(heatmaps.flatten(-3))
    return _locations([index % W, index // W % H, index // (W * H)], values)


def simcc_maximum(
    simcc_x: Tensor, simcc_y: Tensor, apply_softmax: bool = False
) -> tuple[Tensor, Tensor]:
    """Find the bins with the largest response.

    Args:
        simcc_x: (..., Wx).
        simcc_y: (..., Wy).
        apply_softmax: turn each vector into probabilities first.

    Returns:
        Locations (..., 2) float32 in bins, (-1, -1) where the value is not above 0; and values
        (...), the smaller one of the two maxima.
    """
    if apply_softmax:
        simcc_x, simcc_y = simcc_x.softmax(dim=-1), simcc_y.softmax(dim=-1)
    x_values, x_index = first_maximum(simcc_x)
    y_values, y_index = first_maximum(simcc_y)
    return _locations([x_index, y_index], torch.minimum(x_values, y_values))


def simcc_3d_maximum(simcc_x: Tensor, simcc_y: Tensor, simcc_z: Tensor) -> tuple[Tensor, Tensor]:
    """Find the bins with the largest response on three axes.

    Args:
        simcc_x: (..., Wx).
        simcc_y: (..., Wy).
        simcc_z: (..., Wz).

    Returns:
        Locations (..., 3) and values (...) as of `simcc_maximum`; z has no part in the values.
    """
    x_values, x_index = first_maximum(simcc_x)
    y_values, y_index = first_maximum(simcc_y)
    _, z_index = first_maximum(simcc_z)
    return _locations([x_index, y_index, z_index], torch.minimum(x_values, y_values))


def simcc_normalized(simcc: Tensor, sigma: float | None = None) -> Tensor:
    """Bring SimCC vectors into 0..1.

    Args:
        simcc: (..., W).
        sigma: of the Gaussian; the vectors are divided by its integral.

    Returns:
        (..., W), negative values clamped, vectors that exceed 1 divided by their maximum.
    """
    if sigma is not None:
        simcc = simcc / (sigma * math.sqrt(2 * math.pi))
    simcc = simcc.clamp(min=0)
    return simcc / simcc.amax(dim=-1, keepdim=True).clamp(min=1)


def heatmap_nms(heatmaps: Tensor, kernel_size: int = 5) -> Tensor:
    """Set to zero what is not the maximum of the window around it.

    Args:
        heatmaps: (B, K, H, W).
        kernel_size: side of the window, odd.

    Raises:
        RayposeError: if `kernel_size` is even.
    """
    if kernel_size % 2 == 0:
        raise RayposeError(f"kernel_size of the suppression is odd, got {kernel_size}")
    dilate = _dilate_opencv if _has_views(heatmaps) else _dilate_torch
    largest = dilate(heatmaps, kernel_size)
    return largest.masked_fill_(heatmaps != largest, 0.0)


def _locations(indices: list[Tensor], values: Tensor) -> tuple[Tensor, Tensor]:
    cells = torch.stack(indices, dim=-1).float()
    return cells.masked_fill_((values <= 0)[..., None], -1.0), values


def _has_views(values: Tensor) -> bool:
    """Whether NumPy and OpenCV can work on the tensor's own memory."""
    return values.device.type == "cpu" and values.dtype == torch.float32


def _argmax_numpy(vectors: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(vectors.detach().numpy().argmax(axis=-1)))


def _argmax_torch(vectors: Tensor) -> Tensor:
    return vectors.argmax(dim=-1)


def _dilate_opencv(heatmaps: Tensor, kernel_size: int) -> Tensor:
    H, W = heatmaps.shape[-2:]
    maps = heatmaps.detach().contiguous().view(-1, H, W)
    dilated = torch.empty_like(maps)
    kernel = np.ones((kernel_size, kernel_size), np.uint8)
    for source, target in zip(maps.numpy(), dilated.numpy(), strict=True):
        cv2.dilate(source, kernel, dst=target)
    return dilated.view(heatmaps.shape)


def _dilate_torch(heatmaps: Tensor, kernel_size: int) -> Tensor:
    return F.max_pool2d(heatmaps, kernel_size, stride=1, padding=kernel_size // 2)
