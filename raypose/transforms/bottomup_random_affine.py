"""`BottomupRandomAffine`: shift, scale, rotate and shear a whole image to the network's input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raypose.errors import ConfigError, DataError, did_you_mean
from raypose.ops.warps import get_pers_warp_matrix, get_udp_warp_matrix, get_warp_matrix
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.truncated_normal import truncated_normal
from raypose.transforms.warping import move_annotations, record_transform, warp_pixels

_CHOICES = {
    "scale_type": ("short", "long"),
    "distribution": ("trunc_norm", "uniform"),
    "transform_mode": ("affine", "affine_udp", "perspective"),
}


@TRANSFORMS.register_module()
class BottomupRandomAffine:
    """Augment a whole image with all its instances by one warp.

    Args:
        input_size: (w, h) of the input.
        shift_factor: largest shift, as a share of the image (`perspective`: of the input).
        shift_prob: probability of a shift.
        scale_factor: smallest and largest scale; above 1 shows more than the image in the affine
            modes, and enlarges it in `perspective`.
        scale_prob: probability of scaling.
        scale_type: the input covers the `short` or the `long` side of the image.
        rotate_factor: largest rotation, degrees.
        rotate_prob: probability of a rotation.
        shear_factor: largest shear, degrees; in `perspective` only.
        shear_prob: probability of a shear.
        pad_val: what lies outside of the image, one value or BGR.
        distribution: `trunc_norm`, normal and cut off at one standard deviation, or `uniform`.
        transform_mode: `affine`; `affine_udp`, measured between pixel centers; or `perspective`
            (a name only: it is affine), about the middle of the input and without resizing.
        bbox_keep_corner: leave boxes as their four warped corners.
        clip_border: hide keypoints outside of the input and clip boxes to it.

    Example:
        type: BottomupRandomAffine
        input_size: [512, 512]
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        shift_factor: float = 0.2,
        shift_prob: float = 1.0,
        scale_factor: Sequence[float] = (0.75, 1.5),
        scale_prob: float = 1.0,
        scale_type: str = "short",
        rotate_factor: float = 30.0,
        rotate_prob: float = 1.0,
        shear_factor: float = 2.0,
        shear_prob: float = 1.0,
        pad_val: float | Sequence[float] = 0,
        distribution: str = "trunc_norm",
        transform_mode: str = "affine",
        bbox_keep_corner: bool = True,
        clip_border: bool = False,
    ) -> None:
        given = {
            "scale_type": scale_type,
            "distribution": distribution,
            "transform_mode": transform_mode,
        }
        problems = [
            f"{name} is one of {', '.join(_CHOICES[name])}, got {value!r}."
            + did_you_mean(str(value), _CHOICES[name])
            for name, value in given.items()
            if value not in _CHOICES[name]
        ]
        if len(input_size) != 2 or min(input_size) < 1:
            problems.append(f"input_size is width and height in pixels, got {input_size}")
        if problems:
            raise ConfigError(problems)
        self.input_size = (int(input_size[0]), int(input_size[1]))
        self.shift_factor = shift_factor
        self.shift_prob = shift_prob
        self.scale_min, self.scale_max = scale_factor
        self.scale_prob = scale_prob
        self.scale_type = scale_type
        self.rotate_factor = rotate_factor
        self.rotate_prob = rotate_prob
        self.shear_factor = shear_factor
        self.shear_prob = shear_prob
        self.pad_val = pad_val if isinstance(pad_val, (int, float)) else tuple(pad_val)
        self.distribution = distribution
        self.transform_mode = transform_mode
        self.bbox_keep_corner = bbox_keep_corner
        self.clip_border = clip_border

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Replace `image`, move the annotations, fill `transform`.

        Raises:
            DataError: if the image is not loaded.
        """
        if sample.image is None or sample.image.ndim != 3:
            raise DataError(f"sample {sample.id}: its image is not loaded; LoadImage comes first")
        H, W = sample.image.shape[:2]
        matrix, center, scale = self._geometry(sample.rng, np.array([W, H], np.float64))
        warp_pixels(sample, matrix, self.input_size, self.pad_val)
        record_transform(sample, matrix, center, scale, self.input_size, upright=False)
        move_annotations(
            sample, matrix, self.input_size, self.bbox_keep_corner, clip=self.clip_border
        )
        return sample

    def _geometry(
        self, rng: np.random.Generator, image_size: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(2, 3) map to input space, and the middle and extent of what is shown."""
        shift, scale, rotation, shear = self._draw(rng)
        if self.transform_mode == "perspective":
            size = np.asarray(self.input_size, np.float64)
            matrix = get_pers_warp_matrix(size / 2, shift * size, scale, rotation, shear)[:2]
            return matrix, size / 2 - shift * size, size / scale
        shown = self._cover(scale * image_size)
        if self.transform_mode == "affine_udp":
            center = (image_size - 1) / 2 + shift * image_size
            return get_udp_warp_matrix(center, shown, rotation, self.input_size), center, shown
        center = image_size / 2 + shift * image_size
        return get_warp_matrix(center, shown, rotation, self.input_size), center, shown

    def _draw(self, rng: np.random.Generator) -> tuple[np.ndarray, float, float, np.ndarray]:
        """Shift (2,), scale, rotation and shear (2,); as many numbers whatever happens."""
        happens = rng.random(4) < (
            self.shift_prob,
            self.scale_prob,
            self.rotate_prob,
            self.shear_prob,
        )
        if self.distribution == "uniform":
            amount = rng.uniform(-1, 1, 6)
        else:
            amount = truncated_normal(rng, 6)
        middle, spread = (
            (self.scale_max + self.scale_min) / 2,
            (self.scale_max - self.scale_min) / 2,
        )
        shift = amount[:2] * self.shift_factor * happens[0]
        scale = amount[2] * spread + middle if happens[1] else 1.0
        return (
            shift,
            float(scale),
            float(amount[3] * self.rotate_factor * happens[2]),
            amount[4:] * self.shear_factor * happens[3],
        )

    def _cover(self, extent: np.ndarray) -> np.ndarray:
        """Bring (w, h) to the aspect ratio of the input, by its short or its long side."""
        ratio = self.input_size[0] / self.input_size[1]
        w, h = extent
        pick = min if self.scale_type == "short" else max
        return np.array([pick(w, h * ratio), pick(h, w / ratio)])
