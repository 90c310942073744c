"""`SimCC3DLabel`: keypoints as three one-dimensional classifications, the third one of depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from raypose.codecs.arguments import size_pair
from raypose.codecs.lifting import root_indices
from raypose.codecs.simcc_label import SimCCLabel
from raypose.errors import RayposeError
from raypose.ops.peaks import simcc_3d_maximum
from raypose.registry import CODECS

# Half of the depth that the bins span, in metres: the range of RTMW3D's training data.
_USUAL_Z_RANGE = 2.1744869


@CODECS.register_module()
class SimCC3DLabel(SimCCLabel):
    """Keypoints as bins along x, along y, and along the depth behind the root.

    Jiang et al.: "RTMW: Real-Time Multi-Person 2D and 3D Whole-body Pose Estimation", 2024.

    Encodes keypoints (B, N, K, 2) in input space to `keypoint_x_labels` (B, N, K, Wx),
    `keypoint_y_labels` (B, N, K, Wy), `keypoint_z_labels` (B, N, K, Wz), and the weights
    `keypoint_weights` and `weight_z` (B, N, K). Depths come from the annotation `keypoints_3d`
    (B, N, K, 3) in camera space, and the mean depth of the root keypoints is subtracted. Without
    that annotation, and where it is NaN, `weight_z` is 0. Decodes three of (B, K, W) or
    (B, N, K, W) to x and y in input space and z as it was encoded, relative to the root.

    Args:
        input_size: (w, h, d): the network's input and, in the same unit, the extent of depth.
        sigma: of the Gaussian in bins, one number or (x, y, z).
        simcc_split_ratio: bins for each pixel.
        normalize: divide the Gaussian by its integral.
        use_dark: refine the maximum by a Newton step.
        root_index: one root keypoint or several.
        z_range: half of the extent of depth in the unit of `keypoints_3d`; 2.17 metres by default.

    Raises:
        RayposeError: if `input_size` is not three positive whole numbers, `sigma` has not one or
            three numbers, or `z_range` is not above 0.

    Example:
        type: SimCC3DLabel
        input_size: [288, 384, 288]
        sigma: [6.0, 6.93, 6.0]
        simcc_split_ratio: 2.0
        normalize: false
        root_index: [11, 12]
    """

    target_keys = (
        "keypoint_x_labels",
        "keypoint_y_labels",
        "keypoint_z_labels",
        "keypoint_weights",
        "weight_z",
    )
    auxiliary_encode_keys = ("keypoints_3d",)

    def __init__(
        self,
        input_size: Sequence[int],
        sigma: float | Sequence[float] = 6.0,
        simcc_split_ratio: float = 2.0,
        normalize: bool = True,
        use_dark: bool = False,
        root_index: int | Sequence[int] = 0,
        z_range: float | None = None,
    ) -> None:
        sigmas = [sigma] * 3 if isinstance(sigma, (int, float)) else list(sigma)
        if len(sigmas) != 3:
            raise RayposeError(f"sigma is one number or (x, y, z), got {sigmas}")
        sizes = list(input_size)
        if len(sizes) != 3 or sizes[2] != int(sizes[2]) or sizes[2] <= 0:
            raise RayposeError(
                f"input_size is (w, h, d), three positive whole numbers, got {sizes}"
            )
        self.z_range = _USUAL_Z_RANGE if z_range is None else float(z_range)
        if self.z_range <= 0:
            raise RayposeError(f"z_range is above 0, got {z_range}")
        super().__init__(
            size_pair("input_size without its depth", sizes[:2]),
            sigma=sigmas[:2],
            simcc_split_ratio=simcc_split_ratio,
            normalize=normalize,
            use_dark=use_dark,
        )
        self.input_size = (*self.input_size, int(sizes[2]))
        self.sigma = (*self.sigma, float(sigmas[2]))
        self.simcc_size = self._bins_of_axes()
        self.root_index = root_index

    def encode(
        self,
        keypoints: Tensor,
        keypoints_visible: Tensor | None = None,
        keypoints_3d: Tensor | None = None,
        **annotations: Any,
    ) -> dict[str, Any]:
        """Make labels; see the base class.

        Raises:
            RayposeError: if a root is no keypoint.
        """
        z = torch.full_like(keypoints[..., 0], torch.nan)
        if keypoints_3d is not None:
            depth = keypoints_3d[..., 2] - self.root_depth(keypoints_3d)[..., None]
            z = self.depth_to_input(depth)
        known = z.isfinite()
        z = torch.where(known, z, 1.0)  # somewhere inside; it has no weight
        points = torch.cat([keypoints[..., :2], z[..., None]], dim=-1)
        targets = super().encode(points, keypoints_visible)
        weights = targets["keypoint_weights"]
        bins = (points[..., 2] * self.simcc_split_ratio).round().long()
        return {
            **targets,
            # What the weights leave is labelled and inside on all of the axes.
            "keypoint_z_labels": self._labels(bins, weights >= 0.5, axis=2),
            "weight_z": weights * known,
        }

    def root_depth(self, keypoints_3d: Tensor) -> Tensor:
        """Return the mean depth (...) of the roots of poses (..., K, 3) in camera space.

        Raises:
            RayposeError: if a root is no keypoint.
        """
        roots = root_indices(self.root_index, keypoints_3d.shape[-2])
        return torch.stack([keypoints_3d[..., i, 2] for i in roots]).mean(dim=0)

    def depth_to_input(self, depth: Tensor) -> Tensor:
        """Return depths behind the root in input space, 0 ... d."""
        return (depth / self.z_range + 1) * (self.input_size[2] / 2)

    def decode(self, encoded: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Find the keypoints (B, N, K, 3) and scores (B, N, K); N is 1 for (B, K, W).

        A score is the smaller one of the maxima of x and y.

        Raises:
            RayposeError: if the vectors are not of the codec's length.
        """
        vectors = self._vectors(encoded)
        bins, scores = simcc_3d_maximum(*vectors)
        if self.use_dark:
            bins = self._refined(bins, vectors)
        points = bins / self.simcc_split_ratio
        depth = (points[..., 2:] / (self.input_size[2] / 2) - 1) * self.z_range
        return torch.cat([points[..., :2], depth], dim=-1), scores
