"""`MSRAHeatmap`: one Gaussian heatmap for each keypoint; with `unbiased` DARK."""

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
from raypose.ops.gaussians import gaussian_heatmaps, unbiased_gaussian_heatmaps
from raypose.ops.peaks import heatmap_maximum
from raypose.ops.refine import refine_keypoints, refine_keypoints_dark
from raypose.registry import CODECS


@CODECS.register_module()
class MSRAHeatmap(BaseKeypointCodec):
    """Keypoints as maxima of Gaussian heatmaps.

    "Simple Baselines for Human Pose Estimation and Tracking", https://arxiv.org/abs/1804.06208.
    The maximum is refined by a quarter cell towards the larger neighbour. With `unbiased` as in
    "Distribution-Aware Coordinate Representation for Human Pose Estimation" (DARK),
    https://arxiv.org/abs/1910.06278: Gaussians are centred between cells and the maximum is
    refined by a Newton step.

    Encodes one instance: `heatmaps` (B, K, H, W) and `keypoint_weights` (B, 1, K). Decodes
    (B, K, H, W); scores are the maxima.

    Args:
        input_size: (w, h) of the network's input.
        heatmap_size: (w, h).
        sigma: of the Gaussian in cells.
        unbiased: encode and decode as DARK does.
        blur_kernel_size: of the blur before the Newton step; 11 goes with sigma 2, 17 with 3.

    Example:
        type: MSRAHeatmap
        input_size: [192, 256]
        heatmap_size: [48, 64]
        sigma: 2
    """

    target_keys = ("heatmaps", "keypoint_weights")

    def __init__(
        self,
        input_size: Sequence[int],
        heatmap_size: Sequence[int],
        sigma: float,
        unbiased: bool = False,
        blur_kernel_size: int = 11,
    ) -> None:
        self.input_size = size_pair("input_size", input_size)
        self.heatmap_size = size_pair("heatmap_size", heatmap_size)
        self.sigma = sigma
        self.unbiased = unbiased
        self.blur_kernel_size = blur_kernel_size
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
        draw = unbiased_gaussian_heatmaps if self.unbiased else gaussian_heatmaps
        heatmaps, weights = draw(
            self.heatmap_size,
            divide(keypoints, self.scale_factor),
            visible_or_ones(keypoints, keypoints_visible),
            self.sigma,
        )
        return {"heatmaps": heatmaps, "keypoint_weights": weights}

    def decode(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Find the keypoints (B, 1, K, 2) and scores (B, 1, K) of heatmaps (B, K, H, W).

        Raises:
            RayposeError: if the heatmaps are not of `heatmap_size`.
        """
        check_heatmap_size(type(self).__name__, encoded, self.heatmap_size)
        heatmaps = encoded.detach().float().flatten(0, 1)
        cells, scores = heatmap_maximum(heatmaps)
        index = torch.arange(len(cells), device=cells.device)
        if self.unbiased:
            cells = refine_keypoints_dark(cells, heatmaps, index, self.blur_kernel_size)
        else:
            cells = refine_keypoints(cells, heatmaps, index)
        B, K = encoded.shape[:2]
        keypoints = multiply(cells, self.scale_factor)
        return keypoints.view(B, 1, K, 2), scores.view(B, 1, K)
