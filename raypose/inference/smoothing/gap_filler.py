"""`GapFiller`: adds the instances that a short gap in a track leaves out.

N instances of a frame.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError
from raypose.inference.smoothing.base import PoseFilter
from raypose.structures import Poses

MARK = "interpolated"


@dataclass(slots=True)
class _Pending:
    """A frame that waits, and what was interpolated for it."""

    index: int
    time: float
    poses: Poses
    added: list[Poses] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Sight:
    """When a track was seen last, and as which instance of that frame."""

    index: int
    time: float
    poses: Poses
    row: int

    def pose(self) -> Poses:
        """Return the instance alone."""
        return self.poses.select([self.row])


class GapFiller(PoseFilter):
    """Interpolates a track that vanishes for some frames and returns.

    Keypoints, 3D keypoints and boxes go straight from where it vanished to where it returned, as
    time goes on; scores are the lesser of both ends, and other fields are those from before the
    gap. The instance is added behind the others of the frame. All frames carry
    `extras["interpolated"]` (N,) bool, True for what was added.

    Frames wait while a track is missing that may still return, at most `max_gap` frames; while
    none is, they come out at once.

    Args:
        max_gap: frames that a track may be missing.

    Raises:
        ConfigError: if `max_gap` is below 1.
    """

    def __init__(self, max_gap: int = 10) -> None:
        super().__init__()
        if max_gap < 1:
            raise ConfigError(f"GapFiller: max_gap is at least 1, got {max_gap}")
        self.max_gap = max_gap
        self._waiting: deque[_Pending] = deque()
        self._last: dict[int, _Sight] = {}
        self._index = 0

    def push(self, poses: Poses, time: float) -> list[Poses]:
        """Return the frames that no missing track can return to; see `PoseFilter.push`."""
        ids = self._check(poses, time)
        for row, identity in enumerate(ids.tolist()):
            if identity < 0:
                continue
            sight = _Sight(self._index, time, poses, row)
            before = self._last.get(identity)
            if before is not None and before.index < self._index - 1:
                self._fill(before, sight)
            self._last[identity] = sight
        self._waiting.append(_Pending(self._index, time, poses))
        self._last = {
            identity: sight
            for identity, sight in self._last.items()
            if self._index - sight.index <= self.max_gap
        }
        complete = min((sight.index for sight in self._last.values()), default=self._index)
        self._index += 1
        finished = []
        while self._waiting and self._waiting[0].index <= complete:
            finished.append(_joined(self._waiting.popleft()))
        return finished

    def flush(self) -> list[Poses]:
        """Return the frames that waited for a track which did not return."""
        finished = [_joined(frame) for frame in self._waiting]
        self._waiting.clear()
        self._last.clear()
        self._index = 0
        self._time = None
        return finished

    def _fill(self, before: _Sight, after: _Sight) -> None:
        """Add a track to the waiting frames between two sights of it."""
        for frame in self._waiting:
            if before.index < frame.index < after.index:
                share = (frame.time - before.time) / (after.time - before.time)
                frame.added.append(_between(before.pose(), after.pose(), share))


def _between(before: Poses, after: Poses, share: float) -> Poses:
    """Return a pose part of the way from one to another."""

    def straight(name: str) -> Any:
        first, second = getattr(before, name), getattr(after, name)
        if first is None or second is None:
            return first
        return (first + np.float32(share) * (second - first)).astype(np.float32)

    def lesser(name: str) -> Any:
        first, second = getattr(before, name), getattr(after, name)
        return first if first is None or second is None else np.minimum(first, second)

    moving = ("keypoints", "bboxes", "keypoints_3d")
    unsure = ("keypoint_scores", "keypoints_visible", "bbox_scores", "scores")
    return before.replace(
        **{name: straight(name) for name in moving}, **{name: lesser(name) for name in unsure}
    )


def _joined(frame: _Pending) -> Poses:
    """Return a frame with what was added, marked."""
    parts = [_marked(frame.poses, False), *(_marked(poses, True) for poses in frame.added)]
    # A frame with nobody in it may lack fields that the others have.
    filled = [part for part in parts if len(part)] or parts[:1]
    return filled[0] if len(filled) == 1 else Poses.concatenate(filled)


def _marked(poses: Poses, interpolated: bool) -> Poses:
    mark: npt.NDArray[np.bool_] = np.full(len(poses), interpolated)
    return poses.replace(extras={**poses.extras, MARK: mark})
