"""`InternetHead`: both hands of a crop in 3D, their distance, and which hands there are.

B samples, K keypoints of both hands, D, H and W of the volumes, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import ConfigError
from raypose.models.base_module import BaseModule, InitCfg
from raypose.models.heads.base_head import BaseHead, Features, numpy_of
from raypose.models.heads.heatmap_head import DEFAULT_FINAL_LAYER, HeatmapHead
from raypose.ops.flips import flip_heatmaps
from raypose.ops.output_accuracy import multilabel_classification_accuracy
from raypose.registry import CODECS, MODELS, argument_problems
from raypose.structures import PoseBatch, Poses

DEFAULT_KEYPOINT_LOSS: Mapping[str, Any] = MappingProxyType(
    {"type": "KeypointMSELoss", "use_target_weight": True}
)
DEFAULT_ROOT_LOSS: Mapping[str, Any] = MappingProxyType(
    {"type": "L1Loss", "use_target_weight": True}
)
DEFAULT_TYPE_LOSS: Mapping[str, Any] = MappingProxyType(
    {"type": "BCELoss", "use_target_weight": True}
)
_LINEAR_INIT: Mapping[str, Any] = MappingProxyType(
    {"type": "Normal", "layer": "Linear", "std": 0.01}
)


class Heatmap3DHead(HeatmapHead):
    """Volumes of the keypoints of one hand.

    Args:
        in_channels: channels of the feature map.
        out_channels: K * D.
        depth_size: D.
        deconv_out_channels: see `HeatmapHead`.
        deconv_kernel_sizes: see `HeatmapHead`.
        final_layer: see `HeatmapHead`.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if `out_channels` is no multiple of `depth_size`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        depth_size: int = 64,
        deconv_out_channels: Sequence[int] | None = (256, 256, 256),
        deconv_kernel_sizes: Sequence[int] | None = (4, 4, 4),
        final_layer: Mapping[str, Any] | None = DEFAULT_FINAL_LAYER,
        init_cfg: InitCfg = None,
    ) -> None:
        if out_channels % depth_size:
            raise ConfigError(
                f"keypoint_head_cfg: out_channels is a multiple of depth_size, {depth_size}, "
                f"got {out_channels}"
            )
        super().__init__(
            in_channels,
            out_channels,
            deconv_out_channels=deconv_out_channels,
            deconv_kernel_sizes=deconv_kernel_sizes,
            final_layer=final_layer,
            init_cfg=init_cfg,
        )
        self.depth_size = depth_size

    def forward(self, feats: Features) -> Tensor:
        """Return volumes (B, K, D, H, W) from the last of the feature maps."""
        return super().forward(feats).unflatten(1, (-1, self.depth_size))


class Heatmap1DHead(BaseModule):
    """The mean bin of a distribution over bins.

    Args:
        in_channels: C.
        heatmap_size: number of bins.
        hidden_dims: channels of the layers inside.
    """

    def __init__(
        self, in_channels: int = 2048, heatmap_size: int = 64, hidden_dims: Sequence[int] = (512,)
    ) -> None:
        super().__init__(_LINEAR_INIT)
        self.fc = _linear_layers(in_channels, *hidden_dims, heatmap_size)

    def forward(self, feats: Tensor) -> Tensor:
        """Return (B, 1) from features (B, C)."""
        shares = self.fc(feats).softmax(dim=1)
        bins = torch.arange(shares.shape[1], dtype=shares.dtype, device=shares.device)
        return (shares * bins).sum(dim=1, keepdim=True)


class MultilabelClassificationHead(BaseModule):
    """Logits of labels that do not exclude each other.

    Args:
        in_channels: C.
        num_labels: L.
        hidden_dims: channels of the layers inside.
    """

    def __init__(
        self, in_channels: int = 2048, num_labels: int = 2, hidden_dims: Sequence[int] = (512,)
    ) -> None:
        super().__init__(_LINEAR_INIT)
        self.fc = _linear_layers(in_channels, *hidden_dims, num_labels)

    def forward(self, feats: Tensor) -> Tensor:
        """Return (B, L) from features (B, C)."""
        return self.fc(feats)


