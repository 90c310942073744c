"""Overlays: the poses of finished annotations drawn on the pictures they belong to."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import cv2

from raypose.errors import DataError
from raypose.inference.annotation import storage
from raypose.inference.annotation.job import AnnotationJob
from raypose.inference.annotation.pictures import annotated_pictures
from raypose.inference.annotation.sinks.answers import is_frame
from raypose.inference.annotation.table import Row, poses_of
from raypose.inference.annotation.tasks import Plan
from raypose.inference.frame import Frame
from raypose.structures import Skeleton
from raypose.visualization import draw_poses

Pair = tuple[Frame, Row]
_RATE = 25.0  # of a video of one frame


def draw_annotations(
    job: AnnotationJob, plan: Plan, out: storage.Location, score_threshold: float = 0.3
) -> int:
    """Draw annotations: one JPEG for each image, one MP4 for each video.

    Args:
        job: which is complete.
        plan: all of its pieces.
        out: folder of the pictures, called as their sources are: `a.jpg`, but `a.png.jpg` and
            `walk.avi.mp4`, lest `a.jpg` beside `a.png` be lost.
        score_threshold: keypoints of a lower score are not drawn.

    Returns:
        How many pictures or frames were drawn.

    Raises:
        DataError: if a picture cannot be read any more, or a video cannot be written.
        ConfigError: if the config of the pose model does not name its skeleton.
    """
    count = 0
    pairs = annotated_pictures(job, plan)
    for source, group in groupby(pairs, key=lambda pair: pair[1]["source"]):
        drawn = _drawn(group, job.skeleton, score_threshold)
        first = next(drawn, None)
        if first is None:
            continue
        if is_frame(first[0]):
            target = storage.inside(out, _file_name(source, ".mp4"))
            count += _write_video(target, chain([first], drawn))
        else:
            for _, image in chain([first], drawn):
                target = storage.inside(out, _file_name(source, ".jpg"))
                storage.write_whole(target, encode_jpeg(image))
                count += 1
    return count


def encode_jpeg(image: Any) -> bytes:
    """Return an image (H, W, 3) uint8 BGR as the bytes of a file."""
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def _file_name(source: str, suffix: str) -> str:
    return source if PurePosixPath(source).suffix.lower() == suffix else source + suffix


def _drawn(
    pairs: Iterable[Pair], skeleton: Skeleton, score_threshold: float
) -> Iterator[tuple[Row, Any]]:
    """Yield the rows of pictures that can be read with the pictures, poses drawn."""
    for frame, row in pairs:
        if frame.image is not None:
            categories = {instance["category"] or "" for instance in row["instances"]}
            image = frame.image
            for category in sorted(categories):
                poses = poses_of(row, skeleton.num_keypoints, category)
                image = draw_poses(image, poses, skeleton, score_threshold=score_threshold)
            yield row, image


def _write_video(target: str, drawn: Iterable[tuple[Row, Any]]) -> int:
    # OpenCV writes to local paths only.
    with tempfile.TemporaryDirectory(prefix="raypose-") as folder:
        path = Path(folder, "video.mp4")
        count = _encode(path, drawn, target)
        with path.open("rb") as file:
            storage.write_whole(target, partial(_copy, file))
    return count


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    shutil.copyfileobj(source, target)


def _encode(path: Path, drawn: Iterable[tuple[Row, Any]], target: str) -> int:
    waiting = iter(drawn)
    head = list(islice(waiting, 2))
    step = head[-1][0]["time"] - head[0][0]["time"]
    height, width = head[0][1].shape[:2]
    fourcc = cv2.VideoWriter.fourcc(*"mp4v")
    rate = 1 / step if step > 0 else _RATE
    writer = cv2.VideoWriter(str(path), fourcc, rate, (width, height))
    count = 0
    try:
        if not writer.isOpened():
            raise DataError(f"{storage.shown(target)}: OpenCV cannot write this video")
        for _, image in chain(head, waiting):
            writer.write(image)
            count += 1
    finally:
        writer.release()
    return count
