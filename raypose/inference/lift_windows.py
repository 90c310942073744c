"""What a lifter sees of a video: the 2D poses of a person around a frame, window by window.

N instances, T frames of a window, K keypoints of the 2D skeleton. NumPy only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError, RayposeError
from raypose.structures import Poses

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiftInput:
    """What a lifter needs for the people of one frame.

    Attributes:
        poses: the 2D poses of the frame, image space.
        windows: (N, T, K, 2) float32 keypoints of each person around the frame, image space.
        scores: (N, T, K) float32 scores of these.
        image_size: (w, h) of the frame.
        target: where in the window the frame is.
    """

    poses: Poses
    windows: Floats
    scores: Floats
    image_size: tuple[int, int]
    target: int

    def to_row(self) -> dict[str, Any]:
        """Return a flat mapping of Arrow-friendly values: flat lists, shapes beside them."""
        row: dict[str, Any] = {"image_size": list(self.image_size), "target": self.target}
        for name, array in (("windows", self.windows), ("scores", self.scores)):
            row[name] = array.reshape(-1).tolist()
            row[f"{name}.shape"] = list(array.shape)
        row.update({f"poses.{key}": value for key, value in self.poses.to_row().items()})
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> LiftInput:
        """Rebuild the record from `to_row()`, also after a trip through Arrow."""
        windows, scores = (
            np.asarray(row[name], np.float32).reshape([int(n) for n in row[f"{name}.shape"]])
            for name in ("windows", "scores")
        )
        width, height = row["image_size"]
        poses = {
            key.removeprefix("poses."): value
            for key, value in row.items()
            if key.startswith("poses.")
        }
        return cls(
            poses=Poses.from_row(poses),
            windows=windows,
            scores=scores,
            image_size=(int(width), int(height)),
            target=int(row["target"]),
        )


def single_frame(poses: Poses, image_size: Sequence[int], num_frames: int) -> LiftInput:
    """Return the input for an image by itself: windows that show it T times.

    Args:
        poses: of the image, image space.
        image_size: (w, h) of the image.
        num_frames: T.
    """
    return _lift_input(poses, image_size, num_frames, num_frames // 2)


class LiftWindows:
    """The memory of one video: where each tracked person was in the last frames.

    Frames go in one by one, in order, and come out with the window of every person. Before the
    first frame of a track and after its last one, that frame is repeated, as
    `raypose.datasets.BaseMocapDataset` pads its videos with `pad_video_seq`. Frames in which a
    track was not seen are interpolated where it comes back soon; where it comes back late it
    starts anew, and no window reaches across. People without a track id (None or negative) get
    the one frame, repeated.

    What is held is bounded by the length of a window, however long the video is.

    Args:
        num_frames: T.
        target: index in the window of the frame that is lifted.
        step: distance between the frames of a window.
        causal: answer at once. Frames after the target that the window has room for are not known
            then, and the newest one is repeated in their place. Otherwise a frame comes out when
            its window is complete, `delay` frames later.
        max_gap: most frames in a row without a track that are interpolated.

    Attributes:
        delay: frames that must follow a frame before it comes out.

    Raises:
        ConfigError: for arguments that make no window.

    Example:
        The middle of 27 frames:

            windows = LiftWindows(27, target=13)
            for frame, poses in predictor("street.mp4"):
                for ready in windows.push(poses, frame.image.shape[1::-1]):
                    ...
            rest = windows.flush()
    """

    def __init__(
        self,
        num_frames: int,
        target: int,
        step: int = 1,
        *,
        causal: bool = False,
        max_gap: int = 5,
    ) -> None:
        if num_frames < 1 or step < 1 or max_gap < 0:
            raise ConfigError(
                "num_frames and step are at least 1 and max_gap at least 0, got "
                f"{num_frames}, {step} and {max_gap}"
            )
        if not 0 <= target < num_frames:
            raise ConfigError(f"target is from 0 to {num_frames - 1}, got {target}")
        self.num_frames = num_frames
        self.target = target
        self.step = step
        self.max_gap = max_gap
        self._offsets = (np.arange(num_frames) - target) * step
        self.delay = 0 if causal else int(self._offsets[-1])
        self._tracks: dict[int, _Track] = {}
        self._waiting: deque[tuple[Poses, Sequence[int]]] = deque()
        self._pushed = 0

    def push(self, poses: Poses, image_size: Sequence[int]) -> list[LiftInput]:
        """Add the next frame of the video, also one in which nobody was found.

        Args:
            poses: with `track_ids` where people were tracked; image space.
            image_size: (w, h) of the frame.

        Returns:
            The frames that are ready, oldest first: none or one.

        Raises:
            RayposeError: if two people have the same track id.
        """
        self._observe(poses)
        self._waiting.append((poses, image_size))
        self._pushed += 1
        ready = [self._next()] if len(self._waiting) > self.delay else []
        self._forget()
        return ready

    def flush(self) -> list[LiftInput]:
        """End the video: return the frames that still wait, and start with an empty memory."""
        ready = [self._next() for _ in range(len(self._waiting))]
        self._tracks.clear()
        return ready

    @property
    def _oldest(self) -> int:
        """Number of the oldest frame that waits; that of the next one where none does."""
        return self._pushed - len(self._waiting)

    def _observe(self, poses: Poses) -> None:
        ids = [track for track in _track_ids(poses) if track >= 0]
        if len(set(ids)) < len(ids):
            twice = sorted({track for track in ids if ids.count(track) > 1})
            raise RayposeError(f"track ids are there twice in one frame: {twice}")
        points = np.concatenate(
            [poses.keypoints[..., :2], poses.keypoint_scores[..., None]], axis=-1
        ).astype(np.float32, copy=False)
        first = self._oldest + int(self._offsets[0])
        for index, track in enumerate(_track_ids(poses)):
            if track >= 0:
                known = self._tracks.setdefault(track, _Track(points.shape[1]))
                known.add(self._pushed, points[index], self.max_gap, first)

    def _next(self) -> LiftInput:
        frame = self._oldest
        poses, image_size = self._waiting.popleft()
        made = _lift_input(poses, image_size, self.num_frames, self.target)
        for index, track in enumerate(_track_ids(poses)):
            if track >= 0:
                window = self._tracks[track].window(frame, frame + self._offsets)
                made.windows[index], made.scores[index] = window[..., :2], window[..., 2]
        return made

    def _forget(self) -> None:
        """Drop tracks that no frame needs and that would start anew."""
        lost = [
            track
            for track, known in self._tracks.items()
            if known.last < self._oldest and self._pushed - 1 - known.last > self.max_gap
        ]
        for track in lost:
            del self._tracks[track]


class _Track:
    """Where one person was seen; runs are stretches without a long gap."""

    def __init__(self, num_keypoints: int) -> None:
        self._frames: Integers = np.zeros(0, np.int64)
        self._runs: Integers = np.zeros(0, np.int64)
        self._points: Floats = np.zeros((0, num_keypoints, 3), np.float32)

    @property
    def last(self) -> int:
        """Number of the last frame with this person."""
        return int(self._frames[-1])

    def add(self, frame: int, points: Floats, max_gap: int, first: int) -> None:
        """Add points (K, 3), and keep of the others what tells of `first` and later frames."""
        run = 0
        if len(self._frames):
            run = int(self._runs[-1]) + (frame - self.last - 1 > max_gap)
        start = max(int(np.searchsorted(self._frames, first, side="right")) - 1, 0)
        self._frames = np.append(self._frames[start:], frame)
        self._runs = np.append(self._runs[start:], run)
        self._points = np.concatenate([self._points[start:], points[None]])

    def window(self, frame: int, wanted: Integers) -> Floats:
        """Return the points (T, K, 3) at the wanted frames, from the run that `frame` is in."""
        run = self._runs == self._runs[np.searchsorted(self._frames, frame)]
        frames, points = self._frames[run], self._points[run]
        after = np.searchsorted(frames, wanted).clip(max=len(frames) - 1)
        before = np.where(frames[after] > wanted, np.maximum(after - 1, 0), after)
        span = np.maximum(frames[after] - frames[before], 1)
        share = np.where(after > before, (wanted - frames[before]) / span, 0).astype(np.float32)
        start = points[before]
        return np.add(start, share[:, None, None] * (points[after] - start), dtype=np.float32)


def _track_ids(poses: Poses) -> list[int]:
    """Return the track id of each person, -1 where there is none."""
    return [-1] * len(poses) if poses.track_ids is None else poses.track_ids.tolist()


def _lift_input(poses: Poses, image_size: Sequence[int], num_frames: int, target: int) -> LiftInput:
    """Return windows that show the poses in every frame."""
    width, height = image_size
    return LiftInput(
        poses=poses,
        windows=_repeated(poses.keypoints[..., :2], num_frames),
        scores=_repeated(poses.keypoint_scores, num_frames),
        image_size=(int(width), int(height)),
        target=target,
    )


def _repeated(values: npt.NDArray[Any], num_frames: int) -> Floats:
    return np.repeat(values[:, None], num_frames, axis=1).astype(np.float32, copy=False)
