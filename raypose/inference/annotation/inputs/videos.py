"""Frames of videos.

A local video is counted when the work is planned and cut into ranges of frames. One on an object
store is a shard as a whole: who reads it fetches it to a temporary file, which goes with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import cv2

from raypose.errors import DataError
from raypose.inference.annotation import storage
from raypose.inference.annotation.inputs.decoding import as_text, unreadable
from raypose.inference.annotation.inputs.frame_range import FrameRange
from raypose.inference.annotation.inputs.options import InputOptions
from raypose.inference.annotation.shards import Picture, Shard
from raypose.inference.frame import Frame
from raypose.inference.read_ahead import read_ahead
from raypose.inference.sources import frame_rate, iter_video


@dataclass(frozen=True, kw_only=True)
class VideoShard(Shard):
    """Some frames of the video `root`.

    Attributes:
        name: of the video, without the prefix.
        start: first frame.
        stop: frame before which to end; None where the video is not counted yet.
        every: every n-th frame of the range.
        wanted: the range that was asked for, where the video is not counted yet.
        reason: why the video ends here or cannot be opened; one more row says so.
    """

    name: str
    start: int = 0
    stop: int | None = None
    every: int = 1
    wanted: str = ":"
    reason: str | None = None

    @property
    def is_video(self) -> bool:
        """Return whether these are frames of one video."""
        return True

    def __len__(self) -> int:
        stop = self.start if self.stop is None else self.stop
        return len(range(self.start, stop, self.every)) + (self.reason is not None)

    def read(self, pool: Executor, ahead: int) -> Iterator[Picture]:
        """Yield the frames; see `Shard.read`."""
        return read_ahead(self._pictures(), max(ahead, 1))

    def _pictures(self) -> Iterator[Picture]:
        if self.stop is not None:
            yield from self._frames(Path(self.root))
            return
        try:
            with storage.local_copy(self.root) as path:
                options = InputOptions(every=self.every, frames=FrameRange.parse(self.wanted))
                for part in plan_video(str(path), self.prefix, self.name, options, 1 << 30):
                    yield from part._frames(path)
        except storage.StorageError:
            raise
        except DataError as error:
            yield unreadable(self.prefix + self.name, str(error))

    def _frames(self, path: Path) -> Iterator[Picture]:
        source, stop = self.prefix + self.name, self.stop or 0
        index = self.start
        if index < stop:
            try:
                for frame in iter_video(path, self.start, stop, self.every):
                    index = frame.index + self.every
                    yield Picture(
                        Frame(
                            source=as_text(source),
                            index=frame.index,
                            time=frame.time,
                            image=frame.image,
                        )
                    )
            except DataError as error:
                yield unreadable(source, str(error), index)
                index += self.every
        # A video may have changed since it was counted; every frame still gets its row.
        for missing in range(index, stop, self.every):
            yield unreadable(source, "the video ends before this frame", missing)
        if self.reason is not None:
            yield unreadable(source, self.reason, stop)


def plan_video(
    location: str, prefix: str, name: str, options: InputOptions, shard_size: int
) -> list[VideoShard]:
    """Cut a video into shards.

    Args:
        location: the video.
        prefix: what its name begins with in the answers.
        name: of the video.
        options: which frames are wanted.
        shard_size: frames of one shard.

    Returns:
        The shards; none if the video has no frame in the wanted range. A video that cannot be
        read is a shard that says why.
    """
    if not storage.is_local(location):
        return [
            VideoShard(
                root=location,
                prefix=prefix,
                name=name,
                every=options.every,
                wanted=str(options.frames),
            )
        ]
    try:
        count, said, rate = count_exactly(location)
    except DataError as error:
        return [VideoShard(root=location, prefix=prefix, name=name, stop=0, reason=str(error))]
    start, stop = options.frames.of(count, rate)
    span = shard_size * options.every
    starts = list(range(start, stop, span))
    reason = None
    # Headers of some containers tell the length only roughly.
    if said - count > rate and options.frames.of(said, rate)[1] > count:
        reason = f"the video ends after {count} frames, its header says {said}"
        starts = starts or [count]
    return [
        VideoShard(
            root=location,
            prefix=prefix,
            name=name,
            start=first,
            stop=min(first + span, stop),
            every=options.every,
            reason=reason if first == starts[-1] else None,
        )
        for first in starts
    ]


def count_exactly(path: str) -> tuple[int, int, float]:
    """Return how many frames of a video can be read, how many its header says, and its rate.

    The header is believed if the last frame it promises is there and the last; else all frames
    are gone through.

    Raises:
        DataError: if the video cannot be opened or has no frame.
    """
    video = cv2.VideoCapture(path)
    try:
        if not video.isOpened():
            size = storage.size(path)
            raise DataError(
                f"{path}: empty, not a video"
                if not size
                else f"{path}: not a video that OpenCV can open ({size} bytes)"
            )
        rate = frame_rate(video)
        said = max(int(video.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        if said > 0 and video.set(cv2.CAP_PROP_POS_FRAMES, said - 1):
            exact = video.get(cv2.CAP_PROP_POS_FRAMES) == said - 1
            if exact and video.grab() and not video.grab():
                return said, said, rate
    finally:
        video.release()
    count = 0
    video = cv2.VideoCapture(path)
    try:
        while video.grab():
            count += 1
    finally:
        video.release()
    if not count:
        raise DataError(f"{path}: no frame of the video can be read")
    return count, said, rate
