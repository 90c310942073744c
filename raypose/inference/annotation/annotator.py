"""`Annotator`: one shard to one Parquet file, the shards of a video to one, in this process.

The same object runs in this process for small jobs and inside Ray Data's actors for large ones.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from raypose.inference.annotation import storage
from raypose.inference.annotation.parts import list_parts, read_info, read_part, write_part
from raypose.inference.annotation.shards import Picture, Shard
from raypose.inference.annotation.table import Annotation, Layout, Row
from raypose.inference.annotation.tasks import Task
from raypose.inference.annotation.video_pass import Video, finish_video
from raypose.inference.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of a task.

    Attributes:
        rows: images or frames that were annotated.
        instances: instances in them.
        errors: how many could not be read, by reason.
        first_error: why the first of them could not.
        seconds: what each stage took: `read` is waiting for pictures, `follow` the second pass
            over a video.
    """

    rows: int = 0
    instances: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    first_error: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the report as text, to travel."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Rebuild the report from `to_json()`."""
        return cls(**json.loads(text))


class Annotator:
    """Do tasks: annotate shards, and finish videos whose shards are all there.

    Args:
        predictor: the models.
        out: folder of the answers, a path or an address.
        layout: of the tables.
        fingerprint: of the job; noted in every part.
        decoding: reads and decodes images ahead of the models; two threads by default.
        step: images or frames that the models see together.
    """

    def __init__(
        self,
        predictor: Predictor[Any],
        out: str | Path,
        *,
        layout: Layout = "image",
        fingerprint: Mapping[str, str] | None = None,
        decoding: Executor | None = None,
        step: int = 16,
    ) -> None:
        self.predictor = predictor
        self.out = out
        self.layout: Layout = layout
        self.fingerprint = dict(fingerprint or {})
        self.step = step
        self._pipeline = predictor.pipeline
        self._pool = decoding or ThreadPoolExecutor(2, thread_name_prefix="decode")

    def __call__(self, task: Task) -> Report:
        """Write the answers of a task; each file appears whole.

        A task that was done already may be done again: what it writes is the same.

        Raises:
            RayposeError: if a file cannot be written.
        """
        self._pipeline.clock.take()
        report = Report()
        if task.shard is not None:
            report = self._write_shard(task.shard, task)
            self._pipeline.clock.take()
        if task.video is not None:
            self._finish_if_complete(task.video)
        return replace(report, seconds=merge_seconds(report.seconds, self._pipeline.clock.take()))

    def annotate(self, shard: Shard, *, alone: bool = True) -> Iterator[Annotation]:
        """Yield the answer for each image or frame of a shard, in order.

        Args:
            shard: what to annotate.
            alone: whether each stands for itself; the poses of a video that is followed are not
                lifted before that.
        """
        pictures = shard.read(self._pool, 2 * self.step)
        while taken := self._next_pictures(pictures):
            chunk = [picture.frame for picture in taken]
            # What takes whole images has no use for the boxes that a list or COCO json has.
            given = [picture.boxes for picture in taken if picture.boxes is not None]
            given = given if given and self._pipeline.boxes.categories else None
            found = self._pipeline.find(chunk, given)
            done = self._pipeline.finish(chunk, found) if alone else zip(chunk, found, strict=True)
            for frame, poses in done:
                image = frame.image
                yield Annotation(
                    source=frame.source,
                    frame=frame.index,
                    time=frame.time,
                    size=None if image is None else (image.shape[1], image.shape[0]),
                    found={} if image is None else poses,
                    error=frame.error,
                )

    def _next_pictures(self, pictures: Iterator[Picture]) -> list[Picture]:
        with self._pipeline.clock("read"):
            return list(islice(pictures, self.step))

    def _write_shard(self, shard: Shard, task: Task) -> Report:
        started, first_error = time.perf_counter(), None

        def rows() -> Iterator[Row]:
            nonlocal first_error
            for annotation in self.annotate(shard, alone=task.video is None):
                row = annotation.to_row()
                first_error = first_error or row["error"]
                yield row

        info = write_part(
            rows(),
            storage.join(self.out, task.part_name),
            # What the second pass reads again is one row an image.
            "image" if task.video is not None else self.layout,
            seconds=self._pipeline.clock.seconds,
            fingerprint=self.fingerprint,
        )
        writing = time.perf_counter() - started - sum(info.seconds.values())
        return Report(
            rows=info.rows,
            instances=info.instances,
            errors=info.errors,
            first_error=first_error,
            seconds=merge_seconds(info.seconds, {"write": max(writing, 0.0)}),
        )

    def _finish_if_complete(self, video: Video) -> None:
        """Make the second pass over a video unless shards are missing or it has been made.

        Whoever writes the last shard sees all of them. Two that see them at once write the same.
        """
        folder = storage.join(self.out, video.folder)
        target = storage.join(self.out, video.part_name)
        names = list_parts(folder)
        if len(names) < video.num_shards or storage.exists(target):
            return
        paths = [storage.join(folder, name) for name in names]
        spent: dict[str, float] = {}
        for path in paths:
            spent = merge_seconds(spent, read_info(path).seconds)
        rows = (row for path in paths for row in read_part(path))
        with self._pipeline.clock("follow"):
            write_part(
                finish_video(rows, self._pipeline.branches),
                target,
                self.layout,
                seconds=spent,
                fingerprint=self.fingerprint,
            )


def merge_seconds(*each: Mapping[str, float]) -> dict[str, float]:
    """Return the sums of seconds by stage, to the millisecond."""
    total: Counter[str] = Counter()
    for seconds in each:
        total.update(seconds)  # type: ignore[arg-type]
    return {stage: round(spent, 3) for stage, spent in total.items()}
