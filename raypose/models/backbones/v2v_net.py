"""V2VNet: from a volume to a volume.

Papers: Moon et al., V2V-PoseNet: Voxel-to-Voxel Prediction Network, CVPR 2018; Tu et al.,
VoxelPose: Towards Multi-Camera 3D Human Pose Estimation in Wild Environment, ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule
from raypose.registry import MODELS

_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "Normal", "std": 0.001, "layer": ["Conv3d", "ConvTranspose3d"]},
)


class Basic3DBlock(nn.Module):
    """A convolution, a norm and an activation.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: odd size of the kernel.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.block = _conv(in_channels, out_channels, kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, D, H, W) from (B, in_channels, D, H, W)."""
        return self.block(x)


class Res3DBlock(nn.Module):
    """Two convolutions and a shortcut.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.res_branch = nn.Sequential(
            _conv(in_channels, out_channels, 3), _conv(out_channels, out_channels, 3, act_cfg=None)
        )
        self.skip_con: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.skip_con = _conv(in_channels, out_channels, 1, act_cfg=None)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, D, H, W) from (B, in_channels, D, H, W)."""
        return (self.res_branch(x) + self.skip_con(x)).relu()


class Upsample3DBlock(nn.Module):
    """A deconvolution that doubles the size, a norm and an activation.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.ConvTranspose3d(in_channels, out_channels, 2, stride=2),
            nn.BatchNorm3d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, 2D, 2H, 2W) from (B, in_channels, D, H, W)."""
        return self.block(x)


class EncoderDecoder(nn.Module):
    """Down to a quarter of the size and back, with shortcuts.

    Args:
        channels: of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half, quarter = 2 * channels, 4 * channels  # the lower the resolution, the more channels
        self.pool = nn.MaxPool3d(2)
        self.encoder_res1 = Res3DBlock(channels, half)
        self.encoder_res2 = Res3DBlock(half, quarter)
        self.mid_res = Res3DBlock(quarter, quarter)
        self.decoder_res2 = Res3DBlock(quarter, quarter)
        self.decoder_upsample2 = Upsample3DBlock(quarter, half)
        self.decoder_res1 = Res3DBlock(half, half)
        self.decoder_upsample1 = Upsample3DBlock(half, channels)
        self.skip_res1 = Res3DBlock(channels, channels)
        self.skip_res2 = Res3DBlock(half, half)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, D, H, W) from the same; D, H and W are multiples of 4."""
        half = self.encoder_res1(self.pool(x))
        quarter = self.encoder_res2(self.pool(half))
        quarter = self.decoder_res2(self.mid_res(quarter))
        out = self.decoder_upsample2(quarter) + self.skip_res2(half)
        return self.decoder_upsample1(self.decoder_res1(out)) + self.skip_res1(x)


@MODELS.register_module()
class V2VNet(BaseBackbone):
    """Volume to volume of the same size, such as features of space to heatmaps of keypoints.

    Args:
        input_channels: channels of the volume.
        output_channels: channels of the volume that is returned.
        mid_channels: channels of the encoder and decoder at full size.
        init_cfg: see `BaseModule`.

    Example:
        type: V2VNet
        input_channels: 15
        output_channels: 1
    """

    def __init__(
        self,
        input_channels: int,
        output_channels: int,
        mid_channels: int = 32,
        init_cfg: InitCfg = _INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.front_layers = nn.Sequential(
            Basic3DBlock(input_channels, mid_channels // 2, 7),
            Res3DBlock(mid_channels // 2, mid_channels),
        )
        self.encoder_decoder = EncoderDecoder(mid_channels)
        self.output_layer = nn.Conv3d(mid_channels, output_channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return one volume (B, output_channels, D, H, W).

        Args:
            x: (B, input_channels, D, H, W); D, H and W are multiples of 4.
        """
        return (self.output_layer(self.encoder_decoder(self.front_layers(x))),)


def _conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    **arguments: Any,
) -> ConvModule:
    return ConvModule(
        in_channels,
        out_channels,
        kernel_size,
        padding=kernel_size // 2,
        bias=True,
        conv_cfg={"type": "Conv3d"},
        norm_cfg={"type": "BN3d"},
        **arguments,
    )
