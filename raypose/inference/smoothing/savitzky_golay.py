"""`SavitzkyGolayFilter`: smoothing of recorded video by local polynomials.

Savitzky, Golay: "Smoothing and Differentiation of Data by Simplified Least Squares Procedures",
Analytical Chemistry 1964. W frames of a window, N instances of a frame, P points, D dimensions.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError
from raypose.inference.smoothing.base import PoseFilter
from raypose.inference.tracking import known_keypoints
from raypose.structures import Poses

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


class _Frame(NamedTuple):
    poses: Poses
    time: float
    row_of: dict[int, int]
    known: Mask
    known_3d: Mask


class SavitzkyGolayFilter(PoseFilter):
    """Puts each keypoint on the polynomial that fits the frames around it best.

    The window is centred, so frames come out half a window late; at the start and the end of the
    stream it is the first or last whole window, and nothing is lost. Motion along a polynomial of
    `polyorder` stays exactly as it is. Time steps may differ. `keypoints` and `keypoints_3d` are
    smoothed. Frames of the window in which a track or a keypoint is missing, or its score is low,
    take no part; a keypoint of low score itself comes out as it went in.

    Args:
        window_length: frames of the window, odd.
        polyorder: degree of the polynomial, below `window_length`.
        keypoint_thr: least score of a keypoint that takes part.

    Raises:
        ConfigError: if the window is even or too short.
    """

    def __init__(
        self, window_length: int = 7, polyorder: int = 2, keypoint_thr: float = 0.2
    ) -> None:
        super().__init__()
        problems = []
        if window_length < 1 or window_length % 2 == 0:
            problems.append(
                f"SavitzkyGolayFilter: window_length is odd and above 0, got {window_length}"
            )
        if not 0 <= polyorder < window_length:
            problems.append(
                f"SavitzkyGolayFilter: polyorder is at least 0 and below window_length "
                f"({window_length}), got {polyorder}"
            )
        if problems:
            raise ConfigError(problems)
        self.window_length = window_length
        self.polyorder = polyorder
        self.keypoint_thr = keypoint_thr
        self._window: deque[_Frame] = deque(maxlen=window_length)
        # How many frames of the window came out.
        self._done = 0

    def push(self, poses: Poses, time: float) -> list[Poses]:
        """Return the frame half a window ago; see `PoseFilter.push`."""
        ids = self._check(poses, time)
        if len(self._window) == self.window_length:
            self._done -= 1
        lifted = poses.keypoints_3d
        self._window.append(
            _Frame(
                poses=poses,
                time=time,
                row_of={i: row for row, i in enumerate(ids.tolist()) if i >= 0},
                known=known_keypoints(poses, self.keypoint_thr),
                known_3d=np.zeros((len(poses), 0), np.bool_)
                if lifted is None
                else np.all(np.isfinite(lifted), axis=-1),
            )
        )
        if len(self._window) < self.window_length:
            return []
        return self._finish(self.window_length // 2 + 1)

    def flush(self) -> list[Poses]:
        """Return the last half of a window, or all of a stream that is shorter than one."""
        rest = self._finish(len(self._window))
        self._window.clear()
        self._done = 0
        self._time = None
        return rest

    def _finish(self, end: int) -> list[Poses]:
        """Smooth the frames of the window before `end` that did not come out yet."""
        finished = [self._smooth(index) for index in range(self._done, end)]
        self._done = max(self._done, end)
        return finished

    def _smooth(self, index: int) -> Poses:
        frame = self._window[index]
        poses = frame.poses
        if not frame.row_of:
            return poses
        rows = np.fromiter(frame.row_of.values(), np.intp)
        keypoints = poses.keypoints.copy()
        keypoints[rows] = self._fit(index, [(f.poses.keypoints, f.known) for f in self._window])
        if poses.keypoints_3d is None:
            return poses.replace(keypoints=keypoints)
        lifted = poses.keypoints_3d.copy()
        lifted[rows] = self._fit(
            index,
            [
                (lifted if f.poses.keypoints_3d is None else f.poses.keypoints_3d, f.known_3d)
                for f in self._window
            ],
        )
        return poses.replace(keypoints=keypoints, keypoints_3d=lifted)

    def _fit(self, index: int, window: list[tuple[Floats, Mask]]) -> Floats:
        """Return the points (N, P, D) of the tracks of frame `index`, smoothed.

        Args:
            index: of the frame in the window.
            window: points and which of them are known, of each frame.
        """
        names = list(self._window[index].row_of)
        shape = window[index][0].shape[1:]
        points = np.zeros((len(window), len(names), *shape))
        known = np.zeros(points.shape[:-1], np.bool_)
        for w, (frame, (values, trusted)) in enumerate(zip(self._window, window, strict=True)):
            here = [(n, frame.row_of[name]) for n, name in enumerate(names) if name in frame.row_of]
            if here and trusted.shape[1] == shape[0]:
                columns, rows = np.array(here).T
                points[w, columns] = values[rows]
                known[w, columns] = trusted[rows]
        weights = self._weights(index, known)
        smooth = np.einsum("wnp,wnpd->npd", weights, np.where(known[..., None], points, 0))
        return np.where(known[index][..., None], smooth, points[index])

    def _weights(self, index: int, known: Mask) -> Floats:
        """Return the weight (W, N, P) of each frame in the smoothed value of frame `index`.

        Points that are known in the same frames share a polynomial fit; there are few such sets.
        """
        times = np.array([frame.time for frame in self._window])
        times = (times - times[index]) / max(np.ptp(times), np.finfo(np.float64).tiny)
        powers = np.vander(times, self.polyorder + 1, increasing=True)
        sets, member = np.unique(known.reshape(len(known), -1).T, axis=0, return_inverse=True)
        weights = np.zeros(sets.shape)
        for row, frames in zip(weights, sets, strict=True):
            # With fewer frames than coefficients, the fit goes through all of them.
            row[frames] = np.linalg.pinv(powers[frames])[0]
        return weights[member.reshape(-1)].T.reshape(known.shape)
