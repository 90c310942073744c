"""The second pass over a video: who is who, smoothing, gaps and 3D, once all frames have poses.

Frames are annotated in shards, in any order and anywhere. What needs their neighbours happens here,
over the whole video in order, so that no answer depends on where a shard ended.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from raypose.inference.annotation.shards import Shard
from raypose.inference.annotation.table import Row, instances_of, poses_of
from raypose.inference.pose_branch import BranchStream, PoseBranch, Size
from raypose.structures import Poses

FRAMES = "_frames"
"""Folder below the output of the frames before the second pass."""

# Frames that a lifter gets together; not those of a shard, so that these do not matter.
_FRAMES_AT_ONCE = 64
# Seconds by which a frame is later than the one before at least, whatever the file says.
_LEAST_STEP = 1e-6


@dataclass(frozen=True, kw_only=True)
class Video:
    """A video of a job, cut into shards.

    Attributes:
        name: the same in every run; in the order of the input.
        num_shards: how many shards it has.
    """

    name: str
    num_shards: int

    @property
    def part_name(self) -> str:
        """Return the name of the file with the answers."""
        return f"part-{self.name}.parquet"

    @property
    def folder(self) -> str:
        """Return the folder, below the output, of its frames before the second pass."""
        return f"{FRAMES}/{self.name}"


def group_videos(shards: Iterable[Shard]) -> Iterator[tuple[Video | None, list[Shard]]]:
    """Yield the shards of each video together, and those of images under None, in order."""
    for is_video, group in groupby(shards, key=lambda shard: shard.is_video):
        if not is_video:
            yield None, list(group)
            continue
        for _, parts in groupby(group, key=lambda shard: shard.root):
            of_video = list(parts)
            content = zlib.crc32(" ".join(shard.part_name for shard in of_video).encode())
            name = f"{of_video[0].index:06d}-{content:08x}"
            yield Video(name=name, num_shards=len(of_video)), of_video


def finish_video(rows: Iterable[Row], branches: Mapping[str, PoseBranch]) -> Iterator[Row]:
    """Yield the rows of a video with identities, smoothed, filled and lifted as is asked for.

    Args:
        rows: all frames of the video in order, with their 2D poses.
        branches: the models by category, with how they are used in time.

    Yields:
        As many rows, in the same order. Only so many are held as filters and lifters look ahead.
    """
    stream = _VideoRows({name: branch.start_video(live=False) for name, branch in branches.items()})
    sizes = {name: branch.pose.num_keypoints for name, branch in branches.items()}
    waiting = iter(rows)
    while chunk := list(islice(waiting, _FRAMES_AT_ONCE)):
        found = {name: [poses_of(row, K, name) for row in chunk] for name, K in sizes.items()}
        yield from stream.push(chunk, found)
    yield from stream.flush()


class _VideoRows:
    """The rows of one video until all categories of theirs are finished."""

    def __init__(self, streams: Mapping[str, BranchStream]) -> None:
        self._streams = dict(streams)
        self._rows: deque[Row] = deque()
        self._finished: dict[str, deque[Poses]] = {name: deque() for name in streams}
        self._size: Size = (1, 1)
        self._time: float | None = None
        self._step = _LEAST_STEP

    def push(self, rows: Sequence[Row], found: Mapping[str, Sequence[Poses]]) -> Iterator[Row]:
        """Take the next rows, with the poses of each category; yield those that are finished."""
        self._rows += rows
        sizes = [self._size_of(row) for row in rows]
        times = [self._time_of(row) for row in rows]
        for name, stream in self._streams.items():
            self._finished[name] += stream.push(found[name], times, sizes)
        yield from self._take()

    def flush(self) -> Iterator[Row]:
        """Yield the rows that are left at the end of the video."""
        for name, stream in self._streams.items():
            self._finished[name] += stream.flush()
        yield from self._take()

    def _take(self) -> Iterator[Row]:
        while self._rows and all(self._finished.values()):
            found = {name: poses.popleft() for name, poses in self._finished.items()}
            yield {**self._rows.popleft(), "instances": instances_of(found)}

    def _size_of(self, row: Row) -> Size:
        """Return (w, h) of a frame; one that could not be read is like the one before."""
        if row["width"] is not None:
            self._size = (row["width"], row["height"])
        return self._size

    def _time_of(self, row: Row) -> float:
        """Return the time of a frame, later than the one before also where the file says not."""
        before, time = self._time, row["time"]
        if before is None:
            self._time = 0.0 if time is None else float(time)
        else:
            time = before + self._step if time is None else time
            self._time = max(float(time), before + _LEAST_STEP)
            self._step = self._time - before
        return self._time
