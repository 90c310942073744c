"""`RandomChoice`: one of several lists of transforms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raypose.errors import ConfigError
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.compose import Transforms, build_transforms, call_in_turn


@TRANSFORMS.register_module()
class RandomChoice:
    """Draw one of several lists of transforms and call it.

    Args:
        transforms: lists of transforms.
        prob: probability of each list; all alike by default.

    Raises:
        ConfigError: if probabilities and lists do not fit.

    Example:
        type: RandomChoice
        transforms:
          - [{type: YOLOXHSVRandomAug}]
          - [{type: PhotometricDistortion}, {type: RandomFlip}]
        prob: [0.7, 0.3]
    """

    def __init__(
        self, transforms: Sequence[Transforms], prob: Sequence[float] | None = None
    ) -> None:
        if not transforms:
            raise ConfigError("RandomChoice needs lists of transforms")
        if prob is not None and (
            len(prob) != len(transforms) or min(prob) < 0 or not np.isclose(sum(prob), 1)
        ):
            raise ConfigError(
                f"prob has one number for each of the {len(transforms)} lists, 1 in sum; got "
                f"{list(prob)}"
            )
        self.transforms = [build_transforms(steps) for steps in transforms]
        self.prob = None if prob is None else np.cumsum(prob)

    def __call__(self, sample: PoseSample) -> PoseSample | None:
        """Return the sample after one of the lists, None if that drops it."""
        if self.prob is None:
            number = int(sample.rng.integers(len(self.transforms)))
        else:
            drawn = np.searchsorted(self.prob, sample.rng.random(), side="right")
            number = min(int(drawn), len(self.transforms) - 1)
        return call_in_turn(self.transforms[number], sample)
