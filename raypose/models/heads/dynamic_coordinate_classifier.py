"""`DCC`, RTMO's reader of poses: bins that span each person's own box.

Lu et al.: "RTMO: Towards High-Performance One-Stage Real-Time Multi-Person Pose Estimation",
CVPR 2024. P people, K keypoints, Wx and Wy bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.base_module import BaseModule
from raypose.models.layers.detr import build_layer
from raypose.models.layers.gau import RTMCCBlock
from raypose.models.layers.norm import as_affine
from raypose.models.layers.positional_encoding import SinePositionalEncoding

DEFAULT_GAU: Mapping[str, Any] = MappingProxyType(
    {
        "s": 128,
        "expansion_factor": 2,
        "dropout_rate": 0.0,
        "drop_path": 0.0,
        "act_fn": "SiLU",
        "use_rel_bias": False,
        "pos_enc": "add",
    }
)


class Factor(nn.Module):
    """One learned factor, `scale`.

    Args:
        scale: what it starts from.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        return x * self.scale


class DCC(BaseModule):
    """Dynamic coordinate classifier.

    Args:
        in_channels: length of a pose vector.
        num_keypoints: K.
        feat_channels: length of a keypoint vector and of a bin's.
        num_bins: (Wx, Wy).
        spe_channels: length of the encoding of a bin's position.
        spe_temperature: see `SinePositionalEncoding`.
        gau_cfg: arguments of `RTMCCBlock`, which lets keypoints inform each other; `pos_enc` is
            `add` for a learned code of each keypoint, or `none`. None for no such block.

    Raises:
        ConfigError: for another `pos_enc`, or arguments the block does not take.
    """

    x_bins: Tensor
    y_bins: Tensor

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        feat_channels: int,
        num_bins: Sequence[int],
        spe_channels: int = 128,
        spe_temperature: float = 300.0,
        gau_cfg: Mapping[str, Any] | None = DEFAULT_GAU,
    ) -> None:
        super().__init__()
        self.num_keypoints = num_keypoints
        self.spe = SinePositionalEncoding(spe_channels, temperature=spe_temperature)
        self.gau: RTMCCBlock | None = None
        self.pos_enc: nn.Parameter | None = None
        if gau_cfg is not None:
            given = {"use_rel_bias": False, **gau_cfg}
            codes = given.pop("pos_enc", "none")
            if codes not in ("add", "none"):
                raise ConfigError(f"gau_cfg: pos_enc is 'add' or 'none', got {codes!r}")
            shape = {
                "num_token": num_keypoints,
                "in_token_dims": feat_channels,
                "out_token_dims": feat_channels,
            }
            block: RTMCCBlock = build_layer(RTMCCBlock, {**given, **shape}, "gau_cfg")
            self.gau = block
            if codes == "add":
                self.pos_enc = nn.Parameter(torch.randn(num_keypoints, block.s))
        width = feat_channels * num_keypoints
        self.pose_to_kpts = nn.Sequential(nn.Linear(in_channels, width), nn.BatchNorm1d(width))
        self.x_fc = nn.Linear(spe_channels, feat_channels)
        self.y_fc = nn.Linear(spe_channels, feat_channels)
        self.sigma_fc = nn.Sequential(
            nn.Linear(in_channels, num_keypoints), nn.Sigmoid(), Factor(0.1)
        )
        self.register_buffer("y_bins", torch.linspace(-0.5, 0.5, num_bins[1]))
        self.register_buffer("x_bins", torch.linspace(-0.5, 0.5, num_bins[0]))

    def forward(
        self, pose_vectors: Tensor, center: Tensor, scale: Tensor, grids: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Read poses.

        Args:
            pose_vectors: (P, in_channels).
            center: (P, 2) middle of the box, input space.
            scale: (P, 2) extent of the box with some margin.
            grids: (P, 2) the point that the prediction starts from.

        Returns:
            Keypoints (P, K, 2) in input space, and the probabilities of the bins, (P, K, Wx) and
            (P, K, Wy).
        """
        features = self._keypoint_vectors(pose_vectors)
        coordinates, probabilities = [], []
        for axis, encode in enumerate((self.x_fc, self.y_fc)):
            bins = self._bins(axis, center, scale)
            codes = encode(self.spe(bins - grids[:, axis, None]))
            probability = (features @ codes.mT).clamp(-5e4, 5e4).softmax(dim=-1)
            coordinates.append((probability * bins[:, None]).sum(dim=-1))
            probabilities.append(probability)
        return torch.stack(coordinates, dim=-1), (probabilities[0], probabilities[1])

    def targets(
        self,
        pose_vectors: Tensor,
        keypoints: Tensor,
        center: Tensor,
        scale: Tensor,
        areas: Tensor,
    ) -> list[Tensor]:
        """Return the densities (P, K, Wx) and (P, K, Wy) that bins learn: a Laplace distribution.

        Args:
            pose_vectors: (P, in_channels), which predict its width.
            keypoints: (P, K, 2) targets.
            center: see `forward`.
            scale: see `forward`.
            areas: (P,) of the people, square pixels.
        """
        sigmas = self.sigma_fc(pose_vectors).clamp(min=1e-3)[..., None]
        size = areas.sqrt().clamp(min=1)[:, None, None]
        distances = (
            (keypoints[..., axis, None] - self._bins(axis, center, scale)[:, None]).abs()
            for axis in (0, 1)
        )
        return [torch.exp(-distance / size / sigmas / 2) / sigmas for distance in distances]

    @torch.no_grad()
    def switch_to_deploy(self) -> None:
        """Fold the batch norm and the codes of keypoints into the weights next to them."""
        if isinstance(self.pose_to_kpts, nn.Sequential):
            linear, norm = self.pose_to_kpts
            assert isinstance(linear, nn.Linear)
            factor, shift = as_affine(norm)
            linear.bias.copy_(linear.bias * factor + shift)
            linear.weight.mul_(factor[:, None])
            self.pose_to_kpts = linear
        if self.gau is not None and self.pos_enc is not None:
            self.gau.beta = nn.Parameter(self.gau.beta + self.pos_enc[:, None])
            self.pos_enc = None

    def _keypoint_vectors(self, pose_vectors: Tensor) -> Tensor:
        """Return (P, K, feat_channels)."""
        vectors = self._expand(pose_vectors).unflatten(-1, (self.num_keypoints, -1))
        return vectors if self.gau is None else self.gau(vectors, self.pos_enc)

    def _expand(self, pose_vectors: Tensor) -> Tensor:
        layers = self.pose_to_kpts
        if not self.training or len(pose_vectors) > 1 or not isinstance(layers, nn.Sequential):
            return layers(pose_vectors)
        # One row has no statistics of its own.
        linear, norm = layers
        assert isinstance(norm, nn.BatchNorm1d)
        mean, variance = norm.running_mean, norm.running_var
        values = linear(pose_vectors)
        return F.batch_norm(values, mean, variance, norm.weight, norm.bias, eps=norm.eps)

    def _bins(self, axis: int, center: Tensor, scale: Tensor) -> Tensor:
        """Return where the bins (P, Wx) or (P, Wy) of each box are, input space."""
        bins = (self.x_bins, self.y_bins)[axis]
        return bins * scale[:, axis, None] + center[:, axis, None]
