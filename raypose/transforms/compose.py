"""`Compose`: a pipeline of transforms with random numbers that anyone can draw again."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from raypose.errors import ConfigError
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.reduced_loading import with_reduced_loading

Transform = Callable[[PoseSample], "PoseSample | None"]
Transforms = Sequence[Mapping[str, Any] | Transform]


@TRANSFORMS.register_module()
class Compose:
    """Call transforms one after the other.

    Random numbers depend on the seed, the epoch and the sample's id only: whichever process
    handles a sample, and whatever it handled before, the sample comes out the same.

    Args:
        transforms: mappings with `type`, or callables that take a sample and return it, or None
            to drop it.
        seed: of the run.
        reduced_decode: decode a JPEG no larger than its crop needs it; pixels differ a little.

    Raises:
        ConfigError: if an entry is no transform, or something between `LoadImage` and
            `TopdownAffine` needs an image that is to be reduced.

    Example:
        type: Compose
        seed: 1
        transforms:
          - {type: LoadImage}
          - {type: GetBBoxCenterScale}
          - {type: TopdownAffine, input_size: [192, 256]}
    """

    def __init__(self, transforms: Transforms, seed: int = 0, reduced_decode: bool = False) -> None:
        self.transforms = build_transforms(transforms)
        self.seed = seed
        problems = [
            f"transforms.{i}: a callable that takes a sample expected, got {step!r}"
            for i, step in enumerate(self.transforms)
            if not callable(step)
        ]
        if problems:
            raise ConfigError(problems)
        if reduced_decode:
            self.transforms = with_reduced_loading(self.transforms)

    def __call__(self, sample: PoseSample, epoch: int = 0) -> PoseSample | None:
        """Return the sample after all transforms, or None if one of them dropped it."""
        sample.rng = np.random.default_rng((self.seed, epoch, zlib.crc32(sample.id.encode())))
        return call_in_turn(self.transforms, sample)


def build_transforms(transforms: Transforms) -> list[Transform]:
    """Build the entries of a list of transforms."""
    return [TRANSFORMS.build(step) for step in transforms]


def call_in_turn(transforms: Sequence[Transform], sample: PoseSample) -> PoseSample | None:
    """Return the sample after all transforms, or None if one of them dropped it."""
    current: PoseSample | None = sample
    for transform in transforms:
        current = transform(current)
        if current is None:
            return None
    return current
