"""Temporal convolutional network of VideoPose3D.

Paper: Pavllo et al., 3D Human Pose Estimation in Video with Temporal Convolutions and
Semi-Supervised Training, CVPR 2019. T frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from raypose.errors import ConfigError
from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.models.backbones.staged_backbone import KAIMING_INIT
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule, build_conv_layer
from raypose.registry import MODELS

CONV1D: Mapping[str, Any] = {"type": "Conv1d"}
BN1D: Mapping[str, Any] = {"type": "BN1d"}


@MODELS.register_module()
class TCN(BaseBackbone):
    """Blocks of dilated convolutions over time; each block returns a sequence.

    Args:
        in_channels: keypoints times features of a frame.
        stem_channels: channels inside.
        num_blocks: number of blocks.
        kernel_sizes: odd; of the first convolution, then one for each block.
        dropout: dropout after each convolution.
        causal: shift the residuals so that no frame sees later ones.
        residual: whether blocks have residuals.
        use_stride_conv: strides instead of dilations, faster where the input is as long as the
            receptive field and the output is one frame.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        max_norm: largest norm of a convolution's weights; they are scaled down in each forward.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for kernels that are even or not as many as it takes.

    Example:
        type: TCN
        in_channels: 34
        stem_channels: 256
        num_blocks: 2
        kernel_sizes: [3, 3, 3]
    """

    def __init__(
        self,
        in_channels: int,
        stem_channels: int = 1024,
        num_blocks: int = 2,
        kernel_sizes: Sequence[int] = (3, 3, 3),
        dropout: float = 0.25,
        causal: bool = False,
        residual: bool = True,
        use_stride_conv: bool = False,
        conv_cfg: Mapping[str, Any] = CONV1D,
        norm_cfg: Mapping[str, Any] | None = BN1D,
        max_norm: float | None = None,
        init_cfg: InitCfg = KAIMING_INIT,
    ) -> None:
        super().__init__(init_cfg)
        if len(kernel_sizes) != num_blocks + 1:
            raise ConfigError(
                f"TCN: kernel_sizes are one more than num_blocks, got {list(kernel_sizes)} "
                f"for {num_blocks}"
            )
        if any(size % 2 == 0 for size in kernel_sizes):
            raise ConfigError(f"TCN: kernel_sizes are odd, got {list(kernel_sizes)}")
        self.causal = causal
        self.max_norm = max_norm
        self.expand_conv = ConvModule(
            in_channels,
            stem_channels,
            kernel_sizes[0],
            stride=kernel_sizes[0] if use_stride_conv else 1,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
        )
        self.dropout = nn.Dropout(dropout)
        blocks = []
        dilation = kernel_sizes[0]
        for kernel_size in kernel_sizes[1:]:
            blocks.append(
                BasicTemporalBlock(
                    stem_channels,
                    stem_channels,
                    mid_channels=stem_channels,
                    kernel_size=kernel_size,
                    dilation=dilation,
                    dropout=dropout,
                    causal=causal,
                    residual=residual,
                    use_stride_conv=use_stride_conv,
                    conv_cfg=conv_cfg,
                    norm_cfg=norm_cfg,
                )
            )
            dilation *= kernel_size
        self.tcn_blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the sequence (B, C, T_i) of each block.

        Args:
            x: (B, in_channels, T) float32; T is at least the receptive field.
        """
        if self.max_norm is not None:
            self._limit_norms(self.max_norm)
        x = self.dropout(self.expand_conv(x))
        outs = []
        for block in self.tcn_blocks:
            x = block(x)
            outs.append(x)
        return tuple(outs)

    @torch.no_grad()
    def _limit_norms(self, max_norm: float) -> None:
        for module in self.modules():
            if isinstance(module, _ConvNd):
                norm = module.weight.norm()
                module.weight.mul_(torch.where(norm > max_norm, max_norm / (norm + 1e-6), 1.0))


class BasicTemporalBlock(nn.Module):
    """A convolution over time and one over channels, with a residual cut to fit.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        mid_channels: channels between the convolutions.
        kernel_size: of the first one, odd.
        dilation: of the first one.
        dropout: dropout after each convolution.
        causal: take the residual from the last frame of the window, not from its middle.
        residual: whether there is a residual.
        use_stride_conv: see `TCN`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        mid_channels: int = 1024,
        kernel_size: int = 3,
        dilation: int = 3,
        dropout: float = 0.25,
        causal: bool = False,
        residual: bool = True,
        use_stride_conv: bool = False,
        conv_cfg: Mapping[str, Any] = CONV1D,
        norm_cfg: Mapping[str, Any] | None = BN1D,
    ) -> None:
        super().__init__()
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg}
        half = kernel_size // 2 * (1 if use_stride_conv else dilation)
        self.residual = residual
        self.stride = kernel_size if use_stride_conv else 1
        # The residual starts at the middle of the first window, or at its end.
        self.start = 2 * half if causal else half
        self.stop = 0 if causal else half
        self.conv1 = nn.Sequential(
            ConvModule(
                in_channels,
                mid_channels,
                kernel_size,
                stride=self.stride,
                dilation=1 if use_stride_conv else dilation,
                **layers,
            )
        )
        self.conv2 = nn.Sequential(ConvModule(mid_channels, out_channels, 1, **layers))
        self.short_cut = (
            build_conv_layer(conv_cfg, in_channels, out_channels, 1)
            if residual and in_channels != out_channels
            else None
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, T') from (B, in_channels, T), T' shorter by the window."""
        out = self.dropout(self.conv1(x))
        out = self.dropout(self.conv2(out))
        if not self.residual:
            return out
        if self.stride > 1:
            cut = x[:, :, self.start :: self.stride]
        else:
            cut = x[:, :, self.start : x.shape[2] - self.stop]
        return out + (cut if self.short_cut is None else self.short_cut(cut))
