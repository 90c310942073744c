"""`SimCCLabel`: keypoints as two one-dimensional classifications."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from raypose.codecs.arguments import size_pair, visible_or_ones
from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.ops.peaks import simcc_maximum
from raypose.ops.refine import refine_simcc_dark
from raypose.registry import CODECS

# exp(-80) is 2e-35; what lies below is 0, as denormal numbers are slow and mean nothing here.
_LOWEST_EXPONENT = -80.0


@CODECS.register_module()
class SimCCLabel(BaseKeypointCodec):
    """Keypoints as bins along x and along y.

    "SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation",
    https://arxiv.org/abs/2107.03332.

    Encodes `keypoint_x_labels` (B, N, K, Wx), `keypoint_y_labels` (B, N, K, Wy) with W = size *
    `simcc_split_ratio`, and `keypoint_weights` (B, N, K). Decodes a pair of (B, K, W) or
    (B, N, K, W).

    Args:
        input_size: (w, h) of the network's input.
        smoothing_type: `gaussian`, or `standard` for one bin with label smoothing.
        sigma: of the Gaussian in bins, one number or (x, y).
        simcc_split_ratio: bins for each pixel.
        label_smooth_weight: what `standard` spreads over the other bins, 0..1.
        normalize: divide the Gaussian by its integral.
        use_dark: refine the maximum by a Newton step.
        decode_visibility: also decode visibilities; scores are then a pair (scores, visibility).
        decode_beta: sharpness of the softmax that visibilities are read from.

    Raises:
        RayposeError: if `smoothing_type` is unknown, `sigma` has not one or two numbers, or
            `label_smooth_weight` does not fit.

    Example:
        type: SimCCLabel
        input_size: [192, 256]
        sigma: [4.9, 5.66]
        simcc_split_ratio: 2.0
        normalize: false
        use_dark: false
    """

    target_keys = ("keypoint_x_labels", "keypoint_y_labels", "keypoint_weights")

    def __init__(
        self,
        input_size: Sequence[int],
        smoothing_type: str = "gaussian",
        sigma: float | Sequence[float] = 6.0,
        simcc_split_ratio: float = 2.0,
        label_smooth_weight: float = 0.0,
        normalize: bool = True,
        use_dark: bool = False,
        decode_visibility: bool = False,
        decode_beta: float = 150.0,
    ) -> None:
        if smoothing_type not in ("gaussian", "standard"):
            raise RayposeError(
                f"smoothing_type of SimCCLabel is 'gaussian' or 'standard', got {smoothing_type!r}"
            )
        if not 0 <= label_smooth_weight <= 1:
            raise RayposeError(f"label_smooth_weight is in 0..1, got {label_smooth_weight}")
        if smoothing_type == "gaussian" and label_smooth_weight > 0:
            raise RayposeError(
                "label_smooth_weight belongs to smoothing_type 'standard', not 'gaussian'"
            )
        pair = [sigma, sigma] if isinstance(sigma, (int, float)) else list(sigma)
        if len(pair) != 2:
            raise RayposeError(f"sigma is one number or (x, y), got {pair}")
        self.input_size: tuple[int, ...] = size_pair("input_size", input_size)
        self.smoothing_type = smoothing_type
        self.sigma: tuple[float, ...] = (float(pair[0]), float(pair[1]))
        self.simcc_split_ratio = simcc_split_ratio
        self.label_smooth_weight = label_smooth_weight
        self.normalize = normalize
        self.use_dark = use_dark
        self.decode_visibility = decode_visibility
        self.decode_beta = decode_beta
        self.simcc_size = self._bins_of_axes()

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        """Make labels; see the base class."""
        visible = visible_or_ones(keypoints, keypoints_visible)
        bins = (keypoints * self.simcc_split_ratio).round().long()
        inside = torch.ones_like(visible, dtype=torch.bool)
        for axis, cells in enumerate(self.simcc_size):
            # A Gaussian counts while a part of its 3 sigma is inside, a single bin when it is.
            reach = 3 * self.sigma[axis] if self.smoothing_type == "gaussian" else None
            position = bins[..., axis]
            if reach is None:
                inside &= (position >= 0) & (position < cells)
            else:
                inside &= (position - reach < cells) & (position + reach + 1 >= 0)
        labelled = visible >= 0.5
        drawn = labelled & inside
        return {
            "keypoint_x_labels": self._labels(bins[..., 0], drawn, axis=0),
            "keypoint_y_labels": self._labels(bins[..., 1], drawn, axis=1),
            "keypoint_weights": torch.where(labelled & ~inside, 0.0, visible),
        }

    def decode(self, encoded: Sequence[Tensor]) -> tuple[Tensor, Any]:
        """Find the keypoints (B, N, K, 2) and scores (B, N, K); N is 1 for (B, K, W).

        Raises:
            RayposeError: if the vectors are not of the codec's length.
        """
        x, y = self._vectors(encoded)
        bins, scores = simcc_maximum(x, y)
        if self.use_dark:
            bins = self._refined(bins, (x, y))
        keypoints = bins / self.simcc_split_ratio
        if not self.decode_visibility:
            return keypoints, scores
        beta_x, beta_y = (self.decode_beta * sigma for sigma in self.sigma)
        _, visibility = simcc_maximum(x * beta_x, y * beta_y, apply_softmax=True)
        return keypoints, (scores, visibility)

    def _bins_of_axes(self) -> tuple[int, ...]:
        return tuple(round(size * self.simcc_split_ratio) for size in self.input_size)

    def _vectors(self, encoded: Sequence[Tensor]) -> list[Tensor]:
        """Return the vectors of each axis as float32 (B, N, K, W).

        Raises:
            RayposeError: if they are not of the codec's length.
        """
        vectors = [values.detach().float() for values in encoded]
        lengths = tuple(values.shape[-1] for values in vectors)
        if lengths != self.simcc_size:
            first, *others = self.simcc_size
            wanted = f"{first} bins in x" + "".join(
                f" and {bins} in {axis}" for axis, bins in zip("yz", others, strict=False)
            )
            raise RayposeError(
                f"{type(self).__name__} with input_size {list(self.input_size)} and "
                f"simcc_split_ratio {self.simcc_split_ratio} decodes {wanted}, got "
                + " and ".join(map(str, lengths))
            )
        return [values[:, None] if values.ndim == 3 else values for values in vectors]

    def _refined(self, bins: Tensor, vectors: Sequence[Tensor]) -> Tensor:
        """Move the maxima (..., axes) of the vectors of each axis by a Newton step."""
        refined = [
            refine_simcc_dark(
                bins[..., axis].flatten(), values.flatten(0, -2), self._blur_kernel_size(axis)
            )
            for axis, values in enumerate(vectors)
        ]
        return torch.stack(refined, dim=-1).view(bins.shape)

    def _labels(self, bins: Tensor, drawn: Tensor, axis: int) -> Tensor:
        """Labels (..., W) with their centre at `bins` (...), zeros where not drawn.

        All of them are windows of one profile: its first W values are zeros, its centre comes
        2 W - 1 + reach later, so that a window may lie anywhere around it.
        """
        W = self.simcc_size[axis]
        reach = math.ceil(3 * self.sigma[axis]) + 1  # a centre may lie this far outside
        middle = 2 * W + reach
        steps = torch.arange(middle + W + reach, device=bins.device) - middle
        if self.smoothing_type == "gaussian":
            exponent = steps.float().square_() / (-2 * self.sigma[axis] ** 2)
            profile = exponent.exp().masked_fill_(exponent < _LOWEST_EXPONENT, 0.0)
            if self.normalize:
                profile /= self.sigma[axis] * math.sqrt(2 * math.pi)
        else:
            smooth = self.label_smooth_weight
            profile = torch.where(steps == 0, 1 - smooth, smooth / (W - 1))
        profile[:W] = 0
        windows = profile.unfold(0, W, 1)
        first = torch.where(drawn, middle - bins, 0)
        return windows.index_select(0, first.flatten()).view(*bins.shape, W)

    def _blur_kernel_size(self, axis: int) -> int:
        """Odd size of the kernel that goes with sigma."""
        size = int((self.sigma[axis] * 20 - 7) // 3)
        return size - 1 if size % 2 == 0 else size
