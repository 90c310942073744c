"""`Task`: what is done in one go, and where the answer goes."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass

from raypose.inference.annotation.shards import Shard
from raypose.inference.annotation.video_pass import Video, group_videos


@dataclass(frozen=True, kw_only=True)
class Task:
    """Annotate a shard; then finish the video it belongs to, if it was the last one missing.

    Attributes:
        shard: what to annotate; None where all frames of the video have been.
        video: the video whose frames need a second pass; None for images, and for frames that
            stand for themselves.
    """

    shard: Shard | None
    video: Video | None = None

    @property
    def part_name(self) -> str:
        """Return the file of the shard's answers, below the output; empty without a shard."""
        if self.shard is None:
            return ""
        folder = "" if self.video is None else f"{self.video.folder}/"
        return f"{folder}{self.shard.part_name}"

    def to_json(self) -> str:
        """Return the task as text, to travel."""
        shard = None if self.shard is None else self.shard.to_json()
        video = None if self.video is None else asdict(self.video)
        return json.dumps({"shard": shard, "video": video})

    @classmethod
    def from_json(cls, text: str) -> Task:
        """Rebuild the task from `to_json()`."""
        values = json.loads(text)
        shard, video = values["shard"], values["video"]
        return cls(
            shard=None if shard is None else Shard.from_json(shard),
            video=None if video is None else Video(**video),
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a job has to do.

    Attributes:
        groups: the videos with their shards; shards that stand for themselves under None.
    """

    groups: Sequence[tuple[Video | None, Sequence[Shard]]]

    @classmethod
    def of(cls, shards: Sequence[Shard], follow: bool) -> Plan:
        """Plan shards.

        Args:
            shards: all of the job, in order.
            follow: whether videos need a second pass.
        """
        return cls(groups=list(group_videos(shards)) if follow else [(None, shards)])

    def parts(self) -> set[str]:
        """Return the names of the parts that there are in the end."""
        return {
            name
            for video, shards in self.groups
            for name in (
                [shard.part_name for shard in shards] if video is None else [video.part_name]
            )
        }

    @property
    def has_videos(self) -> bool:
        """Return whether any of it is a video."""
        return any(shard.is_video for _, shards in self.groups for shard in shards)

    def tasks(self, done: Collection[str]) -> Iterator[Task]:
        """Yield what is left to do.

        Args:
            done: files there are below the output.
        """
        for video, shards in self.groups:
            if video is not None and video.part_name in done:
                continue
            tasks = [Task(shard=shard, video=video) for shard in shards]
            left = [task for task in tasks if task.part_name not in done]
            if video is not None and not left:
                left = [Task(shard=None, video=video)]
            yield from left

    def __len__(self) -> int:
        """Return the number of images and frames."""
        return sum(len(shard) for _, shards in self.groups for shard in shards)
