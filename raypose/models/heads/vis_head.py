"""`VisPredictHead`: any top-down head, and which keypoints are visible besides.

B samples, K keypoints, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import BaseHead, Features
from raypose.ops.flips import flip_visibility
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses

DEFAULT_LOSS: Mapping[str, Any] = MappingProxyType(
    {"type": "BCELoss", "use_target_weight": False, "use_sigmoid": True}
)
DEFAULT_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "Normal", "layer": ["Linear"], "std": 0.01, "bias": 0},
)


@MODELS.register_module()
class VisPredictHead(BaseHead):
    """Wrap a top-down head and predict from the same features how visible its keypoints are.

    Args:
        pose_cfg: config of the head that predicts keypoints, or the head itself.
        loss: config of the loss of visibilities, or a module; with its `use_sigmoid` the
            sigmoid is part of the network.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if `pose_cfg` tells neither its channels nor its number of keypoints.

    Example:
        type: VisPredictHead
        loss: {type: BCELoss, use_target_weight: true, use_sigmoid: true, loss_weight: 0.001}
        pose_cfg:
          type: HeatmapHead
          in_channels: 2048
          out_channels: 17
          decoder: {type: MSRAHeatmap, input_size: [192, 256], heatmap_size: [48, 64], sigma: 2}
    """

    def __init__(
        self,
        pose_cfg: Mapping[str, Any] | BaseHead,
        loss: Mapping[str, Any] | nn.Module = DEFAULT_LOSS,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(DEFAULT_INIT if init_cfg is None else init_cfg)
        self.loss_module: nn.Module = MODELS.build(loss)
        self.pose_head: BaseHead = MODELS.build(pose_cfg)
        self.in_channels = _known(pose_cfg, self.pose_head, ("in_channels",))
        self.out_channels = _known(pose_cfg, self.pose_head, ("num_joints", "out_channels"))
        if getattr(self.pose_head.decoder, "heatmap_type", None) == "combined":
            self.out_channels //= 3  # UDP: a response map and two offset maps
        self.use_sigmoid = bool(getattr(self.loss_module, "use_sigmoid", False))
        self.vis_head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(self.in_channels, self.out_channels),
            nn.Sigmoid() if self.use_sigmoid else nn.Identity(),
        )

    def forward(self, feats: Features) -> tuple[Any, Tensor]:
        """Return the outputs of the wrapped head and visibilities (B, K).

        Visibilities are probabilities if the loss has `use_sigmoid`, else logits.
        """
        return self.pose_head(feats), self.vis_forward(feats)

    def vis_forward(self, feats: Features) -> Tensor:
        """Return visibilities (B, K) from the last of the features, (B, C) or (B, C, H, W)."""
        x = feats[-1]
        return self.vis_head(x.reshape(*x.shape, *(1,) * (4 - x.dim())))

    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_vis`, `acc_vis` and the losses of the wrapped head.

        The labels are the target `keypoint_weights` (B, 1, K); with `use_target_weight` the
        target `keypoints_visible_weights` (B, 1, K) weighs them where the codec makes it.
        """
        visible = self.vis_forward(feats)
        labels = batch.targets["keypoint_weights"].flatten(0, 1).to(visible)
        weights = None
        if getattr(self.loss_module, "use_target_weight", False):
            given = batch.targets.get("keypoints_visible_weights")
            weights = torch.ones_like(labels) if given is None else given.flatten(0, 1)
        return {
            "loss_vis": self.loss_module(visible, labels, weights),
            "acc_vis": self._accuracy(visible.detach(), labels, weights),
            **self.pose_head.loss(feats, batch),
        }

    def predict(self, feats: Features, batch: PoseBatch) -> list[Poses]:
        """Return the poses of the wrapped head with `keypoints_visible` (1, K)."""
        visible = self.vis_forward(feats)
        if batch.flip_test:
            plain, mirrored = visible.chunk(2)
            visible = 0.5 * (plain + flip_visibility(mirrored, self.flip_indices(batch)))
        values = np.asarray(self._probability(visible).detach().float().cpu())
        poses = self.pose_head.predict(feats, batch)
        return [
            pose.replace(keypoints_visible=row[None])
            for pose, row in zip(poses, values, strict=True)
        ]

    def _probability(self, visible: Tensor) -> Tensor:
        return visible if self.use_sigmoid else visible.sigmoid()

    def _accuracy(self, visible: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        """Return the share of right answers, averaged over samples."""
        right = ((self._probability(visible) >= 0.5).to(labels) == labels).to(labels)
        if weights is None:
            return right.mean()
        return ((right * weights).sum(dim=1) / (weights.sum(dim=1) + 1e-6)).mean()


def _known(pose_cfg: Mapping[str, Any] | BaseHead, head: BaseHead, names: Sequence[str]) -> int:
    """Return the first of these numbers that the config or the built head tells."""
    for name in names:
        value = pose_cfg.get(name) if isinstance(pose_cfg, Mapping) else None
        value = getattr(head, name, None) if value is None else value
        if value is not None:
            return int(value)
    raise ConfigError(
        f"VisPredictHead: pose_cfg ({type(head).__name__}) must tell {' or '.join(names)}"
    )
