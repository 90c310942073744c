"""Channels of groups, mixed (Zhang et al., ShuffleNet, CVPR 2018)."""

from __future__ import annotations

from torch import Tensor


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Take channels from the groups in turn: the first of each, the second of each, and so on.

    Args:
        x: (B, C, H, W), C a multiple of `groups`.
        groups: number of groups, each of adjacent channels.
    """
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)
