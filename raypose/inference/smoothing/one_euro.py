"""`OneEuroFilter`: live smoothing without delay.

Casiez, Roussel, Vogel: "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems", CHI 2012. N instances of a frame, T tracks, P points, D dimensions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError
from raypose.inference.smoothing.base import PoseFilter
from raypose.inference.tracking import box_areas, boxes_of, known_keypoints
from raypose.structures import Poses

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

# Seconds after which a track that is not seen is forgotten.
_MEMORY = 2.0


class OneEuroFilter(PoseFilter):
    """A low-pass filter that gives way to speed: what rests is steady, what moves does not lag.

    The cutoff frequency of a keypoint is `min_cutoff + beta * speed`. Speed is measured in sizes
    of the body a second (the root of the area of its box; the longest side of a 3D pose), so the
    same numbers fit near and far ones. `keypoints` and `keypoints_3d` are smoothed. A keypoint of
    low score comes out as it went in and leaves no trace in later frames.

    Args:
        min_cutoff: Hz, of a keypoint at rest; lower is steadier.
        beta: how much the cutoff rises with speed, Hz for one body size a second; higher lags
            less.
        d_cutoff: Hz, of the speed itself.
        keypoint_thr: least score of a keypoint that is smoothed.

    Raises:
        ConfigError: for a cutoff that is not above 0 or a negative beta.
    """

    def __init__(
        self,
        min_cutoff: float = 1.0,
        beta: float = 10.0,
        d_cutoff: float = 1.0,
        keypoint_thr: float = 0.2,
    ) -> None:
        super().__init__()
        problems = [
            f"OneEuroFilter: {name} is above 0 Hz, got {value}"
            for name, value in (("min_cutoff", min_cutoff), ("d_cutoff", d_cutoff))
            if not value > 0
        ]
        if not beta >= 0:
            problems.append(f"OneEuroFilter: beta is at least 0, got {beta}")
        if problems:
            raise ConfigError(problems)
        self.keypoint_thr = keypoint_thr
        self._flat = _PointFilter(min_cutoff, beta, d_cutoff)
        self._lifted = _PointFilter(min_cutoff, beta, d_cutoff)

    @property
    def num_tracks(self) -> int:
        """Return how many tracks are remembered."""
        return len(self._flat)

    def push(self, poses: Poses, time: float) -> list[Poses]:
        """Return the frame at once; see `PoseFilter.push`."""
        ids = self._check(poses, time)
        known = known_keypoints(poses, self.keypoint_thr)
        sizes = np.sqrt(box_areas(boxes_of(poses, self.keypoint_thr)))
        keypoints = self._flat.smooth(poses.keypoints, known, sizes, ids, time)
        lifted = poses.keypoints_3d
        if lifted is not None:
            known = np.all(np.isfinite(lifted), axis=-1)
            lifted = self._lifted.smooth(lifted, known, _longest_sides(lifted, known), ids, time)
        return [poses.replace(keypoints=keypoints, keypoints_3d=lifted)]

    def flush(self) -> list[Poses]:
        """Return nothing: no frame is held back."""
        self._time = None
        self._flat.clear()
        self._lifted.clear()
        return []


class _PointFilter:
    """The filter of one array of points, for all tracks at once."""

    def __init__(self, min_cutoff: float, beta: float, d_cutoff: float) -> None:
        self.min_cutoff = min_cutoff
        self.beta = beta
        self.d_cutoff = d_cutoff
        self.clear()

    def __len__(self) -> int:
        return len(self._row_of)

    def clear(self) -> None:
        """Forget all tracks."""
        self._row_of: dict[int, int] = {}
        # Of each point of each track: position, velocity, when it was last known (never: -inf).
        self._position = np.zeros((0, 0, 0))
        self._velocity = np.zeros((0, 0, 0))
        self._time = np.zeros((0, 0))

    def smooth(
        self, points: Floats, known: Mask, sizes: Floats, ids: npt.NDArray[np.int64], time: float
    ) -> npt.NDArray[np.float32]:
        """Return points (N, P, D) smoothed where they are known and have an identity.

        Args:
            points: (N, P, D).
            known: (N, P), which points can be trusted.
            sizes: (N,), of the bodies, in the unit of points.
            ids: (N,), -1 for those without an identity.
            time: seconds.
        """
        named = np.flatnonzero((ids >= 0) & (sizes > 0))
        if not len(named):
            self._forget(time)
            return points.astype(np.float32)
        rows = self._rows(ids[named], points.shape[1:])
        mask = known[named]
        new = np.where(mask[..., None], points[named], 0).astype(np.float64)
        before = np.isfinite(self._time[rows]) & mask
        step = np.where(before, time - self._time[rows], 1.0)[..., None]
        old, speed = self._position[rows], self._velocity[rows]
        velocity = np.where(before[..., None], (new - old) / step, 0)
        velocity = speed + _weight(self.d_cutoff, step) * (velocity - speed)
        relative = np.linalg.norm(velocity, axis=-1, keepdims=True) / sizes[named, None, None]
        weight = _weight(self.min_cutoff + self.beta * relative, step)
        position = np.where(before[..., None], old + weight * (new - old), new)
        self._position[rows] = np.where(mask[..., None], position, old)
        self._velocity[rows] = np.where(mask[..., None], velocity, speed)
        self._time[rows] = np.where(mask, time, self._time[rows])
        self._forget(time)
        smooth = points.astype(np.float32)
        smooth[named] = np.where(mask[..., None], position, smooth[named])
        return smooth

    def _rows(self, ids: npt.NDArray[np.int64], shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
        """Return the row of each identity, new ones behind the others."""
        unknown = [i for i in ids.tolist() if i not in self._row_of]
        if unknown:
            count = len(self._row_of)
            self._row_of.update({i: count + n for n, i in enumerate(unknown)})
            nothing = np.zeros((len(unknown), *shape))
            never = np.full((len(unknown), shape[0]), -np.inf)
            if not count:
                self._position, self._velocity, self._time = nothing, nothing.copy(), never
            else:
                self._position = np.concatenate([self._position, nothing])
                self._velocity = np.concatenate([self._velocity, nothing])
                self._time = np.concatenate([self._time, never])
        return np.array([self._row_of[i] for i in ids.tolist()], np.intp)

    def _forget(self, time: float) -> None:
        """Drop the tracks of which no point was known for a while."""
        recent = self._time.max(axis=1, initial=-np.inf) >= time - _MEMORY
        if not recent.all():
            kept = np.flatnonzero(recent)
            names = {row: i for i, row in self._row_of.items()}
            self._row_of = {names[row]: n for n, row in enumerate(kept.tolist())}
            self._position, self._velocity = self._position[kept], self._velocity[kept]
            self._time = self._time[kept]


def _weight(cutoff: Floats | float, step: Floats) -> Floats:
    """Weight of the newest value in a low-pass filter of a cutoff in Hz, after `step` seconds."""
    turn = 2 * np.pi * cutoff * step
    return turn / (turn + 1)


def _longest_sides(points: Floats, known: Mask) -> Floats:
    """Longest side (N,) of the box of the known points, 0 without any."""
    there = known[..., None]
    low = np.where(there, points, np.inf).min(axis=1, initial=np.inf)
    high = np.where(there, points, -np.inf).max(axis=1, initial=-np.inf)
    return np.maximum(high - low, 0).max(axis=1, initial=0)
