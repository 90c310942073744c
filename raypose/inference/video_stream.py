"""`VideoStream`: the frames of one video until all that is asked of them is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from raypose.inference.frame import Frame
from raypose.inference.pose_branch import BranchStream, Size
from raypose.structures import Poses

Found = dict[str, Poses]
"""The poses of an image by category."""


class VideoStream:
    """Hold the frames of one video while their poses are tracked, smoothed and lifted.

    Every frame comes out once, in order, with its poses. Where filters or lifters look ahead it
    comes out later; only so many frames are held.

    Args:
        branches: by category, what is remembered of its poses.
    """

    def __init__(self, branches: Mapping[str, BranchStream]) -> None:
        self._branches = dict(branches)
        self._frames: deque[Frame] = deque()
        self._finished: dict[str, deque[Poses]] = {name: deque() for name in branches}
        self._size: Size = (1, 1)

    def push(self, frames: Sequence[Frame], found: Sequence[Found]) -> list[tuple[Frame, Found]]:
        """Take the next frames of the video.

        Args:
            frames: with their `time`; one without an image has nobody in it.
            found: 2D poses of each.

        Returns:
            The frames that are finished, with their poses.
        """
        self._frames += frames
        sizes = [self._size_of(frame) for frame in frames]
        times = [frame.time or 0.0 for frame in frames]
        for name, branch in self._branches.items():
            poses = [each[name] for each in found]
            self._finished[name] += branch.push(poses, times, sizes)
        return list(self._take())

    def flush(self) -> list[tuple[Frame, Found]]:
        """Return the frames that are left at the end of the video."""
        for name, branch in self._branches.items():
            self._finished[name] += branch.flush()
        return list(self._take())

    def _take(self) -> Iterator[tuple[Frame, Found]]:
        while self._frames and all(self._finished.values()):
            found = {name: poses.popleft() for name, poses in self._finished.items()}
            yield self._frames.popleft(), found

    def _size_of(self, frame: Frame) -> Size:
        """Return (w, h) of a frame; one that could not be read is like the one before."""
        if frame.image is not None:
            self._size = (frame.image.shape[1], frame.image.shape[0])
        return self._size


def split_by_video(
    frames: Iterable[Frame], last: Frame | None
) -> Iterator[tuple[bool, list[Frame]]]:
    """Split frames where a video begins, or ends and pictures follow.

    Args:
        frames: in order.
        last: the frame before them, if any.

    Yields:
        Whether what follows begins anew, and frames of the same video, or pictures.
    """
    part: list[Frame] = []
    begins = False
    for frame in frames:
        is_new = last is None or not _continues(last, frame)
        if part and is_new:
            yield begins, part
            part = []
        if not part:
            begins = is_new
        part.append(frame)
        last = frame
    if part:
        yield begins, part


def _continues(last: Frame, frame: Frame) -> bool:
    if last.time is None or frame.time is None:
        return last.time is None and frame.time is None
    # Each video starts its time anew.
    return frame.time > last.time
