"""SE-ResNet and SE-ResNeXt (Hu et al., Squeeze-and-Excitation Networks, CVPR 2018)."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from typing_extensions import Unpack

from raypose.models.backbones.resnet import BOTTLENECK_DEPTHS, ResNet, ResNetOptions
from raypose.models.layers import Bottleneck, SELayer
from raypose.models.layers.residual import grouped_channels
from raypose.registry import MODELS


class SEBottleneck(Bottleneck):
    """A bottleneck that weighs the channels of its branch.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        se_ratio: see `SELayer`.
        **arguments: the other arguments of `Bottleneck`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, se_ratio: int = 16, **arguments: Any
    ) -> None:
        super().__init__(in_channels, out_channels, **arguments)
        self.se_layer = SELayer(out_channels, se_ratio)

    def branch(self, x: Tensor) -> Tensor:
        """See `ResidualBlock.branch`."""
        return self.se_layer(super().branch(x))


@MODELS.register_module()
class SEResNet(ResNet):
    """ResNet whose blocks weigh their channels.

    Args:
        depth: 50, 101 or 152.
        se_ratio: channels of a block relative to those inside its gate.
        **options: the other arguments of `ResNet`.

    Raises:
        ConfigError: see `ResNet`.

    Example:
        type: SEResNet
        depth: 50
    """

    architectures: ClassVar = {n: (SEBottleneck, blocks) for n, blocks in BOTTLENECK_DEPTHS.items()}

    def __init__(self, depth: int, se_ratio: int = 16, **options: Unpack[ResNetOptions]) -> None:
        self.se_ratio = se_ratio
        super().__init__(depth, **options)

    def block_arguments(self, channels: int) -> dict[str, Any]:
        """See `ResNet.block_arguments`."""
        return {"se_ratio": self.se_ratio}


@MODELS.register_module()
class SEResNeXt(SEResNet):
    """SEResNet whose 3x3 convolutions have groups.

    Args:
        depth: 50, 101 or 152.
        groups: groups of the 3x3 convolutions.
        width_per_group: channels of a group in the first stage, unless there is one group.
        se_ratio: channels of a block relative to those inside its gate.
        **options: the other arguments of `ResNet`.

    Raises:
        ConfigError: see `ResNet`.

    Example:
        type: SEResNeXt
        depth: 50
        groups: 32
    """

    def __init__(
        self,
        depth: int,
        groups: int = 32,
        width_per_group: int = 4,
        se_ratio: int = 16,
        **options: Unpack[ResNetOptions],
    ) -> None:
        self.groups = groups
        self.width_per_group = width_per_group
        super().__init__(depth, se_ratio, **options)

    def block_arguments(self, channels: int) -> dict[str, Any]:
        """See `ResNet.block_arguments`."""
        middle = grouped_channels(channels, self.groups, self.width_per_group, self.base_channels)
        return {
            "middle_channels": middle,
            "groups": self.groups,
            **super().block_arguments(channels),
        }
