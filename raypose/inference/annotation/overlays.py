"""Overlays: the poses of finished annotations drawn on the pictures they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq

from raypose.errors import DataError
from raypose.inference.sources import is_video, iter_video
from raypose.ops.image_files import read_image
from raypose.structures import Poses, Skeleton
from raypose.visualization import draw_poses

Row = dict[str, Any]
Draw = Callable[[Row, Any], Any]


def read_annotations(folder: Path) -> Iterator[Row]:
    """Yield the rows of a folder of annotations, part by part."""
    for part in sorted(folder.glob("part-*.parquet")):
        yield from pq.read_table(part).to_pylist()


def poses_of(row: Row, num_keypoints: int) -> Poses:
    """Return the poses of an annotation row."""
    instances = row["instances"] or []
    if not instances:
        return Poses.empty(num_keypoints)

    def stack(name: str) -> Any:
        values = [instance[name] for instance in instances]
        return None if any(v is None for v in values) else np.asarray(values, np.float32)

    keypoints, scores = stack("keypoints"), stack("keypoint_scores")
    return Poses(
        keypoints=keypoints,
        keypoint_scores=scores,
        keypoints_visible=stack("keypoints_visible"),
        bboxes=stack("bbox"),
        bbox_scores=stack("bbox_score"),
        keypoints_3d=stack("keypoints_3d"),
    )


def draw_annotations(
    source: Path, annotations: Path, out: Path, skeleton: Skeleton, score_threshold: float = 0.3
) -> int:
    """Draw annotations: one picture for each image, one video for a video.

    Args:
        source: what was annotated, the folder, image or video.
        annotations: folder of the Parquet parts.
        out: folder of the pictures.
        skeleton: of the poses.
        score_threshold: keypoints of a lower score are not drawn.

    Returns:
        How many pictures or frames were drawn.

    Raises:
        DataError: if a picture cannot be read any more, or a video cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = (row for row in read_annotations(annotations) if row["error"] is None)

    def draw(row: Row, image: Any) -> Any:
        poses = poses_of(row, skeleton.num_keypoints)
        return draw_poses(image, poses, skeleton, score_threshold=score_threshold)

    if is_video(source):
        return _draw_video(source, {row["frame"]: row for row in rows}, out, draw)
    return _draw_images(source if source.is_dir() else source.parent, rows, out, draw)


def _draw_images(root: Path, rows: Iterable[Row], out: Path, draw: Draw) -> int:
    count = 0
    for row in rows:
        target = (out / row["source"]).with_suffix(".jpg")
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), draw(row, read_image(root / row["source"])))
        count += 1
    return count


def _draw_video(source: Path, rows: Mapping[int, Row], out: Path, draw: Draw) -> int:
    writer: cv2.VideoWriter | None = None
    count = 0
    try:
        for frame in iter_video(source):
            if frame.index in rows:
                drawn = draw(rows[frame.index], frame.image)
                writer = writer or _open_writer(out / f"{source.stem}.mp4", drawn, source)
                writer.write(drawn)
                count += 1
    finally:
        if writer is not None:
            writer.release()
    return count


def _open_writer(path: Path, image: Any, like: Path) -> cv2.VideoWriter:
    rate = cv2.VideoCapture(str(like)).get(cv2.CAP_PROP_FPS) or 25.0
    size = (image.shape[1], image.shape[0])
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
    if not writer.isOpened():
        raise DataError(f"{path}: OpenCV cannot write this video")
    return writer
