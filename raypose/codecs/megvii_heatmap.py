"""`MegviiHeatmap`: one blurred point for each keypoint, as MSPN, RSN and CPN learn them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from raypose.codecs.arguments import (
    check_heatmap_size,
    check_single_instance,
    divide,
    multiply,
    size_pair,
    visible_or_ones,
)
from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.ops.blur import gaussian_blur
from raypose.ops.gaussians import blurred_point_heatmaps
from raypose.ops.peaks import heatmap_maximum
from raypose.ops.refine import refine_keypoints
from raypose.registry import CODECS

_PEAK = 255.0
# What float32 makes of equal neighbours in a blur, at most.
_NOISE = 2e-6


@CODECS.register_module()
class MegviiHeatmap(BaseKeypointCodec):
    """Keypoints as maxima of blurred points.

    "Rethinking on Multi-Stage Networks for Human Pose Estimation" (MSPN),
    https://arxiv.org/abs/1901.00148, and "Cascaded Pyramid Network for Multi-Person Pose
    Estimation", https://arxiv.org/abs/1711.07319.

    Encodes one instance: `heatmaps` (B, K, H, W) with peaks of 255 and `keypoint_weights`
    (B, 1, K). Decodes (B, K, H, W): heatmaps are blurred, their maxima are moved to the centre of
    the cell and a quarter cell towards the larger neighbours; scores are maxima / 255 + 0.5.

    Args:
        input_size: (w, h) of the network's input.
        heatmap_size: (w, h).
        kernel_size: of both blurs in cells, odd.

    Raises:
        RayposeError: if `kernel_size` is not odd.

    Example:
        type: MegviiHeatmap
        input_size: [192, 256]
        heatmap_size: [48, 64]
        kernel_size: 5
    """

    target_keys = ("heatmaps", "keypoint_weights")

    def __init__(
        self, input_size: Sequence[int], heatmap_size: Sequence[int], kernel_size: int
    ) -> None:
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise RayposeError(f"kernel_size of MegviiHeatmap is odd, got {kernel_size}")
        self.input_size = size_pair("input_size", input_size)
        self.heatmap_size = size_pair("heatmap_size", heatmap_size)
        self.kernel_size = kernel_size
        self.scale_factor = (
            self.input_size[0] / self.heatmap_size[0],
            self.input_size[1] / self.heatmap_size[1],
        )

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        """Make heatmaps; see the base class.

        Raises:
            RayposeError: if N is not 1.
        """
        check_single_instance(type(self).__name__, keypoints)
        heatmaps, weights = blurred_point_heatmaps(
            self.heatmap_size,
            divide(keypoints, self.scale_factor),
            visible_or_ones(keypoints, keypoints_visible),
            self.kernel_size,
        )
        return {"heatmaps": heatmaps, "keypoint_weights": weights}

    def decode(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Find the keypoints (B, 1, K, 2) and scores (B, 1, K) of heatmaps (B, K, H, W).

        A map of zeros has the score NaN, since no factor restores its maximum after the blur.

        Raises:
            RayposeError: if the heatmaps are not of `heatmap_size`.
        """
        check_heatmap_size(type(self).__name__, encoded, self.heatmap_size)
        heatmaps = gaussian_blur(encoded.detach().float().flatten(0, 1), self.kernel_size)
        cells, scores = heatmap_maximum(heatmaps)
        W, H = self.heatmap_size
        x, y = cells.unbind(-1)
        movable = (x > 1) & (x < W - 1) & (y > 1) & (y < H - 1)
        index = torch.arange(len(cells), device=cells.device)
        moved = refine_keypoints(cells, heatmaps, index, _NOISE) + 0.5
        cells = torch.where(movable[:, None], moved, cells)
        B, K = encoded.shape[:2]
        keypoints = multiply(cells, self.scale_factor)
        return keypoints.view(B, 1, K, 2), (scores / _PEAK + 0.5).view(B, 1, K)
