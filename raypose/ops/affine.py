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
    """Invert a (2, 3) affine matrix.

    Raises:
        numpy.linalg.LinAlgError: if it maps the plane to a line.
    """
    # Twenty times as fast as numpy.linalg for a matrix this small; every crop needs one or two.
    (a, b, x), (c, d, y) = matrix.tolist()
    area = a * d - b * c
    if area == 0:
        raise np.linalg.LinAlgError(f"a map without an inverse: {matrix.tolist()}")
    a, b, c, d = d / area, -b / area, -c / area, a / area
    return np.array([[a, b, -(a * x + b * y)], [c, d, -(c * x + d * y)]])
