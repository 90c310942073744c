"""`HeatmapHead`: one heatmap for each keypoint.

B samples, K keypoints, C channels, H and W of the heatmaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import ConfigError
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import BaseHead, Features
from raypose.ops.flips import flip_heatmaps
from raypose.ops.output_accuracy import pose_pck_accuracy
from raypose.registry import CODECS, MODELS, argument_problems
from raypose.structures import PoseBatch, Poses

DEFAULT_LOSS: Mapping[str, Any] = MappingProxyType(
    {"type": "KeypointMSELoss", "use_target_weight": True}
)
DEFAULT_FINAL_LAYER: Mapping[str, Any] = MappingProxyType({"kernel_size": 1})
DEFAULT_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "Normal", "layer": ["Conv2d", "ConvTranspose2d"], "std": 0.001},
    {"type": "Constant", "layer": "BatchNorm2d", "val": 1},
)
# Padding and output padding with which a stride of 2 doubles the size.
_DECONV_PADDING = {4: (1, 0), 3: (1, 1), 2: (0, 0)}


@MODELS.register_module()
class HeatmapHead(BaseHead):
    """Deconvolutions, convolutions and a last layer that makes heatmaps.

    Xiao et al.: "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018.

    Args:
        in_channels: channels of the last feature map.
        out_channels: K; 3K for UDP's combined targets.
        deconv_out_channels: channels after each deconvolution, each doubles the size; None for
            no deconvolutions.
        deconv_kernel_sizes: kernel sizes of the deconvolutions: 4, 3 or 2.
        conv_out_channels: channels after each convolution that follows; None for none.
        conv_kernel_sizes: kernel sizes of these convolutions.
        final_layer: arguments of the last convolution; None for none.
        loss: config of the loss, or a module.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if channels and kernel sizes differ in number or a size is not supported.

    Example:
        type: HeatmapHead
        in_channels: 2048
        out_channels: 17
        loss: {type: KeypointMSELoss, use_target_weight: true}
        decoder: {type: MSRAHeatmap, input_size: [192, 256], heatmap_size: [48, 64], sigma: 2}
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        deconv_out_channels: Sequence[int] | None = (256, 256, 256),
        deconv_kernel_sizes: Sequence[int] | None = (4, 4, 4),
        conv_out_channels: Sequence[int] | None = None,
        conv_kernel_sizes: Sequence[int] | None = None,
        final_layer: Mapping[str, Any] | None = DEFAULT_FINAL_LAYER,
        loss: Mapping[str, Any] | nn.Module = DEFAULT_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(DEFAULT_INIT if init_cfg is None else init_cfg)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.loss_module = MODELS.build(loss)
        self.decoder = None if decoder is None else CODECS.build(decoder)
        channels = in_channels
        self.deconv_layers: nn.Module = nn.Identity()
        if deconv_out_channels:
            self.deconv_layers = build_deconv_layers(
                channels, deconv_out_channels, deconv_kernel_sizes
            )
            channels = deconv_out_channels[-1]
        self.conv_layers: nn.Module = nn.Identity()
        if conv_out_channels:
            sizes = _kernel_sizes("conv", conv_out_channels, conv_kernel_sizes)
            self.conv_layers = _conv_layers(channels, conv_out_channels, sizes)
            channels = conv_out_channels[-1]
        self.final_layer: nn.Module = nn.Identity()
        if final_layer is not None:
            self.final_layer = build_final_layer(channels, out_channels, final_layer)

    def forward(self, feats: Features) -> Any:
        """Return heatmaps (B, out_channels, H, W) from the last of the feature maps."""
        return self.final_layer(self.conv_layers(self.deconv_layers(feats[-1])))

    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_kpt` and the accuracy `acc_pose`.

        Uses the targets `heatmaps` (B, out_channels, H, W) and `keypoint_weights` (B, 1, K).
        """
        outputs = self.forward(feats)
        heatmaps = batch.targets["heatmaps"]
        weights = batch.targets["keypoint_weights"].flatten(0, 1)
        losses = {"loss_kpt": self.loss_module(outputs, heatmaps, weights)}
        if self.train_cfg.get("compute_acc", True):
            # Combined targets: a response map and two offset maps for each keypoint.
            step = 3 if heatmaps.shape[1] == 3 * weights.shape[1] else 1
            responses, wanted = outputs.detach()[:, ::step], heatmaps[:, ::step]
            losses["acc_pose"] = pose_pck_accuracy(responses, wanted, weights > 0)[1]
        return losses

    def predict(self, feats: Features, batch: PoseBatch) -> list[Poses]:
        """Return one instance for each sample, in input space."""
        return self.decode(self.forward_test(feats, batch))

    def flip_outputs(self, outputs: Tensor, batch: PoseBatch) -> Tensor:
        """Mirror heatmaps as `test_cfg.flip_mode` and `test_cfg.shift_heatmap` say."""
        return flip_heatmaps(
            outputs,
            self.flip_indices(batch),
            flip_mode=self.test_cfg.get("flip_mode", "heatmap"),
            shift_heatmap=self.test_cfg.get("shift_heatmap", False),
        )


def build_final_layer(in_channels: int, out_channels: int, options: Mapping[str, Any]) -> nn.Conv2d:
    """Build the convolution that ends a head.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        options: arguments of the convolution; the kernel size is 1 unless it is among them.

    Raises:
        ConfigError: for arguments that a convolution does not take.
    """
    arguments = {
        "in_channels": in_channels,
        "out_channels": out_channels,
        **DEFAULT_FINAL_LAYER,
        **options,
    }
    problems = argument_problems(nn.Conv2d, arguments)
    if problems:
        raise ConfigError([f"final_layer: {message}" for _, message in problems])
    return nn.Conv2d(**arguments)


def _kernel_sizes(name: str, channels: Sequence[int], sizes: Sequence[int] | None) -> Sequence[int]:
    if sizes is None or len(sizes) != len(channels):
        raise ConfigError(
            f"{name}_out_channels and {name}_kernel_sizes need as many entries as each other, "
            f"got {list(channels)} and {sizes if sizes is None else list(sizes)}"
        )
    return sizes


def build_deconv_layers(
    in_channels: int,
    out_channels: Sequence[int],
    kernel_sizes: Sequence[int] | None,
    num_groups: Sequence[int] | None = None,
) -> nn.Sequential:
    """Build deconvolutions, each with a norm and an activation; each doubles the size.

    Args:
        in_channels: channels of the input.
        out_channels: channels after each deconvolution.
        kernel_sizes: kernel sizes of the deconvolutions: 4, 3 or 2.
        num_groups: groups of the deconvolutions; one each by default.

    Raises:
        ConfigError: if channels, kernel sizes and groups differ in number, a size is not
            supported or groups do not divide the channels.
    """
    layers: list[nn.Module] = []
    sizes = _kernel_sizes("deconv", out_channels, kernel_sizes)
    if num_groups is None:
        num_groups = [1] * len(out_channels)
    elif len(num_groups) != len(out_channels):
        raise ConfigError(
            "deconv_out_channels and deconv_num_groups need as many entries as each other, "
            f"got {list(out_channels)} and {list(num_groups)}"
        )
    for channels, size, groups in zip(out_channels, sizes, num_groups, strict=True):
        if in_channels % groups or channels % groups:
            raise ConfigError(
                f"deconv_num_groups: {groups} groups do not divide a deconvolution from "
                f"{in_channels} to {channels} channels"
            )
        if size not in _DECONV_PADDING:
            raise ConfigError(f"deconv_kernel_sizes: 4, 3 or 2 are supported, got {size}")
        padding, output_padding = _DECONV_PADDING[size]
        layers += [
            nn.ConvTranspose2d(
                in_channels, channels, size, 2, padding, output_padding, groups, bias=False
            ),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
        in_channels = channels
    return nn.Sequential(*layers)


def _conv_layers(
    in_channels: int, out_channels: Sequence[int], kernel_sizes: Sequence[int]
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels, size in zip(out_channels, kernel_sizes, strict=True):
        layers += [
            nn.Conv2d(in_channels, channels, size, padding=(size - 1) // 2),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
        in_channels = channels
    return nn.Sequential(*layers)
