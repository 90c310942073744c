"""`RandomPlaybackSpeed`: a lifter's window at another frame rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError, DataError
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample

Floats = npt.NDArray[np.floating[Any]]


@TRANSFORMS.register_module()
class RandomPlaybackSpeed:
    """Take a window's frames closer together or farther apart, about the target frame.

    A lifter that has learned from videos of one frame rate takes others for slower or faster
    motion. The dataset gives more frames than the network sees; `num_frames` of them remain, at
    a random distance, interpolated between two where they fall between. 2D keypoints and
    `keypoints_3d` change; the target, which is one of the frames, stays.

    Args:
        num_frames: frames that the network sees, `seq_len` of validation.
        speed: smallest and largest distance of these, in frames of the dataset, drawn uniformly
            on a logarithmic scale.
        causal: the target is the last frame, not the middle one, as in the dataset.

    Raises:
        ConfigError: for numbers that cannot be.

    Example:
        type: RandomPlaybackSpeed
        num_frames: 9
        speed: [0.5, 3]
    """

    def __init__(
        self, num_frames: int, speed: Sequence[float] = (0.5, 2.0), causal: bool = False
    ) -> None:
        problems = []
        if num_frames < 2 or (num_frames % 2 == 0 and not causal):
            kind = "at least 2" if causal else "odd and at least 3"
            problems.append(f"num_frames is {kind}, got {num_frames}")
        if len(speed) != 2 or not 0 < speed[0] <= speed[1]:
            problems.append(
                f"speed is the smallest and the largest one, both above 0, got {list(speed)}"
            )
        if problems:
            raise ConfigError(problems)
        self.num_frames = num_frames
        self.causal = causal
        self._low, high = math.log(speed[0]), math.log(speed[1])
        self._span = high - self._low
        before = num_frames - 1 if causal else num_frames // 2
        self._offsets = np.arange(num_frames) - before
        self.seq_len = math.ceil(before * speed[1]) * (1 if causal else 2) + 1

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Take the frames.

        Raises:
            DataError: if the sample has fewer frames than the largest speed needs.
        """
        keypoints = sample.keypoints
        count = 0 if keypoints is None else len(keypoints)
        if keypoints is None or count < self.seq_len:
            raise DataError(
                f"sample {sample.id}: RandomPlaybackSpeed takes {self.num_frames} of "
                f"{self.seq_len} frames, got {count}; set seq_len: {self.seq_len} in the dataset"
            )
        if not self.causal and count % 2 == 0:
            raise DataError(f"sample {sample.id}: {count} frames have no middle one")
        target = count - 1 if self.causal else count // 2
        step = math.exp(self._low + self._span * sample.rng.random())
        at = target + self._offsets * step
        first = np.minimum(at.astype(np.int64), count - 2)
        share = (at - first).astype(np.float32)
        sample.keypoints = _between(keypoints, first, share)
        if sample.keypoints_visible is not None:
            sample.keypoints_visible = _both(sample.keypoints_visible, first, share)
        meta = sample.meta
        if "keypoints_3d" in meta:
            meta["keypoints_3d"] = _between(meta["keypoints_3d"], first, share)
            if "keypoints_3d_visible" in meta:
                meta["keypoints_3d_visible"] = _both(meta["keypoints_3d_visible"], first, share)
        return sample


def _between(points: Floats, first: npt.NDArray[np.int64], share: Floats) -> Floats:
    """Points (T, K, D) at frames `first` + `share`."""
    start, end = points[first], points[first + 1]
    end -= start
    end *= share[:, None, None]
    end += start
    return end


def _both(visible: Floats, first: npt.NDArray[np.int64], share: Floats) -> Floats:
    """Visibility (T, K) where both frames, if it takes two, see a keypoint."""
    if visible.all():
        return visible[: len(first)]
    one, other = visible[first], visible[first + 1]
    share = share[:, None]
    return np.where(share == 0, one, np.where(share == 1, other, np.minimum(one, other)))
