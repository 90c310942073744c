"""Pictures beside their finished annotations, for what has to look at both."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from raypose.errors import DataError
from raypose.inference.annotation import storage
from raypose.inference.annotation.job import AnnotationJob
from raypose.inference.annotation.parts import read_part
from raypose.inference.annotation.table import Row
from raypose.inference.annotation.tasks import Plan
from raypose.inference.frame import Frame

_AHEAD = 16


def annotated_pictures(
    job: AnnotationJob, plan: Plan, only: Collection[str] | None = None
) -> Iterator[tuple[Frame, Row]]:
    """Read the input of a complete job once more and yield each picture with its row, in order.

    Args:
        job: which is complete.
        plan: all of its pieces.
        only: names of the parts that are wanted; all of them by default.

    Raises:
        DataError: if the input is no longer what was annotated.
    """
    with ThreadPoolExecutor(job.options.decode_threads, thread_name_prefix="decode") as pool:
        for video, shards in plan.groups:
            if video is None:
                groups = [(shard.part_name, [shard]) for shard in shards]
            else:
                groups = [(video.part_name, list(shards))]
            for part, of_part in groups:
                if only is not None and part not in only:
                    continue
                rows = read_part(storage.join(job.out, part))
                pictures = chain.from_iterable(shard.read(pool, _AHEAD) for shard in of_part)
                for row in rows:
                    picture = next(pictures, None)
                    frame = None if picture is None else picture.frame
                    if frame is None or (frame.source, frame.index) != (
                        row["source"],
                        row["frame"],
                    ):
                        raise DataError(
                            f"{row['source']}: the input has changed since it was annotated"
                        )
                    yield frame, row
