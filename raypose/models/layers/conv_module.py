"""Convolution, normalisation and activation as one module, with mmcv's state-dict keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from raypose.errors import ConfigError, did_you_mean
from raypose.models.layers.activation import RELU, build_activation_layer
from raypose.models.layers.conv1d import Conv1d
from raypose.models.layers.norm import build_norm_layer, norm_abbreviation

IntOrPair = int | tuple[int, int]

_CONVS: dict[str, type[nn.Module]] = {
    "Conv1d": Conv1d,
    "Conv2d": nn.Conv2d,
    "Conv3d": nn.Conv3d,
    "Conv": nn.Conv2d,
}


def build_conv_layer(cfg: Mapping[str, Any] | None, *args: Any, **kwargs: Any) -> nn.Module:
    """Build a convolution.

    Args:
        cfg: `type` (`Conv1d`, `Conv2d`, `Conv3d`) and further arguments; None is `Conv2d`.
        *args: positional arguments of the convolution.
        **kwargs: arguments of the convolution by name.

    Raises:
        ConfigError: for an unknown `type`.
    """
    arguments = {"type": "Conv2d"} if cfg is None else dict(cfg)
    kind = arguments.pop("type", None)
    if kind not in _CONVS:
        raise ConfigError(f"unknown conv {kind!r} in conv_cfg.{did_you_mean(str(kind), _CONVS)}")
    return _CONVS[kind](*args, **kwargs, **arguments)


class ConvModule(nn.Module):
    """A convolution (`conv`), then optionally a norm (`bn`, `gn`, ...) and an activation.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: size of the kernel.
        stride: stride of the convolution.
        padding: zeros (or what `padding_mode` says) on each side.
        dilation: spacing of the kernel's elements.
        groups: groups of channels.
        bias: whether the convolution has a bias; `auto` gives it one where no norm follows.
        conv_cfg: kind of convolution; None is `Conv2d`.
        norm_cfg: kind of norm; None for none.
        act_cfg: kind of activation; None for none.
        inplace: let the activation overwrite its input.
        padding_mode: as of torch's convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: IntOrPair = 0,
        dilation: IntOrPair = 1,
        groups: int = 1,
        bias: bool | Literal["auto"] = "auto",
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] | None = None,
        act_cfg: Mapping[str, Any] | None = RELU,
        inplace: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        super().__init__()
        self.conv = build_conv_layer(
            conv_cfg,
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=norm_cfg is None if bias == "auto" else bias,
            padding_mode=padding_mode,
        )
        self.norm_name: str | None = None
        if norm_cfg is not None:
            self.norm_name = norm_abbreviation(norm_cfg)
            self.add_module(self.norm_name, build_norm_layer(norm_cfg, out_channels))
        self.activate: nn.Module | None = None
        if act_cfg is not None:
            self.activate = build_activation_layer(act_cfg, inplace)

    @property
    def norm(self) -> nn.Module | None:
        """Return the norm, if there is one."""
        return None if self.norm_name is None else self.get_submodule(self.norm_name)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, ...) from (B, in_channels, ...)."""
        x = self.conv(x)
        if self.norm_name is not None:
            x = getattr(self, self.norm_name)(x)
        return x if self.activate is None else self.activate(x)


class DepthwiseSeparableConvModule(nn.Module):
    """A convolution for each channel (`depthwise_conv`), then one over channels.

    Paper: Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
    Applications, 2017.

    Args: see `ConvModule`; kernel, stride, padding and dilation are of the depthwise part, norm
    and activation follow both. `dw_act_cfg` is another activation, or None for none, after the
    depthwise part.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: IntOrPair = 0,
        dilation: IntOrPair = 1,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] | None = None,
        act_cfg: Mapping[str, Any] | None = RELU,
        dw_act_cfg: Mapping[str, Any] | Literal["default"] | None = "default",
    ) -> None:
        super().__init__()
        self.depthwise_conv = ConvModule(
            in_channels,
            in_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=in_channels,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg if dw_act_cfg == "default" else dw_act_cfg,
        )
        self.pointwise_conv = ConvModule(
            in_channels,
            out_channels,
            1,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H, W) from (B, in_channels, H, W)."""
        return self.pointwise_conv(self.depthwise_conv(x))


def conv_stacks(
    maps: int,
    count: int,
    in_channels: int,
    channels: int,
    layers: Mapping[str, Any],
    groups: int = 1,
    use_depthwise: bool = False,
) -> nn.ModuleList:
    """Return for each of several maps a sequence of 3x3 convolutions.

    Args:
        maps: number of maps.
        count: convolutions in each sequence.
        in_channels: channels of the maps.
        channels: channels of the outputs.
        layers: `norm_cfg` and the like.
        groups: groups of all convolutions but the first.
        use_depthwise: depthwise-separable convolutions instead.
    """

    def conv(index: int) -> nn.Module:
        if use_depthwise:
            width = channels if index else in_channels
            return DepthwiseSeparableConvModule(width, channels, 3, padding=1, **layers)
        if index:
            return ConvModule(channels, channels, 3, padding=1, groups=groups, **layers)
        return ConvModule(in_channels, channels, 3, padding=1, **layers)

    stacks = [nn.Sequential(*[conv(index) for index in range(count)]) for _ in range(maps)]
    return nn.ModuleList(stacks)
