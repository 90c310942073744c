"""SimCC heads: each coordinate is a class among bins along its axis.

B samples, K keypoints; Wx and Wy bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import ConfigError, did_you_mean
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import BaseHead, Features
from raypose.models.heads.heatmap_head import DEFAULT_FINAL_LAYER, build_final_layer
from raypose.ops.flips import flip_vectors
from raypose.ops.output_accuracy import simcc_pck_accuracy
from raypose.registry import CODECS, MODELS
from raypose.structures import PoseBatch, Poses

DEFAULT_LOSS: Mapping[str, Any] = MappingProxyType(
    {"type": "KLDiscretLoss", "use_target_weight": True}
)
DEFAULT_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "Normal", "layer": ["Conv2d", "ConvTranspose2d"], "std": 0.001},
    {"type": "Constant", "layer": "BatchNorm2d", "val": 1},
    {"type": "Normal", "layer": ["Linear"], "std": 0.01, "bias": 0},
)
DECONV_TYPES = {"heatmap": "HeatmapHead", "vipnas": "ViPNASHead"}


class BaseSimCCHead(BaseHead):
    """What heads that return (x (B, K, Wx), y (B, K, Wy)) share.

    Args:
        simcc_split_ratio: bins for each pixel of the input.
        loss: config of the loss, or a module.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.
    """

    def __init__(
        self,
        simcc_split_ratio: float,
        loss: Mapping[str, Any] | nn.Module,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None,
        init_cfg: InitCfg,
    ) -> None:
        super().__init__(DEFAULT_INIT if init_cfg is None else init_cfg)
        self.simcc_split_ratio = simcc_split_ratio
        self.loss_module = MODELS.build(loss)
        self.decoder = None if decoder is None else CODECS.build(decoder)

    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_kpt` and the accuracy `acc_pose`.

        Uses the targets `keypoint_x_labels` (B, 1, K, Wx), `keypoint_y_labels` (B, 1, K, Wy) and
        `keypoint_weights` (B, 1, K).
        """
        return self.losses_of(self.forward(feats), batch)

    def losses_of(self, outputs: tuple[Tensor, Tensor], batch: PoseBatch) -> dict[str, Tensor]:
        """Return the losses of outputs; see `loss`."""
        x, y = outputs
        names = ("keypoint_x_labels", "keypoint_y_labels", "keypoint_weights")
        x_labels, y_labels, weights = (batch.targets[name].flatten(0, 1) for name in names)
        losses = {"loss_kpt": self.loss_module((x, y), (x_labels, y_labels), weights)}
        if self.train_cfg.get("compute_acc", True):
            losses["acc_pose"] = simcc_pck_accuracy(
                (x.detach(), y.detach()), (x_labels, y_labels), self.simcc_split_ratio, weights > 0
            )[1]
        return losses

    def predict(self, feats: Features, batch: PoseBatch) -> list[Poses]:
        """Return one instance for each sample, in input space."""
        return self.decode(self.forward_test(feats, batch))

    def flip_outputs(
        self, outputs: tuple[Tensor, Tensor], batch: PoseBatch
    ) -> tuple[Tensor, Tensor]:
        """Mirror the bins of x and swap left and right."""
        return flip_vectors(*outputs, self.flip_indices(batch))


@MODELS.register_module()
class SimCCHead(BaseSimCCHead):
    """Heatmaps, flattened, through one linear layer for each axis.

    Li et al.: "SimCC: a Simple Coordinate Classification Perspective for Human Pose
    Estimation", ECCV 2022.

    Args:
        in_channels: channels of the last feature map.
        out_channels: K.
        input_size: (w, h) of the network's input.
        in_featuremap_size: (w, h) of the last feature map.
        simcc_split_ratio: bins for each pixel of the input.
        deconv_type: layers that enlarge the feature map: those of `HeatmapHead` (`heatmap`) or
            of `ViPNASHead` (`vipnas`).
        deconv_out_channels: channels after each deconvolution; None for no deconvolutions.
        deconv_kernel_sizes: kernel sizes of the deconvolutions.
        deconv_num_groups: groups of the deconvolutions, only for `vipnas`.
        conv_out_channels: channels after each convolution that follows; None for none.
        conv_kernel_sizes: kernel sizes of these convolutions.
        final_layer: arguments of the last convolution; None for none.
        loss: config of the loss, or a module.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for an unknown `deconv_type` or unfit layers.

    Example:
        type: SimCCHead
        in_channels: 2048
        out_channels: 17
        input_size: [192, 256]
        in_featuremap_size: [6, 8]
        simcc_split_ratio: 2.0
        deconv_out_channels: null
        decoder: {type: SimCCLabel, input_size: [192, 256], sigma: 6.0, simcc_split_ratio: 2.0}
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_size: tuple[int, int],
        in_featuremap_size: tuple[int, int],
        simcc_split_ratio: float = 2.0,
        deconv_type: str = "heatmap",
        deconv_out_channels: Sequence[int] | None = (256, 256, 256),
        deconv_kernel_sizes: Sequence[int] | None = (4, 4, 4),
        deconv_num_groups: Sequence[int] | None = (16, 16, 16),
        conv_out_channels: Sequence[int] | None = None,
        conv_kernel_sizes: Sequence[int] | None = None,
        final_layer: Mapping[str, Any] | None = DEFAULT_FINAL_LAYER,
        loss: Mapping[str, Any] | nn.Module = DEFAULT_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(simcc_split_ratio, loss, decoder, init_cfg)
        if deconv_type not in DECONV_TYPES:
            raise ConfigError(
                f"SimCCHead: deconv_type is 'heatmap' or 'vipnas', got {deconv_type!r}."
                + did_you_mean(deconv_type, DECONV_TYPES)
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.input_size = input_size
        self.deconv_head: nn.Module | None = None
        self.final_layer: nn.Module | None = None
        steps = 0
        if deconv_out_channels:
            layers: dict[str, Any] = {
                "type": DECONV_TYPES[deconv_type],
                "in_channels": in_channels,
                "out_channels": out_channels,
                "deconv_out_channels": deconv_out_channels,
                "conv_out_channels": conv_out_channels,
                "conv_kernel_sizes": conv_kernel_sizes,
                "final_layer": final_layer,
            }
            if deconv_type == "vipnas":
                layers["deconv_num_groups"] = deconv_num_groups
            else:
                layers["deconv_kernel_sizes"] = deconv_kernel_sizes
            self.deconv_head = MODELS.build(layers)
            steps = len(deconv_out_channels)
        elif final_layer is not None:
            self.final_layer = build_final_layer(in_channels, out_channels, final_layer)
        width, height = (size << steps for size in in_featuremap_size)
        self.mlp_head_x = nn.Linear(width * height, int(input_size[0] * simcc_split_ratio))
        self.mlp_head_y = nn.Linear(width * height, int(input_size[1] * simcc_split_ratio))

    def forward(self, feats: Features) -> tuple[Tensor, Tensor]:
        """Return logits (B, K, Wx) and (B, K, Wy) from the last of the feature maps."""
        if self.deconv_head is not None:
            maps = self.deconv_head(feats)
        else:
            maps = feats[-1] if self.final_layer is None else self.final_layer(feats[-1])
        cells = torch.flatten(maps, 2)
        return self.mlp_head_x(cells), self.mlp_head_y(cells)
