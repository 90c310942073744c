"""ResNeXt (Xie et al., Aggregated Residual Transformations for Deep Neural Networks, CVPR 2017)."""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import Unpack

from raypose.models.backbones.resnet import BOTTLENECK_DEPTHS, ResNet, ResNetOptions
from raypose.models.layers import Bottleneck
from raypose.models.layers.residual import grouped_channels
from raypose.registry import MODELS


@MODELS.register_module()
class ResNeXt(ResNet):
    """ResNet whose 3x3 convolutions have groups.

    Args:
        depth: 50, 101 or 152.
        groups: groups of the 3x3 convolutions.
        width_per_group: channels of a group in the first stage, unless there is one group.
        **options: the other arguments of `ResNet`.

    Raises:
        ConfigError: see `ResNet`.

    Example:
        type: ResNeXt
        depth: 50
        groups: 32
        width_per_group: 4
    """

    architectures: ClassVar = {n: (Bottleneck, blocks) for n, blocks in BOTTLENECK_DEPTHS.items()}

    def __init__(
        self,
        depth: int,
        groups: int = 32,
        width_per_group: int = 4,
        **options: Unpack[ResNetOptions],
    ) -> None:
        self.groups = groups
        self.width_per_group = width_per_group
        super().__init__(depth, **options)

    def block_arguments(self, channels: int) -> dict[str, Any]:
        """See `ResNet.block_arguments`."""
        middle = grouped_channels(channels, self.groups, self.width_per_group, self.base_channels)
        return {"middle_channels": middle, "groups": self.groups}
