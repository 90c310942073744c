"""`TopdownAffine`: cut the crop of one box."""

from __future__ import annotations

import numpy as np

from raypose.errors import ConfigError, DataError
from raypose.ops.affine import apply_affine
from raypose.ops.warps import fix_aspect_ratio, get_udp_warp_matrix, get_warp_matrix
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.warping import record_transform, warp_pixels


@TRANSFORMS.register_module()
class TopdownAffine:
    """Warp the box of a sample to the network's input; flips that are pending happen here too.

    The box grows on its short side to the aspect ratio of the input. What lies outside of the
    image is black.

    Args:
        input_size: (w, h) of the input.
        use_udp: measure boxes and input between pixel centers (Huang et al., "The Devil is in the
            Details", CVPR 2020).

    Example:
        type: TopdownAffine
        input_size: [192, 256]
    """

    def __init__(self, input_size: tuple[int, int], use_udp: bool = False) -> None:
        if len(input_size) != 2 or min(input_size) < 1:
            raise ConfigError(f"input_size is width and height in pixels, got {input_size}")
        self.input_size = (int(input_size[0]), int(input_size[1]))
        self.use_udp = use_udp

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Replace `image` by the crop; fill `transform` and `transformed_keypoints`.

        Raises:
            DataError: if there is not exactly one box, or it has no area.
        """
        center, scale, rotation = self._box(sample)
        warp = get_udp_warp_matrix if self.use_udp else get_warp_matrix
        matrix = warp(center, scale, rotation, self.input_size)
        warp_pixels(sample, matrix, self.input_size)
        record_transform(sample, matrix, center, scale, self.input_size, upright=rotation == 0)
        if sample.keypoints is not None:
            moved = sample.keypoints.copy()
            moved[..., :2] = apply_affine(matrix, moved[..., :2])
            sample.transformed_keypoints = moved
        return sample

    def _box(self, sample: PoseSample) -> tuple[np.ndarray, np.ndarray, float]:
        """Center, scale in the input's aspect ratio, and rotation."""
        if sample.bbox_center is None or sample.bbox_scale is None:
            raise DataError(f"sample {sample.id}: GetBBoxCenterScale goes before TopdownAffine")
        if len(sample.bbox_center) != 1:
            raise DataError(
                f"sample {sample.id}: TopdownAffine crops one box, got {len(sample.bbox_center)}; "
                "bottom-up data goes through BottomupRandomAffine or BottomupResize"
            )
        w, h = self.input_size
        sample.bbox_scale = fix_aspect_ratio(sample.bbox_scale, w / h)
        center, scale = sample.bbox_center[0], sample.bbox_scale[0]
        if not (np.isfinite(center).all() and np.isfinite(scale).all() and scale.min() > 0):
            raise DataError(
                f"sample {sample.id}: a box with an area expected, got the center "
                f"{center.tolist()} and the scale {scale.tolist()}"
            )
        rotation = 0.0 if sample.bbox_rotation is None else float(sample.bbox_rotation[0])
        return center, scale, rotation
