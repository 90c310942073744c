"""`CropTransform`: how image space maps to input space and back, for one sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raypose.ops.affine import apply_affine, invert_affine

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CropTransform:
    """The one record of a crop.

    `matrix` is the affine map that moved the pixels (and, in training, the keypoints). `inverse`
    takes predictions back. They undo each other except for UDP crops: the reference maps those
    back by `input / input_size * scale + center - scale / 2` although its warp spans
    `input_size - 1`, and published accuracies depend on that.

    Attributes:
        matrix: (2, 3) float64, image space to input space.
        inverse: (2, 3) float64, input space to image space.
        center: (2,) float64, middle of the crop in image space.
        scale: (2,) float64, width and height of the crop in image space.
        input_size: (w, h) of the crop in input space.
    """

    matrix: Array
    inverse: Array
    center: Array
    scale: Array
    input_size: tuple[int, int]

    @classmethod
    def from_box(
        cls,
        center: npt.ArrayLike,
        scale: npt.ArrayLike,
        input_size: tuple[int, int],
        matrix: npt.ArrayLike | None = None,
    ) -> CropTransform:
        """Describe an upright crop by its box in image space.

        Args:
            center: (2,) middle of the box.
            scale: (2,) width and height of the box.
            input_size: (w, h) of the crop.
            matrix: (2, 3) map that moved the pixels, where it is not the exact inverse of the
                way back (UDP).
        """
        middle, extent = np.asarray(center, np.float64), np.asarray(scale, np.float64)
        size = np.asarray(input_size, np.float64)
        inverse = np.column_stack([np.diag(extent / size), middle - extent / 2])
        forward = invert_affine(inverse) if matrix is None else np.asarray(matrix, np.float64)
        return cls(
            matrix=forward,
            inverse=inverse,
            center=middle,
            scale=extent,
            input_size=(int(size[0]), int(size[1])),
        )

    @classmethod
    def from_matrix(
        cls,
        matrix: npt.ArrayLike,
        center: npt.ArrayLike,
        scale: npt.ArrayLike,
        input_size: tuple[int, int],
    ) -> CropTransform:
        """Describe any affine crop (rotated, flipped, shifted) by its (2, 3) matrix."""
        forward = np.asarray(matrix, np.float64)
        return cls(
            matrix=forward,
            inverse=invert_affine(forward),
            center=np.asarray(center, np.float64),
            scale=np.asarray(scale, np.float64),
            input_size=(int(input_size[0]), int(input_size[1])),
        )

    @classmethod
    def identity(cls, size: tuple[int, int]) -> CropTransform:
        """Return the transform of a whole image of `size` (w, h) used as it is."""
        extent = np.asarray(size, np.float64)
        return cls.from_box(extent / 2, extent, size)

    def to_input(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Map points (..., 2) from image space to input space."""
        return apply_affine(self.matrix, points)

    def to_image(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Map points (..., 2) from input space to image space."""
        return apply_affine(self.inverse, points)
