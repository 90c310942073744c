"""Global context, with mmcv's state-dict keys.

Paper: Cao et al., GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond, ICCV
Workshops 2019.
"""

from __future__ import annotations

from torch import Tensor, nn


class ContextBlock(nn.Module):
    """Add to each position what a weighted mean over all positions says.

    Args:
        channels: number of channels.
        inside_channels: channels of the layers between mean and sum.
    """

    def __init__(self, channels: int, inside_channels: int) -> None:
        super().__init__()
        self.conv_mask = nn.Conv2d(channels, 1, 1)
        self.channel_add_conv = nn.Sequential(
            nn.Conv2d(channels, inside_channels, 1),
            nn.LayerNorm([inside_channels, 1, 1]),
            nn.ReLU(inplace=True),
            nn.Conv2d(inside_channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) from (B, C, H, W)."""
        weights = self.conv_mask(x).flatten(2).softmax(2)  # (B, 1, H * W)
        context = x.flatten(2) @ weights.transpose(1, 2)  # (B, C, 1)
        return x + self.channel_add_conv(context[..., None])
