"""Random numbers of augmentation."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

_NORMAL = NormalDist()
_LOW, _HIGH = _NORMAL.cdf(-1.0), _NORMAL.cdf(1.0)


def truncated_normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw from a standard normal distribution cut off at -1 and 1.

    By the inverse of its distribution function: one uniform number each, so that what is drawn
    afterwards does not depend on the values.

    Args:
        rng: where the numbers come from.
        shape: of the result.

    Returns:
        float64 array.
    """
    uniform = rng.uniform(_LOW, _HIGH, shape)
    return np.array([_NORMAL.inv_cdf(p) for p in uniform.ravel().tolist()]).reshape(shape)
