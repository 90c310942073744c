"""`RegressionLabel`: keypoints as coordinates in 0..1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from raypose.codecs.arguments import divide, multiply, size_pair, visible_or_ones
from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.registry import CODECS


@CODECS.register_module()
class RegressionLabel(BaseKeypointCodec):
    """Coordinates divided by the size of the input.

    Encodes `keypoint_labels` (B, N, K, 2) and `keypoint_weights` (B, N, K), which are 1 for
    visible keypoints inside of the input and else 0. Decodes (B, K, C) or (B, N, K, C): two
    columns are coordinates, and the scores are 1; of four the last two are their sigmas
    ("Human Pose Regression with Residual Log-likelihood Estimation",
    https://arxiv.org/abs/2107.11291), and scores are the mean of 1 - sigma.

    Args:
        input_size: (w, h) of the network's input.

    Example:
        type: RegressionLabel
        input_size: [192, 256]
    """

    target_keys = ("keypoint_labels", "keypoint_weights")

    def __init__(self, input_size: Sequence[int]) -> None:
        self.input_size = size_pair("input_size", input_size)

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        """Make labels; see the base class."""
        w, h = self.input_size
        x, y = keypoints[..., 0], keypoints[..., 1]
        inside = (x >= 0) & (y >= 0) & (x <= w - 1) & (y <= h - 1)
        valid = inside & (visible_or_ones(keypoints, keypoints_visible) > 0.5)
        return {
            "keypoint_labels": divide(keypoints, self.input_size),
            "keypoint_weights": valid.to(keypoints.dtype),
        }

    def decode(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Return keypoints (B, N, K, 2) and scores (B, N, K); N is 1 for (B, K, C).

        Raises:
            RayposeError: if C is neither 2 nor 4.
        """
        C = encoded.shape[-1]
        if C not in (2, 4):
            raise RayposeError(
                "RegressionLabel decodes 2 columns, or 4 with sigmas, got an output "
                f"{tuple(encoded.shape)}"
            )
        values = encoded.detach().float()
        if values.ndim == 3:
            values = values[:, None]
        keypoints = multiply(values, self.input_size)
        if C == 2:
            return keypoints, torch.ones_like(keypoints[..., 0])
        return keypoints, (1 - values[..., 2:]).mean(dim=-1)
