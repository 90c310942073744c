"""`Hand3DHeatmap`: both hands as volumes, the distance between them, and which ones there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from raypose.codecs.arguments import check_single_instance, size_pair, visible_or_ones
from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.ops.peaks import heatmap_3d_maximum
from raypose.registry import CODECS


@CODECS.register_module()
class Hand3DHeatmap(BaseKeypointCodec):
    """Keypoints of two hands as maxima of Gaussian volumes.

    "InterHand2.6M: A Dataset and Baseline for 3D Interacting Hand Pose Estimation from a Single
    RGB Image", ECCV 2020. x and y are pixels of the input, z is millimetres from the wrist of the
    own hand.

    Encodes one instance, both hands of a crop: `heatmaps` (B, K * D, H, W) and `keypoint_weights`
    (B, 1, K); `root_depth` (B, 1), the bin of the distance of the left wrist behind the right one,
    and `root_depth_weight` (B, 1); `type` (B, 1, 2), whether there are a right and a left hand,
    and `type_weight` (B, 1). Decodes volumes (B, K, D, H, W), bins (B, 1) and logits (B, 2).

    Args:
        image_size: (w, h) of the network's input.
        root_heatmap_size: bins that the network's distances are decoded from.
        heatmap_size: (w, h, d).
        heatmap3d_depth_bound: millimetres that the volume spans.
        heatmap_size_root: bins that distances are encoded to.
        root_depth_bound: millimetres that those bins span.
        depth_size: cells in depth that the network's volumes are decoded from.
        use_different_joint_weights: multiply the weights of the data set's keypoints into
            `keypoint_weights`.
        sigma: of the Gaussian in cells.
        joint_indices: keypoints that are encoded, all by default.
        max_bound: value of the maxima.

    Raises:
        RayposeError: for a size that is none.

    Example:
        type: Hand3DHeatmap
        image_size: [256, 256]
        heatmap_size: [64, 64, 64]
        sigma: 2.5
        max_bound: 255
    """

    target_keys = (
        "heatmaps",
        "keypoint_weights",
        "root_depth",
        "root_depth_weight",
        "type",
        "type_weight",
    )
    auxiliary_encode_keys = (
        "dataset_keypoint_weights",
        "rel_root_depth",
        "rel_root_valid",
        "hand_type",
        "hand_type_valid",
    )

    def __init__(
        self,
        image_size: Sequence[int] = (256, 256),
        root_heatmap_size: int = 64,
        heatmap_size: Sequence[int] = (64, 64, 64),
        heatmap3d_depth_bound: float = 400.0,
        heatmap_size_root: int = 64,
        root_depth_bound: float = 400.0,
        depth_size: int = 64,
        use_different_joint_weights: bool = False,
        sigma: float = 2,
        joint_indices: Sequence[int] | None = None,
        max_bound: float = 1.0,
    ) -> None:
        self.image_size = size_pair("image_size", image_size)
        if len(heatmap_size) != 3:
            raise RayposeError(
                f"heatmap_size of Hand3DHeatmap is (w, h, d), got {list(heatmap_size)}"
            )
        self.heatmap_size = (
            *size_pair("w and h of heatmap_size", heatmap_size[:2]),
            int(heatmap_size[2]),
        )
        self.root_heatmap_size = root_heatmap_size
        self.heatmap3d_depth_bound = heatmap3d_depth_bound
        self.heatmap_size_root = heatmap_size_root
        self.root_depth_bound = root_depth_bound
        self.depth_size = depth_size
        self.use_different_joint_weights = use_different_joint_weights
        self.sigma = sigma
        self.joint_indices = None if joint_indices is None else list(joint_indices)
        self.max_bound = max_bound

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        """Make volumes and labels; see the base class.

        Args:
            keypoints: (B, 1, K, 3).
            keypoints_visible: (B, 1, K).
            **annotations: `rel_root_depth` (B,) in millimetres and `rel_root_valid` (B,),
                `hand_type` (B, 1, 2) and `hand_type_valid` (B, 1); `dataset_keypoint_weights`
                (B, K) where `use_different_joint_weights`.

        Raises:
            RayposeError: if N is not 1 or an annotation is missing.
        """
        check_single_instance("Hand3DHeatmap", keypoints)
        needed = self.auxiliary_encode_keys[0 if self.use_different_joint_weights else 1 :]
        missing = [name for name in needed if name not in annotations]
        if missing:
            raise RayposeError(
                f"Hand3DHeatmap needs the annotations {', '.join(needed)}; "
                f"missing: {', '.join(missing)}"
            )
        weights = visible_or_ones(keypoints, keypoints_visible)
        if self.use_different_joint_weights:
            weights = weights * annotations["dataset_keypoint_weights"][:, None]
        if self.joint_indices is not None:
            keypoints = keypoints[:, :, self.joint_indices]
            weights = weights[:, :, self.joint_indices]
        (w, h), (W, H, D) = self.image_size, self.heatmap_size
        x, y, z = keypoints[:, 0].unbind(-1)  # (B, K)
        z = (z / self.heatmap3d_depth_bound + 0.5) * D
        profiles = [
            self._profile(center, cells)
            for center, cells in ((x * W / w, W), (y * H / h, H), (z, D))
        ]
        volumes = profiles[1][:, :, None, :, None] * profiles[0][:, :, None, None]
        volumes = volumes * (self.max_bound * profiles[2])[..., None, None]
        depth = annotations["rel_root_depth"][:, None]
        depth = (depth / self.root_depth_bound + 0.5) * self.heatmap_size_root
        known = (depth >= 0) & (depth <= self.heatmap_size_root)
        return {
            "heatmaps": volumes.flatten(1, 2),
            "keypoint_weights": weights * ((z >= 0) & (z < D))[:, None],
            "root_depth": depth,
            "root_depth_weight": annotations["rel_root_valid"][:, None] * known,
            "type": annotations["hand_type"],
            "type_weight": annotations["hand_type_valid"],
        }

    def decode(self, encoded: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Find the keypoints of both hands.

        Args:
            encoded: volumes (B, K, D, H, W), bins of the distance (B, 1) and logits of the two
                hands (B, 2).

        Returns:
            Keypoints (B, 1, K, 3), and: their scores (B, 1, K), the maxima; the distance (B, 1)
            in millimetres; and which hands there are (B, 1, 2), 1 or 0.
        """
        volumes, bins, logits = (values.detach().float() for values in encoded)
        cells, scores = heatmap_3d_maximum(volumes)
        (w, h), (W, H, _) = self.image_size, self.heatmap_size
        x, y, z = cells.unbind(-1)
        depth = (z / self.depth_size - 0.5) * self.heatmap3d_depth_bound
        keypoints = torch.stack([x * (w / W), y * (h / H), depth], dim=-1)
        distance = (bins / self.root_heatmap_size - 0.5) * self.root_depth_bound
        hands = (logits > 0).long()
        return keypoints[:, None], (scores[:, None], distance, hands[:, None])

    def _profile(self, center: Tensor, cells: int) -> Tensor:
        """Return Gaussians (B, K, cells) along an axis, cut off at 3 sigma around `center` (B, K).

        Of a window that lies outside, the nearest cell stays.
        """
        radius = 3 * self.sigma
        steps = torch.arange(math.ceil(2 * radius + 1), device=center.device) - radius
        cell = (center[..., None] + steps).round().clamp(0, cells - 1)
        values = ((cell - center[..., None]).square() / (-2 * self.sigma**2)).exp()
        profile = values.new_zeros(*center.shape, cells)
        return profile.scatter_(-1, cell.long(), values)  # cells met twice get the same value
