"""Gated attention over keypoint tokens, as RTMPose's heads use it.

B samples, K tokens (one for each keypoint), C channels.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raypose.models.layers.activation import build_activation_layer
from raypose.models.layers.drop_path import DropPath


class ScaleNorm(nn.Module):
    """Divide vectors by their length, up to one learned factor `g`.

    Nguyen and Salazar: "Transformers without Tears: Improving the Normalization of
    Self-Attention", 2019.

    Args:
        dim: length of the vectors.
        eps: smallest divisor.
    """

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.scale = dim**-0.5
        self.eps = eps
        self.g = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors (..., dim) of length sqrt(dim) * g."""
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True) * self.scale
        return x / length.clamp(min=self.eps) * self.g


class Scale(nn.Module):
    """Multiply channels by learned factors `scale`.

    Args:
        dim: number of channels.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., dim)."""
        return x * self.scale


class RTMCCBlock(nn.Module):
    """Gated attention unit: attention and feed-forward layer in one.

    Hua et al.: "Transformer Quality in Linear Time", ICML 2022.

    Args:
        num_token: K.
        in_token_dims: channels of the input.
        out_token_dims: channels of the output; the input is added where both are the same.
        expansion_factor: channels inside, in channels of the input.
        s: channels of queries and keys.
        dropout_rate: how many attention weights are dropped while training.
        drop_path: how many samples skip the block while training.
        act_fn: activation inside, `SiLU` or `ReLU`.
        use_rel_bias: add a learned bias for each distance between tokens.
        pos_enc: rotate queries and keys by their position.
    """

    def __init__(
        self,
        num_token: int,
        in_token_dims: int,
        out_token_dims: int,
        expansion_factor: float = 2,
        s: int = 128,
        dropout_rate: float = 0.0,
        drop_path: float = 0.0,
        act_fn: str = "SiLU",
        use_rel_bias: bool = True,
        pos_enc: bool = False,
    ) -> None:
        super().__init__()
        self.s = s
        self.e = int(in_token_dims * expansion_factor)
        self.pos_enc = pos_enc
        self.use_rel_bias = use_rel_bias
        if use_rel_bias:
            self.w = nn.Parameter(torch.rand(2 * num_token - 1))
        self.o = nn.Linear(self.e, out_token_dims, bias=False)
        self.uv = nn.Linear(in_token_dims, 2 * self.e + s, bias=False)
        self.gamma = nn.Parameter(torch.rand(2, s))
        self.beta = nn.Parameter(torch.rand(2, s))
        self.ln = ScaleNorm(in_token_dims)
        self.act_fn = build_activation_layer({"type": act_fn}, inplace=True)
        self.dropout = nn.Dropout(dropout_rate)
        self.drop_path = DropPath(drop_path)
        self.shortcut = in_token_dims == out_token_dims
        if self.shortcut:
            self.res_scale = Scale(in_token_dims)
        nn.init.xavier_uniform_(self.uv.weight)

    def forward(self, x: Tensor, token_codes: Tensor | None = None) -> Tensor:
        """Return (B, K, out_token_dims) from (B, K, in_token_dims).

        Args:
            x: the tokens.
            token_codes: (K, s) to add to queries and keys.
        """
        mixed = self.drop_path(self._attend(self.ln(x), token_codes))
        return self.res_scale(x) + mixed if self.shortcut else mixed

    def _attend(self, x: Tensor, token_codes: Tensor | None) -> Tensor:
        gate, values, base = self.act_fn(self.uv(x)).split([self.e, self.e, self.s], dim=2)
        pairs = base[:, :, None] * self.gamma + self.beta  # (B, K, 2, s)
        if self.pos_enc:
            pairs = _rotate(pairs)
        if token_codes is not None:
            pairs = pairs + token_codes[:, None]
        queries, keys = pairs.unbind(dim=2)
        scores = queries @ keys.transpose(1, 2)
        if self.use_rel_bias:
            scores = scores + self._distance_bias(scores)
        weights = self.dropout(F.relu(scores / math.sqrt(self.s)).square())
        return self.o(gate * (weights @ values))

    def _distance_bias(self, scores: Tensor) -> Tensor:
        """Return the bias (K, K): entry (i, j) is that of the distance j - i."""
        position = torch.arange(scores.shape[-1], device=scores.device)
        return self.w[position - position[:, None] + len(self.w) // 2]


def _rotate(pairs: Tensor) -> Tensor:
    """Rotate halves of the channels of (B, K, 2, s) against each other, by position.

    Su et al.: "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021. Frequencies
    grow with the channel here, as in the trained models.
    """
    half = pairs.shape[-1] // 2
    position = torch.arange(pairs.shape[1], device=pairs.device)[:, None, None]
    channel = torch.arange(half, device=pairs.device)
    angle = position * torch.pow(10000, channel / half)
    sine, cosine = angle.sin(), angle.cos()
    one, other = pairs.chunk(2, dim=-1)
    return torch.cat([one * cosine - other * sine, other * cosine + one * sine], dim=-1)
