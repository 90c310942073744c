"""Squeeze-and-excitation, with MMPose's state-dict keys.

Paper: Hu et al., Squeeze-and-Excitation Networks, CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from raypose.models.layers.activation import RELU
from raypose.models.layers.conv_module import ConvModule

SIGMOID: Mapping[str, Any] = {"type": "Sigmoid"}
# The gate of MobileNetV3: a sigmoid of straight lines, from -1 to 1.
HARD_GATE: Mapping[str, Any] = {"type": "HSigmoid", "bias": 1.0, "divisor": 2.0}


class SELayer(nn.Module):
    """Weigh channels by a gate on the means of all of them.

    Args:
        channels: number of channels.
        ratio: channels relative to those inside the gate.
        conv_cfg: kind of convolution.
        act_cfg: kinds of activation inside and at the end of the gate.
    """

    def __init__(
        self,
        channels: int,
        ratio: float = 16,
        conv_cfg: Mapping[str, Any] | None = None,
        act_cfg: Sequence[Mapping[str, Any]] = (RELU, SIGMOID),
    ) -> None:
        super().__init__()
        inside = int(channels / ratio)
        self.conv1 = ConvModule(channels, inside, 1, conv_cfg=conv_cfg, act_cfg=act_cfg[0])
        self.conv2 = ConvModule(inside, channels, 1, conv_cfg=conv_cfg, act_cfg=act_cfg[1])

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W), each channel times its gate."""
        return x * self.conv2(self.conv1(F.adaptive_avg_pool2d(x, 1)))
