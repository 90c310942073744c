"""Residual blocks of ResNet, HRNet and their relatives.

Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, cast

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from raypose.errors import ConfigError
from raypose.models.layers.conv_module import build_conv_layer
from raypose.models.layers.norm import BN, build_norm_layer, norm_abbreviation

Style = Literal["pytorch", "caffe"]


class ResidualBlock(nn.Module):
    """What the blocks below share: norms by name, the shortcut, the last activation.

    Args:
        out_channels: channels of the output.
        norm_channels: channels of `bn1`, `bn2`, ...; None leaves out the norm of that number.
        downsample: makes the shortcut fit; None where it fits.
        with_cp: compute the branch again in the backward pass instead of keeping its maps.
        norm_cfg: kind of norm; its abbreviation names the norms.
    """

    default_expansion: ClassVar[int]

    def __init__(
        self,
        out_channels: int,
        norm_channels: tuple[int | None, ...],
        downsample: nn.Module | None,
        with_cp: bool,
        norm_cfg: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.with_cp = with_cp
        self.norm_names = [
            f"{norm_abbreviation(norm_cfg)}{i + 1}" for i in range(len(norm_channels))
        ]
        for name, channels in zip(self.norm_names, norm_channels, strict=True):
            if channels is not None:
                self.add_module(name, build_norm_layer(norm_cfg, channels))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    @property
    def last_norm(self) -> nn.Module:
        """Return the norm whose weight scales the whole branch."""
        return self.get_submodule(self.norm_names[-1])

    def norm(self, number: int, x: Tensor) -> Tensor:
        """Apply the norm of that number, counted from 1."""
        return getattr(self, self.norm_names[number - 1])(x)

    def branch(self, x: Tensor) -> Tensor:
        """Return what is added to the shortcut."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H', W') from (B, in_channels, H, W)."""
        if self.with_cp and x.requires_grad:
            out: Tensor = checkpoint(self._sum, x, use_reentrant=False)  # type: ignore[assignment]
        else:
            out = self._sum(x)
        return self.relu(out)

    def _sum(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.branch(x) + shortcut


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        expansion: 1; there for the signature that all blocks share.
        stride: of the first convolution.
        dilation: of the first convolution.
        downsample: makes the shortcut fit.
        style: without effect on this block, both styles are the same.
        with_cp: see `ResidualBlock`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
    """

    default_expansion = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: int = 1,
        stride: int = 1,
        dilation: int = 1,
        downsample: nn.Module | None = None,
        style: Style = "pytorch",
        with_cp: bool = False,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
    ) -> None:
        if expansion != 1:
            raise ConfigError(f"BasicBlock has expansion 1, got {expansion}")
        super().__init__(out_channels, (out_channels,) * 2, downsample, with_cp, norm_cfg)
        self.conv1 = build_conv_layer(
            conv_cfg,
            in_channels,
            out_channels,
            3,
            stride=stride,
            padding=dilation,
            dilation=dilation,
            bias=False,
        )
        self.conv2 = build_conv_layer(
            conv_cfg, out_channels, out_channels, 3, padding=1, bias=False
        )

    def branch(self, x: Tensor) -> Tensor:
        """See `ResidualBlock.branch`."""
        x = self.relu(self.norm(1, self.conv1(x)))
        return self.norm(2, self.conv2(x))


class Bottleneck(ResidualBlock):
    """A 3x3 convolution between 1x1 ones that shrink and widen.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        expansion: `out_channels` relative to the channels inside.
        stride: of the 3x3 convolution, or of the first one in `caffe` style.
        dilation: of the 3x3 convolution.
        downsample: makes the shortcut fit.
        style: `pytorch` or `caffe`.
        with_cp: see `ResidualBlock`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        middle_channels: channels inside, where `expansion` does not say.
        kernel_size: of the convolution in the middle.
        groups: of the convolution in the middle.

    Raises:
        ConfigError: for an unknown style.
    """

    default_expansion = 4

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: int = 4,
        stride: int = 1,
        dilation: int = 1,
        downsample: nn.Module | None = None,
        style: Style = "pytorch",
        with_cp: bool = False,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        middle_channels: int | None = None,
        kernel_size: int = 3,
        groups: int = 1,
    ) -> None:
        middle = out_channels // expansion if middle_channels is None else middle_channels
        super().__init__(
            out_channels, (middle, middle, out_channels), downsample, with_cp, norm_cfg
        )
        strides = bottleneck_strides(stride, style)
        self.conv1 = build_conv_layer(
            conv_cfg, in_channels, middle, 1, stride=strides[0], bias=False
        )
        self.conv2 = build_conv_layer(
            conv_cfg,
            middle,
            middle,
            kernel_size,
            stride=strides[1],
            padding=kernel_size // 2 * dilation,
            dilation=dilation,
            groups=groups,
            bias=False,
        )
        self.conv3 = build_conv_layer(conv_cfg, middle, out_channels, 1, bias=False)

    def branch(self, x: Tensor) -> Tensor:
        """See `ResidualBlock.branch`."""
        x = self.relu(self.norm(1, self.conv1(x)))
        x = self.relu(self.norm(2, self.conv2(x)))
        return self.norm(3, self.conv3(x))


def bottleneck_strides(stride: int, style: Style) -> tuple[int, int]:
    """Return the strides of the first two convolutions of a bottleneck.

    Raises:
        ConfigError: for an unknown style.
    """
    if style not in ("pytorch", "caffe"):
        raise ConfigError(f"style is 'pytorch' or 'caffe', got {style!r}")
    return (1, stride) if style == "pytorch" else (stride, 1)


def grouped_channels(channels: int, groups: int, width_per_group: int, base_channels: int) -> int:
    """Return the channels inside a bottleneck whose middle convolution has groups.

    Args:
        channels: what they are without groups.
        groups: number of groups.
        width_per_group: channels of a group in the first stage.
        base_channels: channels inside blocks of the first stage without groups.
    """
    return channels if groups == 1 else groups * width_per_group * channels // base_channels


def zero_last_norms(module: nn.Module) -> None:
    """Let every residual block below a module start as the identity."""
    for block in module.modules():
        if isinstance(block, ResidualBlock):
            for parameter in block.last_norm.parameters():
                nn.init.zeros_(parameter)


def make_downsample(
    in_channels: int,
    out_channels: int,
    stride: int = 1,
    avg_down: bool = False,
    conv_cfg: Mapping[str, Any] | None = None,
    norm_cfg: Mapping[str, Any] = BN,
) -> nn.Sequential | None:
    """Return what makes a shortcut fit, or None where it fits already.

    Args:
        in_channels: channels of the shortcut.
        out_channels: channels of the branch.
        stride: of the branch.
        avg_down: shrink by a mean instead of by a strided convolution.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
    """
    if stride == 1 and in_channels == out_channels:
        return None
    layers: list[nn.Module] = []
    if avg_down and stride != 1:
        layers.append(nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False))
        stride = 1
    layers.append(
        build_conv_layer(conv_cfg, in_channels, out_channels, 1, stride=stride, bias=False)
    )
    layers.append(build_norm_layer(norm_cfg, out_channels))
    return nn.Sequential(*layers)


def make_res_layer(
    block: type[ResidualBlock],
    num_blocks: int,
    in_channels: int,
    out_channels: int,
    expansion: int | None = None,
    stride: int = 1,
    avg_down: bool = False,
    conv_cfg: Mapping[str, Any] | None = None,
    norm_cfg: Mapping[str, Any] = BN,
    change_first: bool = True,
    **block_arguments: Any,
) -> nn.Sequential:
    """Return a stage of residual blocks; one of them carries the stride and changes the channels.

    Args:
        block: kind of block.
        num_blocks: how many.
        in_channels: channels of the input.
        out_channels: channels of the output.
        expansion: `out_channels` relative to the channels inside a block.
        stride: of the block that changes the size.
        avg_down: see `make_downsample`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        change_first: the first block is the one that changes size and channels, not the last.
        **block_arguments: further arguments of the blocks.
    """
    shared: dict[str, Any] = {
        "expansion": block.default_expansion if expansion is None else expansion,
        "conv_cfg": conv_cfg,
        "norm_cfg": norm_cfg,
        **block_arguments,
    }
    downsample = make_downsample(in_channels, out_channels, stride, avg_down, conv_cfg, norm_cfg)
    # The kinds of blocks share a signature that their parent does not have.
    build = cast("Callable[..., ResidualBlock]", block)
    change = build(in_channels, out_channels, stride=stride, downsample=downsample, **shared)
    channels = out_channels if change_first else in_channels
    rest = [build(channels, channels, **shared) for _ in range(num_blocks - 1)]
    return nn.Sequential(change, *rest) if change_first else nn.Sequential(*rest, change)
