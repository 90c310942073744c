"""Overlays: the poses of finished annotations drawn on the pictures they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq

from raypose.errors import DataError
from raypose.inference.sources import iter_video
from raypose.ops.image_files import read_image
from raypose.structures import Poses, Skeleton
from raypose.visualization import draw_poses


def read_annotations(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a folder of annotations, part by part."""
    for part in sorted(folder.glob("part-*.parquet")):
        yield from pq.read_table(part).to_pylist()


def poses_of(row: dict[str, Any], num_keypoints: int) -> Poses:
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
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = [row for row in read_annotations(annotations) if row["error"] is None]
    pictures = _frames(source, rows)
    writer: cv2.VideoWriter | None = None
    count = 0
    for row, image in zip(rows, pictures, strict=False):
        poses = poses_of(row, skeleton.num_keypoints)
        drawn = draw_poses(image, poses, skeleton, score_threshold=score_threshold)
        if not _is_video(rows):
            target = (out / row["source"]).with_suffix(".jpg")
            target.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(target), drawn)
        else:
            writer = writer or _open_writer(out / f"{Path(row['source']).stem}.mp4", drawn)
            writer.write(drawn)
        count += 1
    if writer is not None:
        writer.release()
    return count


def _is_video(rows: list[dict[str, Any]]) -> bool:
    return len({row["source"] for row in rows}) == 1 and len(rows) > 1


def _frames(source: Path, rows: list[dict[str, Any]]) -> Iterator[Any]:
    if _is_video(rows):
        wanted = {row["frame"] for row in rows}
        yield from (f.image for f in iter_video(source) if f.index in wanted)
        return
    root = source if source.is_dir() else source.parent
    for row in rows:
        yield read_image(root / row["source"])


def _open_writer(path: Path, image: Any) -> cv2.VideoWriter:
    size = (image.shape[1], image.shape[0])
    fourcc = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), fourcc, 25.0, size)
    if not writer.isOpened():
        raise DataError(f"{path}: OpenCV cannot write this video")
    return writer
