"""`TransformerHead`: an encoder of the image, a decoder of queries, and what reads them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from raypose.models.heads.base_head import BaseHead, Features


class TransformerHead(BaseHead):
    """Parent of heads in the manner of Deformable DETR.

    Zhu et al.: "Deformable DETR: Deformable Transformers for End-to-End Object Detection",
    ICLR 2021.
    """

    def forward(self, feats: Features, padding: Tensor | None = None) -> Any:
        """Return raw outputs.

        Args:
            feats: maps (B, C, H_i, W_i).
            padding: (B, H, W) bool, true for pixels of the input that are not of the image; by
                default images fill their input.
        """
        if padding is None:
            B, _, H, W = feats[0].shape
            padding = feats[0].new_zeros((B, H, W)).bool()
        paddings = [
            F.interpolate(padding[:, None].float(), x.shape[-2:], mode="nearest")[:, 0].bool()
            for x in feats
        ]
        memory = self.forward_encoder(feats, paddings)
        return self.forward_out_head(*self.forward_decoder(feats, paddings, memory))

    @abstractmethod
    def forward_encoder(self, feats: Features, paddings: list[Tensor]) -> Tensor:
        """Return the encoded cells of all maps (B, V, C), map after map, row by row.

        Args:
            feats: maps (B, C, H_i, W_i).
            paddings: (B, H_i, W_i) bool, true for cells that are not of the image.
        """

    @abstractmethod
    def forward_decoder(
        self, feats: Features, paddings: list[Tensor], memory: Tensor
    ) -> tuple[Any, ...]:
        """Return what `forward_out_head` takes: the queries and where they are.

        Args:
            feats: see `forward_encoder`.
            paddings: see `forward_encoder`.
            memory: the encoded cells (B, V, C).
        """

    @abstractmethod
    def forward_out_head(self, *decoded: Any) -> Any:
        """Return raw outputs from what `forward_decoder` returned."""


def valid_ratio(padding: Tensor) -> Tensor:
    """Return the parts (B, 2) of width and height that are of the image.

    Args:
        padding: (B, H, W) bool, true for cells that are not of the image.
    """
    seen = (~padding).float()
    return torch.stack([seen[:, 0].mean(dim=-1), seen[:, :, 0].mean(dim=-1)], dim=-1)
