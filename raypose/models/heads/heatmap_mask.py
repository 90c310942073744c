"""Where the heatmaps of a bottom-up model can be trusted."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from raypose.structures import PoseBatch


def heatmap_mask(batch: PoseBatch, heatmaps: Tensor) -> Tensor | None:
    """Return the mask (B, 1, H, W) of heatmaps (B, K, H, W), 0 where people are not annotated.

    It is `heatmap_mask` (B, H, W) of the targets or the annotations, of any size; None where the
    batch has none.
    """
    mask = batch.targets.get("heatmap_mask", batch.annotations.get("heatmap_mask"))
    if mask is None:
        return None
    mask = mask.to(heatmaps).reshape(len(heatmaps), 1, *mask.shape[-2:])
    if mask.shape[-2:] == heatmaps.shape[-2:]:
        return mask
    return F.interpolate(mask, heatmaps.shape[-2:], mode="bilinear").round()
