"""Test-time flip: network outputs of the mirrored input, mirrored back (torch).

Nothing is changed in place, and everything stays on its device. `flip_indices` gives for each
keypoint the index of its mirror image.

B images, C channels, K keypoints, D dimensions; sizes are (w, h).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from raypose.errors import RayposeError, did_you_mean

FLIP_MODES = ("heatmap", "udp_combined", "offset")


def flip_heatmaps(
    heatmaps: Tensor,
    flip_indices: Sequence[int] | None = None,
    flip_mode: str = "heatmap",
    shift_heatmap: bool = True,
) -> Tensor:
    """Mirror heatmaps and swap those of left and right.

    Args:
        heatmaps: (B, C, H, W).
        flip_indices: (K,); nothing is swapped without them.
        flip_mode: `heatmap`, C = K; `udp_combined`, C = 3K as (K, 3), a heatmap and the offsets
            in x and y; or `offset`, C = 2K as (K, 2), offsets in x and y. Offsets in x change
            their sign.
        shift_heatmap: then move right by one cell, where flipped and plain input align better;
            column 0 stays.

    Returns:
        (B, C, H, W).

    Raises:
        RayposeError: if `flip_mode` is unknown or `flip_indices` does not fit the channels.
    """
    B, C, H, W = heatmaps.shape
    fields = _fields_of(flip_mode)
    flipped = heatmaps.reshape(B, C // fields, fields, H, W).flip(-1)
    if flip_indices is not None:
        if len(flip_indices) * fields != C:
            raise RayposeError(
                f"{len(flip_indices)} flip_indices do not fit {C} channels with "
                f"flip_mode {flip_mode!r}, which has {fields} for each keypoint"
            )
        flipped = flipped[:, list(flip_indices)]
    if flip_mode != "heatmap":
        sign = flipped.new_ones(fields)
        sign[fields - 2] = -1
        flipped = flipped * sign[:, None, None]
    if shift_heatmap:
        flipped = torch.cat([flipped[..., :1], flipped[..., :-1]], dim=-1)
    return flipped.reshape(B, C, H, W)


def flip_vectors(
    x_labels: Tensor, y_labels: Tensor, flip_indices: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Mirror SimCC vectors in x and swap left and right in both.

    Args:
        x_labels: (B, K, Wx).
        y_labels: (B, K, Wy).
        flip_indices: (K,).

    Returns:
        Tensors of the same shapes.

    Raises:
        RayposeError: if `flip_indices` does not fit the number of keypoints.
    """
    return _swap_pairs(x_labels, flip_indices).flip(-1), _swap_pairs(y_labels, flip_indices)


def flip_coordinates(
    coords: Tensor, flip_indices: Sequence[int], shift_coords: bool, input_size: Sequence[int]
) -> Tensor:
    """Mirror normalised coordinates and swap left and right.

    Args:
        coords: (B, K, D) with x in 0..1.
        flip_indices: (K,).
        shift_coords: move left by one pixel of the input as well.
        input_size: (w, h) of the input.

    Returns:
        (B, K, D).

    Raises:
        RayposeError: if `flip_indices` does not fit the number of keypoints.
    """
    last = 1.0 - 1.0 / input_size[0] if shift_coords else 1.0
    flipped = _swap_pairs(coords, flip_indices)
    return torch.cat([last - flipped[..., :1], flipped[..., 1:]], dim=-1)


def flip_visibility(vis: Tensor, flip_indices: Sequence[int]) -> Tensor:
    """Swap left and right of visibilities (B, K)."""
    return _swap_pairs(vis, flip_indices)


def aggregate_heatmaps(
    heatmaps: Sequence[Tensor],
    size: Sequence[int] | None = None,
    align_corners: bool = False,
    mode: str = "average",
) -> Tensor:
    """Bring heatmaps to one size and combine them.

    Args:
        heatmaps: (B, C, h, w) each.
        size: (w, h); that of the first by default.
        align_corners: of the bilinear resizing.
        mode: `average`, or `concat` along the channels.

    Returns:
        (B, C, H, W), or with the sum of all channels.

    Raises:
        RayposeError: if `mode` is unknown.
    """
    if mode not in ("average", "concat"):
        raise RayposeError(f"mode is 'average' or 'concat', got {mode!r}")
    target = tuple(heatmaps[0].shape[2:]) if size is None else (int(size[1]), int(size[0]))
    resized = [
        maps
        if tuple(maps.shape[2:]) == target
        else F.interpolate(maps, target, mode="bilinear", align_corners=align_corners)
        for maps in heatmaps
    ]
    if mode == "concat":
        return torch.cat(resized, dim=1)
    return torch.stack(resized).mean(dim=0)


def inverse_sigmoid(x: Tensor, eps: float = 1e-3) -> Tensor:
    """Compute log(x / (1 - x)) of probabilities, numerator and denominator at least `eps`."""
    x = x.clamp(0, 1)
    return torch.log(x.clamp(min=eps) / (1 - x).clamp(min=eps))


def _fields_of(flip_mode: str) -> int:
    """Channels for each keypoint."""
    if flip_mode not in FLIP_MODES:
        raise RayposeError(
            f"flip_mode is one of {', '.join(FLIP_MODES)}, got {flip_mode!r}."
            + did_you_mean(str(flip_mode), FLIP_MODES)
        )
    return {"heatmap": 1, "udp_combined": 3, "offset": 2}[flip_mode]


def _swap_pairs(values: Tensor, flip_indices: Sequence[int]) -> Tensor:
    """Values (B, K, ...) with those of left and right swapped."""
    if len(flip_indices) != values.shape[1]:
        raise RayposeError(
            f"flip_indices has {len(flip_indices)} entries for {values.shape[1]} keypoints"
        )
    return values[:, list(flip_indices)]
