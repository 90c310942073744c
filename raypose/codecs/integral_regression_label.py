"""`IntegralRegressionLabel`: coordinates in 0..1, and the heatmaps they are the mean of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from raypose.codecs.base import BaseKeypointCodec
from raypose.codecs.msra_heatmap import MSRAHeatmap
from raypose.codecs.regression_label import RegressionLabel
from raypose.registry import CODECS


@CODECS.register_module()
class IntegralRegressionLabel(BaseKeypointCodec):
    """The targets of `MSRAHeatmap` and `RegressionLabel` at once.

    "Integral Human Pose Regression", https://arxiv.org/abs/1711.08229, and "Numerical Coordinate
    Regression with Convolutional Neural Networks" (DSNT), https://arxiv.org/abs/1801.07372.

    Encodes one instance: `keypoint_labels` (B, 1, K, 2), `heatmaps` (B, K, H, W) and
    `keypoint_weights` (B, 1, K), which are 1 for visible keypoints inside of the input and else
    0. Decodes coordinates (B, K, 2) or (B, 1, K, 2) as `RegressionLabel` does.

    Args:
        input_size: (w, h) of the network's input.
        heatmap_size: (w, h).
        sigma: of the Gaussian in cells.
        unbiased: see `MSRAHeatmap`.
        blur_kernel_size: see `MSRAHeatmap`.
        normalize: let the cells of each heatmap sum to 1.

    Example:
        type: IntegralRegressionLabel
        input_size: [256, 256]
        heatmap_size: [64, 64]
        sigma: 2.0
    """

    target_keys = ("keypoint_labels", "heatmaps", "keypoint_weights")

    def __init__(
        self,
        input_size: Sequence[int],
        heatmap_size: Sequence[int],
        sigma: float,
        unbiased: bool = False,
        blur_kernel_size: int = 11,
        normalize: bool = True,
    ) -> None:
        self.heatmap_codec = MSRAHeatmap(
            input_size, heatmap_size, sigma, unbiased, blur_kernel_size
        )
        self.keypoint_codec = RegressionLabel(input_size)
        self.normalize = normalize

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        """Make labels and heatmaps; see the base class.

        Raises:
            RayposeError: if N is not 1.
        """
        targets = self.heatmap_codec.encode(keypoints, keypoints_visible)
        heatmaps = targets["heatmaps"]
        if self.normalize:
            # Maps of zeros stay: float32 tells the smallest sum of a Gaussian from this.
            heatmaps = heatmaps / (heatmaps.sum(dim=(-1, -2), keepdim=True) + 1e-24)
        labels = self.keypoint_codec.encode(keypoints, targets["keypoint_weights"])
        return {**labels, "heatmaps": heatmaps}

    def decode(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Return keypoints (B, 1, K, 2) in input space and scores (B, 1, K) of 1."""
        return self.keypoint_codec.decode(encoded)
