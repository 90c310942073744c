"""`Annotator`: one shard to one Parquet file, in this process.

The same object runs in this process for small jobs and inside Ray Data's actors for large ones.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from raypose.errors import DataError
from raypose.inference.annotation.shards import Shard
from raypose.inference.annotation.table import Annotation, write_part
from raypose.inference.predictor import Predictor
from raypose.inference.sources import Frame, iter_video
from raypose.ops.image_files import read_image


@dataclass(frozen=True, kw_only=True)
class ShardReport:
    """What became of a shard.

    Attributes:
        part: name of the file written.
        rows: images or frames in it.
        instances: instances in it.
        errors: images that could not be read.
        first_error: why the first of them could not.
        seconds: time it took.
    """

    part: str
    rows: int
    instances: int
    errors: int
    first_error: str | None
    seconds: float

    def to_json(self) -> str:
        """Return the report as text, to travel."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ShardReport:
        """Rebuild the report from `to_json()`."""
        return cls(**json.loads(text))


class Annotator:
    """Annotate shards.

    Args:
        predictor: the models.
        decode_threads: threads that read and decode images ahead of the models.
        step: images or frames that the models see together.
    """

    def __init__(self, predictor: Predictor, decode_threads: int = 2, step: int = 16) -> None:
        self.predictor = predictor
        self.step = step
        self._pool = ThreadPoolExecutor(decode_threads, thread_name_prefix="decode")

    def __call__(self, shard: Shard, folder: Path) -> ShardReport:
        """Write the answers for a shard to its part file in a folder; it appears whole."""
        started = time.monotonic()
        annotations = list(self.annotate(shard))
        write_part(annotations, folder / shard.part_name)
        errors = [item.error for item in annotations if item.error is not None]
        return ShardReport(
            part=shard.part_name,
            rows=len(annotations),
            instances=sum(0 if item.poses is None else len(item.poses) for item in annotations),
            errors=len(errors),
            first_error=errors[0] if errors else None,
            seconds=round(time.monotonic() - started, 3),
        )

    def annotate(self, shard: Shard) -> Iterator[Annotation]:
        """Yield the answer for each image or frame of a shard, in order."""
        frames = self._video_frames(shard) if shard.is_video else self._image_frames(shard)
        boxes = None if shard.boxes is None else iter(shard.boxes)
        while chunk := list(islice(frames, self.step)):
            given = None if boxes is None else list(islice(boxes, len(chunk)))
            for frame, poses in zip(
                chunk, self.predictor.predict_frames(chunk, given), strict=True
            ):
                image = frame.image
                yield Annotation(
                    source=frame.source,
                    frame=frame.index,
                    size=None if image is None else (image.shape[1], image.shape[0]),
                    poses=None if image is None else poses,
                    error=frame.error,
                )

    def _image_frames(self, shard: Shard) -> Iterator[Frame]:
        """Read images in threads, at most two steps ahead of the models."""
        waiting: list[Future[Frame]] = []
        for source in shard.sources:
            waiting.append(self._pool.submit(_read, shard.root, source))
            if len(waiting) > 2 * self.step:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()

    def _video_frames(self, shard: Shard) -> Iterator[Frame]:
        name = shard.sources[0]
        done = shard.start
        try:
            for frame in iter_video(Path(shard.root) / name, shard.start, shard.stop):
                yield Frame(source=name, index=frame.index, image=frame.image)
                done = frame.index + 1
        except DataError as error:
            yield Frame(source=name, index=done, error=str(error))
            done += 1
        # A video may end before the frame it promised; every frame still gets its row.
        for index in range(done, shard.stop or done):
            yield Frame(source=name, index=index, error="the video ends before this frame")


def _read(root: str, source: str) -> Frame:
    try:
        return Frame(source=source, image=read_image(Path(root) / source))
    except DataError as error:
        return Frame(source=source, error=str(error))
