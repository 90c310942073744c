"""Images to patch tokens, tokens to fewer ones, and the positions of the patches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raypose.models.layers.norm import build_norm_layer

Size = tuple[int, int]


class PatchEmbed(nn.Module):
    """Cut an image into patches by one strided convolution (`projection`).

    Args:
        in_channels: channels of the image.
        embed_dims: channels of a token.
        input_size: (h, w) of the images that `init_out_size` is computed for.
        kernel_size: side of a patch.
        stride: distance of patches; `kernel_size` by default.
        padding: pixels on each side, or `corner` or `same`: as many as it takes to cover the
            image, at its bottom right or all around.
        bias: whether the projection has a bias.
        norm_cfg: kind of norm of the tokens; None for none.

    Attributes:
        init_out_size: (h, w) in patches of an image of `input_size`.
    """

    def __init__(
        self,
        in_channels: int,
        embed_dims: int,
        input_size: Size,
        kernel_size: int = 16,
        stride: int | None = None,
        padding: int | Literal["corner", "same"] = "corner",
        bias: bool = True,
        norm_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.padding = padding
        self.projection = nn.Conv2d(
            in_channels,
            embed_dims,
            kernel_size,
            stride=kernel_size if stride is None else stride,
            padding=padding if isinstance(padding, int) else 0,
            bias=bias,
        )
        self.norm = None if norm_cfg is None else build_norm_layer(norm_cfg, embed_dims)
        self.init_out_size = self._out_size(input_size)

    def forward(self, x: Tensor) -> tuple[Tensor, Size]:
        """Return tokens (B, h * w, C) of images (B, 3, H, W), and (h, w)."""
        height, width = self._missing(x.shape[-2:])
        if height or width:
            top, left = (height // 2, width // 2) if self.padding == "same" else (0, 0)
            x = F.pad(x, (left, width - left, top, height - top))
        x = self.projection(x)
        size = (x.shape[2], x.shape[3])
        x = x.flatten(2).transpose(1, 2)
        return x if self.norm is None else self.norm(x), size

    def _missing(self, size: tuple[int, ...]) -> Size:
        """Return how many rows and columns are missing to cover (h, w) by whole patches."""
        if isinstance(self.padding, int):
            return 0, 0
        rows, columns = (
            _missing_to_cover(n, kernel, stride)
            for n, stride, kernel in zip(
                size, self.projection.stride, self.projection.kernel_size, strict=True
            )
        )
        return rows, columns

    def _out_size(self, size: Size) -> Size:
        margin = 2 * self.padding if isinstance(self.padding, int) else 0
        rows, columns = (
            (n + extra + margin - kernel) // stride + 1
            for n, extra, stride, kernel in zip(
                size,
                self._missing(size),
                self.projection.stride,
                self.projection.kernel_size,
                strict=True,
            )
        )
        return rows, columns


class PatchMerging(nn.Module):
    """Make one token of the tokens of 2 x 2 places (Liu et al., Swin Transformer, ICCV 2021).

    Args:
        in_channels: channels of a token.
        out_channels: channels of a merged token.
        stride: distance of the places that are merged.
        norm_cfg: kind of norm before the reduction; None for none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 2,
        norm_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.norm = None if norm_cfg is None else build_norm_layer(norm_cfg, 4 * in_channels)
        self.reduction = nn.Linear(4 * in_channels, out_channels, bias=False)

    def forward(self, x: Tensor, size: Size) -> tuple[Tensor, Size]:
        """Return merged tokens and their (h, w) from tokens (B, h * w, C)."""
        maps = x.transpose(1, 2).reshape(x.shape[0], -1, *size)
        rows, columns = (_missing_to_cover(n, 2, self.stride) for n in size)
        if rows or columns:
            maps = F.pad(maps, (0, columns, 0, rows))
        x = F.unfold(maps, 2, stride=self.stride).transpose(1, 2)
        x = self.reduction(x if self.norm is None else self.norm(x))
        height, width = ((n - 2) // self.stride + 1 for n in maps.shape[2:])
        return x, (height, width)


def _missing_to_cover(length: int, kernel: int, stride: int) -> int:
    """Return by how much a side has to grow so that windows cover it."""
    return max((math.ceil(length / stride) - 1) * stride + kernel - length, 0)


def resize_position_embedding(
    embedding: Tensor, source: Size, target: Size, mode: str = "bicubic", num_extra_tokens: int = 1
) -> Tensor:
    """Interpolate the embedding of patch positions to another grid.

    Args:
        embedding: (1, extra + h * w, C).
        source: (h, w) of the grid it is for.
        target: (h, w) of the grid it should be for.
        mode: of the interpolation.
        num_extra_tokens: tokens in front that are no patches; they stay as they are.

    Returns:
        (1, extra + target h * target w, C).
    """
    if source == target:
        return embedding
    extra, grid = embedding[:, :num_extra_tokens], embedding[:, num_extra_tokens:]
    maps = grid.reshape(1, *source, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(maps.float(), size=target, mode=mode, align_corners=False)
    return torch.cat([extra, resized.flatten(2).transpose(1, 2).to(embedding.dtype)], dim=1)
