"""(2, 3) affine maps of points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def apply_affine(
    matrix: npt.NDArray[np.floating], points: npt.NDArray[np.floating]
) -> npt.NDArray[np.float32]:
    """Map points (..., 2) by a (2, 3) matrix."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def invert_affine(matrix: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Invert a (2, 3) affine matrix."""
    inverse = np.empty((2, 3), np.float64)
    inverse[:, :2] = np.linalg.inv(matrix[:, :2].astype(np.float64))
    inverse[:, 2] = -inverse[:, :2] @ matrix[:, 2]
    return inverse