@MODELS.register_module()
class InternetHead(BaseHead):
    """Volumes of the right and the left hand, the distance of the wrists, and which hands show.

    Moon et al.: "InterHand2.6M: A Dataset and Baseline for 3D Interacting Hand Pose Estimation
    from a Single RGB Image", ECCV 2020.

    Args:
        keypoint_head_cfg: arguments of `Heatmap3DHead`, for either hand.
        root_head_cfg: arguments of `Heatmap1DHead`.
        hand_type_head_cfg: arguments of `MultilabelClassificationHead`.
        loss: config of the loss of keypoints, or a module.
        loss_root_depth: config of the loss of the distance, or a module.
        loss_hand_type: config of the loss of the kinds of hands, or a module.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for arguments that the parts do not take.

    Example:
        type: InternetHead
        keypoint_head_cfg: {in_channels: 2048, out_channels: 1344, depth_size: 64}
        root_head_cfg: {in_channels: 2048, heatmap_size: 64, hidden_dims: [512]}
        hand_type_head_cfg: {in_channels: 2048, num_labels: 2, hidden_dims: [512]}
        decoder: {type: Hand3DHeatmap, sigma: 2.5, max_bound: 255}
    """

    def __init__(
        self,
        keypoint_head_cfg: Mapping[str, Any],
        root_head_cfg: Mapping[str, Any],
        hand_type_head_cfg: Mapping[str, Any],
        loss: Mapping[str, Any] | nn.Module = DEFAULT_KEYPOINT_LOSS,
        loss_root_depth: Mapping[str, Any] | nn.Module = DEFAULT_ROOT_LOSS,
        loss_hand_type: Mapping[str, Any] | nn.Module = DEFAULT_TYPE_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(init_cfg)
        self.right_hand_head = _part(Heatmap3DHead, "keypoint_head_cfg", keypoint_head_cfg)
        self.left_hand_head = _part(Heatmap3DHead, "keypoint_head_cfg", keypoint_head_cfg)
        self.root_head = _part(Heatmap1DHead, "root_head_cfg", root_head_cfg)
        self.hand_type_head = _part(
            MultilabelClassificationHead, "hand_type_head_cfg", hand_type_head_cfg
        )
        self.loss_module = MODELS.build(loss)
        self.root_loss_module = MODELS.build(loss_root_depth)
        self.hand_loss_module = MODELS.build(loss_hand_type)
        self.decoder = None if decoder is None else CODECS.build(decoder)

    def forward(self, feats: Features) -> tuple[Tensor, Tensor, Tensor]:
        """Return volumes (B, K, D, H, W), bins of the distance (B, 1), logits of hands (B, 2)."""
        volumes = torch.cat([self.right_hand_head(feats), self.left_hand_head(feats)], dim=1)
        pooled = feats[-1].mean(dim=(-2, -1))
        return volumes, self.root_head(pooled), self.hand_type_head(pooled)

    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_kpt`, `loss_rel_root`, `loss_hand_type` and the accuracy `acc_pose`.

        Uses the targets of `Hand3DHeatmap`.
        """
        volumes, root, hands = self.forward(feats)
        targets = batch.targets
        hand_type = targets["type"].flatten(1).to(hands)
        type_weight = targets["type_weight"].to(hands)
        losses = {
            "loss_kpt": self.loss_module(
                volumes,
                targets["heatmaps"].view_as(volumes),
                targets["keypoint_weights"].flatten(0, 1),
            ),
            "loss_rel_root": self.root_loss_module(
                root, targets["root_depth"], targets["root_depth_weight"]
            ),
            "loss_hand_type": self.hand_loss_module(hands, hand_type, type_weight),
        }
        if self.train_cfg.get("compute_acc", True):
            losses["acc_pose"] = multilabel_classification_accuracy(
                hands.detach().sigmoid(), hand_type, type_weight > 0
            )
        return losses

    def predict(self, feats: Features, batch: PoseBatch) -> list[Poses]:
        """Return one instance, both hands, for each sample, in input space.

        `extras` hold `rel_root_depth` (1,), how far the left wrist is behind the right one, in
        millimetres, and `hand_type` (1, 2), whether there are a right and a left hand.
        """
        return self.decode(self.forward_test(feats, batch))

    def flip_outputs(
        self, outputs: tuple[Tensor, Tensor, Tensor], batch: PoseBatch
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mirror volumes, turn the sign of the distance and swap the hands."""
        volumes, root, hands = outputs
        flipped = flip_heatmaps(
            volumes.flatten(2, 3),
            self.flip_indices(batch),
            shift_heatmap=self.test_cfg.get("shift_heatmap", False),
        )
        return flipped.view_as(volumes), -root, hands.flip(-1)

    def decode(self, outputs: tuple[Tensor, Tensor, Tensor]) -> list[Poses]:
        """Let the codec read both hands; one `Poses` in input space for each sample."""
        assert self.decoder is not None, "InternetHead was built without a decoder"
        keypoints, (scores, distance, hands) = self.decoder.decode(outputs)
        return [
            Poses(
                keypoints=numpy_of(keypoints[i]),
                keypoint_scores=numpy_of(scores[i]),
                extras={
                    "rel_root_depth": numpy_of(distance[i]),
                    "hand_type": hands[i].cpu().numpy(),
                },
            )
            for i in range(len(keypoints))
        ]


def _linear_layers(*channels: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [nn.Linear(before, after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


def _part(kind: type[Any], name: str, options: Mapping[str, Any]) -> Any:
    problems = argument_problems(kind, options)
    if problems:
        raise ConfigError([f"{name}: {message}" for _, message in problems])
    return kind(**options)
