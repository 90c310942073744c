"""`SPR`: a heatmap of the middles of people, and the way from there to their keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from raypose.codecs.arguments import divide, multiply, size_pair, visible_or_ones
from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.ops.gaussians import gaussian_heatmaps
from raypose.ops.instances import diagonal_lengths, instance_root
from raypose.ops.offset_maps import displacement_heatmap
from raypose.ops.peaks import heatmap_nms
from raypose.registry import CODECS


@CODECS.register_module()
class SPR(BaseKeypointCodec):
    """Structured pose representation: roots and displacements, for any number of people.

    "Single-Stage Multi-Person Pose Machines", https://arxiv.org/abs/1908.09220. With keypoint
    heatmaps as in "Bottom-Up Human Pose Estimation Via Disentangled Keypoint Regression",
    https://arxiv.org/abs/2104.02300.

    Encodes `heatmaps` (B, 1, H, W), or (B, K + 1, H, W) with those of the keypoints, the roots
    last; `heatmap_weights` of the same shape; `displacements` (B, 2K, H, W) in cells, x and y of
    each keypoint, and `displacement_weights` of the same shape. Decodes the heatmaps and the
    displacements.

    Args:
        input_size: (w, h) of the network's input.
        heatmap_size: (w, h).
        sigma: of the roots' Gaussians in cells, or (roots, keypoints); by default 1/32 of the
            heatmap's mean side and half of that. Also the reach of the displacements.
        generate_keypoint_heatmaps: also make heatmaps of the keypoints, from which their scores
            are read.
        root_type: what stands for a person: `kpt_center`, the mean of the visible keypoints, or
            `bbox_center`, the middle of their box.
        minimal_diagonal_length: people smaller than this, in cells, have no root.
        background_weight: weight of cells without a Gaussian.
        decode_nms_kernel: side of the window that a root is the maximum of, odd.
        decode_max_instances: people found at most.
        decode_thr: least response of a root.

    Raises:
        RayposeError: if `sigma` or `root_type` does not fit.

    Example:
        type: SPR
        input_size: [512, 512]
        heatmap_size: [128, 128]
        sigma: [4, 2]
        minimal_diagonal_length: 5.66
        generate_keypoint_heatmaps: true
    """

    target_keys = ("heatmaps", "heatmap_weights", "displacements", "displacement_weights")

    def __init__(
        self,
        input_size: Sequence[int],
        heatmap_size: Sequence[int],
        sigma: float | Sequence[float] | None = None,
        generate_keypoint_heatmaps: bool = False,
        root_type: str = "kpt_center",
        minimal_diagonal_length: float = 5,
        background_weight: float = 0.1,
        decode_nms_kernel: int = 5,
        decode_max_instances: int = 30,
        decode_thr: float = 0.01,
    ) -> None:
        self.input_size = size_pair("input_size", input_size)
        self.heatmap_size = size_pair("heatmap_size", heatmap_size)
        if sigma is None:
            root = (self.heatmap_size[0] * self.heatmap_size[1]) ** 0.5 / 32
            sigma = (root, root // 2)
        self.sigma: tuple[float, ...] = (
            (sigma,) if isinstance(sigma, (int, float)) else tuple(sigma)
        )
        if len(self.sigma) not in ((2,) if generate_keypoint_heatmaps else (1, 2)):
            raise RayposeError(
                "sigma of SPR is one number, or (roots, keypoints), which "
                f"generate_keypoint_heatmaps needs; got {list(self.sigma)}"
            )
        if root_type not in ("kpt_center", "bbox_center"):
            raise RayposeError(
                f"root_type of SPR is 'kpt_center' or 'bbox_center', got {root_type!r}"
            )
        self.generate_keypoint_heatmaps = generate_keypoint_heatmaps
        self.root_type = root_type
        self.minimal_diagonal_length = minimal_diagonal_length
        self.background_weight = background_weight
        self.decode_nms_kernel = decode_nms_kernel
        self.decode_max_instances = decode_max_instances
        self.decode_thr = decode_thr
        (w, h), (W, H) = self.input_size, self.heatmap_size
        self.scale_factor = (w / W, h / H)

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        """Make heatmaps and displacements; see the base class."""
        cells = divide(keypoints, self.scale_factor)
        visible = visible_or_ones(keypoints, keypoints_visible)
        roots, rooted = instance_root(cells, visible, self.root_type)
        diagonals = diagonal_lengths(cells, visible)
        rooted = rooted * (diagonals >= self.minimal_diagonal_length)
        size = self.heatmap_size
        heatmaps, _ = gaussian_heatmaps(size, roots[:, :, None], rooted[..., None], self.sigma[0])
        if self.generate_keypoint_heatmaps:
            of_keypoints, _ = gaussian_heatmaps(size, cells, visible, self.sigma[1])
            heatmaps = torch.cat([of_keypoints, heatmaps], dim=1)
        displacements, weights = displacement_heatmap(
            size, cells, visible, roots, rooted, diagonals, self.sigma[0]
        )
        return {
            "heatmaps": heatmaps,
            "heatmap_weights": torch.where(heatmaps > 0, 1.0, self.background_weight),
            "displacements": displacements,
            "displacement_weights": weights,
        }

    def decode(
        self, encoded: Sequence[Tensor]
    ) -> tuple[list[Tensor], tuple[list[Tensor], list[Tensor] | None]]:
        """Find people and their keypoints, those with the strongest roots first.

        Args:
            encoded: heatmaps (B, 1, H, W) or (B, K + 1, H, W), and displacements (B, 2K, H, W).

        Returns:
            For each sample keypoints (N_i, K, 2) in input space, and scores: those of the roots
            (N_i,) and those of the keypoints (N_i, K), None without heatmaps of the keypoints.

        Raises:
            RayposeError: if the shapes do not fit each other.
        """
        heatmaps, displacements = (values.detach().float() for values in encoded)
        B, _, H, W = displacements.shape
        K = displacements.shape[1] // 2
        if heatmaps.shape[1] not in (1, K + 1) or heatmaps.shape[::2] != displacements.shape[::2]:
            raise RayposeError(
                f"heatmaps for displacements {tuple(displacements.shape)} are (B, 1, H, W) or "
                f"(B, {K + 1}, H, W), got {tuple(heatmaps.shape)}"
            )
        peaks = heatmap_nms(heatmaps[:, -1:], self.decode_nms_kernel).flatten(1)
        roots, index = peaks.topk(min(self.decode_max_instances, H * W), dim=1)
        ways = displacements.flatten(2).gather(2, index[:, None].expand(-1, 2 * K, -1))
        start = torch.stack([index % W, index // W], dim=-1)
        cells = ways.view(B, K, 2, -1).permute(0, 3, 1, 2) + start[:, :, None]  # (B, N, K, 2)
        kept = roots > self.decode_thr
        counts = kept.sum(dim=1).tolist()
        keypoints = multiply(cells, self.scale_factor)[kept]
        scores = None
        if self.generate_keypoint_heatmaps and heatmaps.shape[1] == K + 1:
            scores = list(_read(heatmaps[:, :K], cells)[kept].split(counts))
        return list(keypoints.split(counts)), (list(roots[kept].split(counts)), scores)


def _read(heatmaps: Tensor, cells: Tensor) -> Tensor:
    """Read (B, N, K) from heatmaps (B, K, H, W) at positions (B, N, K, 2) in cells."""
    B, K, H, W = heatmaps.shape
    # As in the reference: the last cell is at 1, where grid_sample expects its outer border.
    grid = divide(cells, ((W - 1) / 2, (H - 1) / 2)) - 1
    grid = grid.transpose(1, 2).reshape(B * K, 1, -1, 2)
    maps = heatmaps.reshape(B * K, 1, H, W)
    values = F.grid_sample(maps, grid, padding_mode="border", align_corners=False)
    return values.view(B, K, -1).transpose(1, 2)
