"""The two steps of CID: find people and their features, then a heatmap for each of them alone.

Wang and Zhang: "Contextual Instance Decoupling for Robust Multi-Person Pose Estimation", CVPR 2022.

B samples, N instances of all samples together, K keypoints, C channels, H and W of the maps.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_CLAMP = 1e-4  # keeps logarithms of the outputs finite
_CELLS = 32.0  # unit of distances from a root


def smooth_heatmaps(heatmaps: Tensor, kernel_size: int) -> Tensor:
    """Return the mean of heatmaps and their means over windows of an odd size."""
    blurred = F.avg_pool2d(heatmaps, kernel_size, stride=1, padding=kernel_size // 2)
    return (heatmaps + blurred) / 2


class IIAModule(nn.Module):
    """Instance information abstraction: heatmaps of keypoints and roots.

    Args:
        in_channels: C.
        out_channels: number of heatmaps, the last one of roots.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.keypoint_root_conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, feats: Tensor) -> Tensor:
        """Return heatmaps (B, out_channels, H, W) in 0..1 from (B, C, H, W)."""
        return _probability(self.keypoint_root_conv(feats))


class ChannelAttention(nn.Module):
    """Weigh channels by what an instance looks like.

    Args:
        in_channels: channels of the instances' features.
        out_channels: channels of the maps.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.atn = nn.Linear(in_channels, out_channels)

    def forward(self, maps: Tensor, instance_feats: Tensor) -> Tensor:
        """Return maps (N, out_channels, H, W), weighed by features (N, in_channels)."""
        return maps * self.atn(instance_feats)[..., None, None]


class SpatialAttention(nn.Module):
    """Weigh cells by what an instance looks like and where its root is.

    Args:
        in_channels: channels of the instances' features.
        out_channels: channels of the maps.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.atn = nn.Linear(in_channels, out_channels)
        self.conv = nn.Conv2d(3, 1, 5, padding=2)

    def forward(self, maps: Tensor, instance_feats: Tensor, coords: Tensor) -> Tensor:
        """Return maps (N, out_channels, H, W), weighed for roots in the cells (N, 2)."""
        likeness = torch.einsum("nchw,nc->nhw", maps, self.atn(instance_feats))
        H, W = maps.shape[-2:]
        x, y = (
            (coords[:, axis, None] - torch.arange(cells, device=maps.device) - 0.5) / _CELLS
            for axis, cells in enumerate((W, H))
        )
        distances = [x[:, None].expand(-1, H, W), y[..., None].expand(-1, H, W)]
        stacked = torch.stack([likeness, *(d.to(likeness) for d in distances)], dim=1)
        return maps * self.conv(stacked).sigmoid()


class GFDModule(nn.Module):
    """Global feature decoupling: the heatmaps of each instance alone.

    Args:
        in_channels: C.
        out_channels: K.
        gfd_channels: channels inside.
    """

    def __init__(self, in_channels: int, out_channels: int, gfd_channels: int) -> None:
        super().__init__()
        self.conv_down = nn.Conv2d(in_channels, gfd_channels, 1)
        self.channel_attention = ChannelAttention(in_channels, gfd_channels)
        self.spatial_attention = SpatialAttention(in_channels, gfd_channels)
        self.fuse_attention = nn.Conv2d(2 * gfd_channels, gfd_channels, 1)
        self.heatmap_conv = nn.Conv2d(gfd_channels, out_channels, 1)

    def forward(
        self, feats: Tensor, instance_feats: Tensor, coords: Tensor, samples: Tensor
    ) -> Tensor:
        """Return heatmaps (N, K, H, W) in 0..1.

        Args:
            feats: (B, C, H, W).
            instance_feats: (N, C).
            coords: (N, 2) cells of the roots.
            samples: (N,) sample of each instance.
        """
        maps = self.conv_down(feats)[samples]
        attended = [
            self.channel_attention(maps, instance_feats),
            self.spatial_attention(maps, instance_feats, coords),
        ]
        fused = F.relu(self.fuse_attention(torch.cat(attended, dim=1)))
        return _probability(self.heatmap_conv(fused))


def _probability(logits: Tensor) -> Tensor:
    return logits.sigmoid().clamp(min=_CLAMP, max=1 - _CLAMP)
