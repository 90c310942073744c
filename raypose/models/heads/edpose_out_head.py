"""What reads the queries of ED-Pose: scores, boxes and keypoints.

Yang et al.: "Explicit Box Detection Unifies End-to-End Multi-Person Pose Estimation", ICLR 2023.
B images, G groups (one person and its keypoints each), K keypoints, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from raypose.models.layers.detr import MLP
from raypose.ops.flips import inverse_sigmoid


class EDPoseOutHead(nn.Module):
    """Layers for classes, boxes and keypoints, of each layer of the decoder its own.

    Args:
        num_classes: number of classes.
        num_keypoints: K.
        embed_dims: C.
        num_box_decoder_layers: layers of the decoder for boxes alone.
        num_group: G.
        num_pred_layer: number of layers of the decoder.
        cls_no_bias: classes without a bias.
        dec_pred_class_embed_share: one layer for the classes of all.
        dec_pred_bbox_embed_share: one layer for the boxes of all.
        dec_pred_pose_embed_share: one layer for the keypoints of all.
    """

    def __init__(
        self,
        num_classes: int,
        num_keypoints: int = 17,
        embed_dims: int = 256,
        num_box_decoder_layers: int = 2,
        num_group: int = 100,
        num_pred_layer: int = 6,
        cls_no_bias: bool = False,
        dec_pred_class_embed_share: bool = False,
        dec_pred_bbox_embed_share: bool = False,
        dec_pred_pose_embed_share: bool = False,
    ) -> None:
        super().__init__()
        self.num_keypoints = num_keypoints
        self.num_group = num_group
        pose_layers = num_pred_layer - num_box_decoder_layers
        # The reference has one more for the 17 keypoints of COCO.
        first_guess = int(num_keypoints == 17)
        self.bbox_embed = _repeated(
            lambda: MLP(embed_dims, embed_dims, 4, 3), num_pred_layer, dec_pred_bbox_embed_share
        )
        self.class_embed = _repeated(
            lambda: nn.Linear(embed_dims, num_classes, bias=not cls_no_bias),
            num_pred_layer,
            dec_pred_class_embed_share,
        )
        self.pose_embed = _repeated(
            lambda: MLP(embed_dims, embed_dims, 2, 3),
            pose_layers + first_guess,
            dec_pred_pose_embed_share,
        )
        self.pose_hw_embed = _repeated(
            lambda: MLP(embed_dims, embed_dims, 2, 3), pose_layers, share=True
        )

    def reset_parameters(self) -> None:
        """Start with low scores and with boxes and keypoints that stay where they are."""
        for layer in self.class_embed:
            if isinstance(layer.bias, Tensor):
                nn.init.constant_(layer.bias, -math.log((1 - 0.01) / 0.01))
        for mlp in (*self.bbox_embed, *self.pose_embed):
            assert isinstance(mlp, MLP)
            for parameter in mlp.layers[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(self, queries: Tensor, references: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read the queries of the last layer.

        Args:
            queries: (B, G * (K + 1), C), each person followed by its keypoints.
            references: (B, G * (K + 1), 4) where they were before that layer.

        Returns:
            Logits (B, G, classes); boxes (B, G, 4), center and extent; keypoints (B, G, 3K),
            first x, y of all, then visibilities, all the same.
        """
        groups = (self.num_group, self.num_keypoints + 1)
        states = queries.unflatten(1, groups)
        places = inverse_sigmoid(references).unflatten(1, groups)
        people, keypoints = states[:, :, 0], states[:, :, 1:]
        boxes = (places[:, :, 0] + self.bbox_embed[-1](people)).sigmoid()
        last = len(self.pose_hw_embed) - 1
        points = (places[:, :, 1:, :2] + self.pose_embed[last](keypoints)).sigmoid()
        visible = torch.ones_like(points[..., 0]).sigmoid()
        return self.class_embed[-1](people), boxes, torch.cat([points.flatten(2), visible], dim=-1)


def _repeated(build: Callable[[], nn.Module], count: int, share: bool) -> nn.ModuleList:
    """Return layers that are all the same object, or all their own."""
    return nn.ModuleList([build()] * count if share else [build() for _ in range(count)])
