"""`MultilevelHeatmap`: heatmaps from coarse to fine, for networks that learn in stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from raypose.codecs.arguments import size_pair
from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.registry import CODECS


@CODECS.register_module()
class MultilevelHeatmap(BaseKeypointCodec):
    """The heatmaps of L codecs at once; in MMPose a list of encoders with `multilevel`.

    "Rethinking on Multi-Stage Networks for Human Pose Estimation" (MSPN),
    https://arxiv.org/abs/1901.00148.

    Encodes one instance: `heatmaps` (B, L, K, H, W) and `keypoint_weights` (B, L, K). Decodes
    (B, K, H, W) as the last level does, the finest.

    Args:
        input_size: (w, h) of the network's input, for all levels.
        heatmap_size: (w, h), for all levels.
        levels: heatmap codecs, or their configs without the sizes, from coarse to fine.

    Raises:
        RayposeError: if there are no levels, or one of them makes heatmaps of another size.

    Example:
        type: MultilevelHeatmap
        input_size: [192, 256]
        heatmap_size: [48, 64]
        levels:
          - {type: MegviiHeatmap, kernel_size: 11}
          - {type: MegviiHeatmap, kernel_size: 9}
          - {type: MegviiHeatmap, kernel_size: 7}
          - {type: MegviiHeatmap, kernel_size: 5}
    """

    target_keys = ("heatmaps", "keypoint_weights")

    def __init__(
        self,
        input_size: Sequence[int],
        heatmap_size: Sequence[int],
        levels: Sequence[Mapping[str, Any] | BaseKeypointCodec],
    ) -> None:
        if not levels:
            raise RayposeError("MultilevelHeatmap needs at least one level")
        self.input_size = size_pair("input_size", input_size)
        self.heatmap_size = size_pair("heatmap_size", heatmap_size)
        sizes = {"input_size": self.input_size, "heatmap_size": self.heatmap_size}
        self.levels: list[BaseKeypointCodec] = [CODECS.build(level, **sizes) for level in levels]
        for level in self.levels:
            size = getattr(level, "heatmap_size", None)
            if size != self.heatmap_size:
                raise RayposeError(
                    f"the levels of MultilevelHeatmap have its heatmap_size "
                    f"{list(self.heatmap_size)}, {type(level).__name__} has {size}"
                )

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        """Make heatmaps of all levels; see the base class.

        Raises:
            RayposeError: if N is not 1.
        """
        encoded = [level.encode(keypoints, keypoints_visible) for level in self.levels]
        return {
            "heatmaps": torch.stack([item["heatmaps"] for item in encoded], dim=1),
            "keypoint_weights": torch.cat([item["keypoint_weights"] for item in encoded], dim=1),
        }

    def decode(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Find the keypoints (B, 1, K, 2) and scores (B, 1, K) of heatmaps (B, K, H, W)."""
        return self.levels[-1].decode(encoded)
