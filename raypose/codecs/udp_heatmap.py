"""`UDPHeatmap`: heatmaps without the quantisation bias; Gaussians, or discs with offsets."""

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
from raypose.ops.blur import smooth
from raypose.ops.gaussians import udp_gaussian_heatmaps
from raypose.ops.offset_maps import offset_heatmap
from raypose.ops.peaks import heatmap_maximum
from raypose.ops.refine import place_udp_without_peak, refine_keypoints_dark_udp
from raypose.registry import CODECS


@CODECS.register_module()
class UDPHeatmap(BaseKeypointCodec):
    """Keypoints on heatmaps whose first and last cells are the first and last pixels.

    "The Devil is in the Details: Delving into Unbiased Data Processing for Human Pose
    Estimation", https://arxiv.org/abs/1911.07524.

    Encodes one instance: `heatmaps` (B, K, H, W), or (B, 3K, H, W) for `combined` (for each
    keypoint a disc and the offsets in x and y), and `keypoint_weights` (B, 1, K). Decodes the
    same shapes.

    Args:
        input_size: (w, h) of the network's input.
        heatmap_size: (w, h).
        heatmap_type: `gaussian` or `combined`.
        sigma: of the Gaussian in cells.
        radius_factor: radius of the disc as a share of the heatmap's longer side.
        blur_kernel_size: of the blur before the Newton step (`gaussian`) or half of that before
            the maximum (`combined`); 11 goes with sigma 2, 17 with 3.

    Raises:
        RayposeError: if `heatmap_type` is unknown.

    Example:
        type: UDPHeatmap
        input_size: [192, 256]
        heatmap_size: [48, 64]
        sigma: 2
    """

    target_keys = ("heatmaps", "keypoint_weights")

    def __init__(
        self,
        input_size: Sequence[int],
        heatmap_size: Sequence[int],
        heatmap_type: str = "gaussian",
        sigma: float = 2.0,
        radius_factor: float = 0.0546875,
        blur_kernel_size: int = 11,
    ) -> None:
        if heatmap_type not in ("gaussian", "combined"):
            raise RayposeError(
                f"heatmap_type of UDPHeatmap is 'gaussian' or 'combined', got {heatmap_type!r}"
            )
        self.input_size = size_pair("input_size", input_size)
        self.heatmap_size = size_pair("heatmap_size", heatmap_size)
        self.heatmap_type = heatmap_type
        self.sigma = sigma
        self.radius_factor = radius_factor
        self.blur_kernel_size = blur_kernel_size
        self.scale_factor = (
            (self.input_size[0] - 1) / (self.heatmap_size[0] - 1),
            (self.input_size[1] - 1) / (self.heatmap_size[1] - 1),
        )

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        """Make heatmaps; see the base class.

        Raises:
            RayposeError: if N is not 1.
        """
        check_single_instance(type(self).__name__, keypoints)
        cells = divide(keypoints, self.scale_factor)
        visible = visible_or_ones(keypoints, keypoints_visible)
        if self.heatmap_type == "gaussian":
            drawn = udp_gaussian_heatmaps(self.heatmap_size, cells, visible, self.sigma)
        else:
            drawn = offset_heatmap(self.heatmap_size, cells, visible, self.radius_factor)
        heatmaps, weights = drawn
        return {"heatmaps": heatmaps, "keypoint_weights": weights}

    def decode(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Find the keypoints (B, 1, K, 2) and scores (B, 1, K).

        Raises:
            RayposeError: if the heatmaps are not of `heatmap_size`.
        """
        check_heatmap_size(type(self).__name__, encoded, self.heatmap_size)
        heatmaps = encoded.detach().float()
        if self.heatmap_type == "gaussian":
            cells, scores = self._gaussian_peaks(heatmaps)
        else:
            cells, scores = self._combined_peaks(heatmaps)
        # As the reference does: the step from cells to pixels is not that of encode().
        W, H = self.heatmap_size
        keypoints = multiply(cells, (self.input_size[0] / (W - 1), self.input_size[1] / (H - 1)))
        B = len(encoded)
        return keypoints.view(B, 1, -1, 2), scores.view(B, 1, -1)

    def _gaussian_peaks(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """Positions (P, 2) in cells and values (P,) of maps (B, K, H, W), P = B * K."""
        maps = heatmaps.flatten(0, 1)
        cells, scores = heatmap_maximum(maps)
        index = torch.arange(len(cells), device=cells.device)
        cells = refine_keypoints_dark_udp(cells, maps, index, self.blur_kernel_size)
        lost = scores <= 0
        if lost.any():
            places = place_udp_without_peak(heatmaps, self.blur_kernel_size).flatten(0, 1)
            cells = torch.where(lost[:, None], places, cells)
        return cells, scores

    def _combined_peaks(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """Positions (P, 2) in cells and values (P,) of maps (B, 3K, H, W), P = B * K."""
        W, H = self.heatmap_size
        B = len(heatmaps)
        triples = heatmaps.reshape(B, -1, 3, H, W)
        K = triples.shape[1]
        classes = triples[:, :, 0].reshape(B * K, H, W)
        cells, scores = heatmap_maximum(smooth(classes, 2 * self.blur_kernel_size + 1))
        x, y = cells.long().view(B, K, 2).unbind(-1)
        position = (torch.arange(K, device=x.device) * H + y) * W + x
        # A map without a peak, (-1, -1), reads before its own start, as the reference does.
        position = position % (K * H * W)
        x_map = position // (H * W) * 3 + 1
        index = torch.stack([x_map, x_map + 1], dim=-1) * (H * W) + position[..., None] % (H * W)
        offsets = triples.flatten(1).gather(1, index.flatten(1)).view(B * K, 2)
        return cells + offsets * (self.radius_factor * max(W, H)), scores
