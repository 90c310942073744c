"""Maps to vectors."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from raypose.registry import MODELS


@MODELS.register_module()
class GlobalAveragePooling(nn.Module):
    """Replace each map by its mean over all places.

    Example:
        type: GlobalAveragePooling
    """

    def forward(self, feats: Tensor | Sequence[Tensor]) -> Tensor | tuple[Tensor, ...]:
        """Return (B, C_i) from maps (B, C_i, H_i, W_i): a tuple, or one tensor from one map."""
        if isinstance(feats, Tensor):
            return feats.mean(dim=(-2, -1))
        return tuple(feat.mean(dim=(-2, -1)) for feat in feats)
