"""`PoseTrack18Metric`: average precision of each joint, as poseval computes it.

Andriluka et al.: "PoseTrack: A Benchmark for Human Pose Estimation and Tracking", CVPR 2018.
M predicted people, N annotated people of a frame, J joints.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from raypose.errors import ConfigError, DataError
from raypose.evaluation.base import SkeletonLike
from raypose.evaluation.coco import CocoMetric, CocoRecord
from raypose.evaluation.coco_instances import Predictions
from raypose.registry import METRICS

_GROUPS = {
    "Head": ("head_top", "head_bottom", "nose"),
    "Shou": ("right_shoulder", "left_shoulder"),
    "Elb": ("right_elbow", "left_elbow"),
    "Wri": ("right_wrist", "left_wrist"),
    "Hip": ("right_hip", "left_hip"),
    "Knee": ("right_knee", "left_knee"),
    "Ankl": ("right_ankle", "left_ankle"),
}
# Ears have names in the files, but nobody annotated them.
_JOINTS = tuple(name for names in _GROUPS.values() for name in names)
# A joint is right within half of the head's size, which is 0.6 of the diagonal of its box.
_THRESHOLD = 0.5
_HEAD_SIZE = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """The annotations of one frame: points (N, J, 2), known (N, J), head sizes (N,), polygons."""

    image_id: int
    points: np.ndarray
    known: np.ndarray
    heads: np.ndarray
    ignored: list[np.ndarray]


@METRICS.register_module()
class PoseTrack18Metric(CocoMetric):
    """Average precision of the joints of people in the frames of videos.

    The numbers, in percent, are `Head AP`, `Shou AP`, `Elb AP`, `Wri AP`, `Hip AP`, `Knee AP`,
    `Ankl AP` and `Total AP`, the mean over all 15 joints; NaN where none is annotated. Frames are
    held against the official annotations of each video, which know the sizes of heads and the
    regions that are ignored: the JSON files in a folder beside `ann_file`, named by its last word
    (`val` for `posetrack18_val.json`).

    Args:
        ann_file: COCO file of all frames.
        score_mode: see `CocoMetric`.
        keypoint_score_thr: see `CocoMetric`.
        nms_mode: see `CocoMetric`.
        nms_thr: see `CocoMetric`.
        format_only: write the results and compute nothing.
        outfile_prefix: write the results, as COCO has them, to `<outfile_prefix>.keypoints.json`.
        prefix: put before the names of the numbers.
        skeleton: `posetrack18`, or another with its joints.

    Raises:
        ConfigError: as `CocoMetric`.

    Example:
        type: PoseTrack18Metric
        ann_file: data/posetrack18/annotations/posetrack18_val.json
    """

    default_prefix = "posetrack18"

    def __init__(
        self,
        ann_file: str,
        score_mode: str = "bbox_keypoint",
        keypoint_score_thr: float = 0.2,
        nms_mode: str = "oks_nms",
        nms_thr: float = 0.9,
        format_only: bool = False,
        outfile_prefix: str | None = None,
        prefix: str | None = None,
        skeleton: SkeletonLike | None = None,
    ) -> None:
        super().__init__(
            ann_file=ann_file,
            score_mode=score_mode,
            keypoint_score_thr=keypoint_score_thr,
            nms_mode=nms_mode,
            nms_thr=nms_thr,
            format_only=format_only,
            outfile_prefix=outfile_prefix,
            prefix=prefix,
            skeleton=skeleton,
        )
        path = Path(ann_file)
        self.folder = path.parent / path.stem.split("_")[-1]

    def compute_metrics(self, records: Sequence[CocoRecord]) -> dict[str, float]:
        """Rank, suppress and evaluate all people; write them if asked to.

        Raises:
            ConfigError: if the skeleton lacks a joint.
            DataError: if the annotations of the videos are missing or broken.
        """
        predictions = self.results(records)
        if self.format_only:
            return {}
        names = () if self.skeleton is None else self.skeleton.keypoint_names
        lacking = [name for name in _JOINTS if name not in names]
        if lacking:
            raise ConfigError(f"PoseTrack18Metric: the skeleton has no {', '.join(lacking)}")
        order = [names.index(name) for name in _JOINTS]
        return _average_precision(list(_read(self.folder)), predictions, order)


def _average_precision(
    frames: Sequence[_Frame], predictions: Predictions, order: Sequence[int]
) -> dict[str, float]:
    """Precision of each group of joints and of all of them."""
    keypoints = predictions.keypoints[:, list(order)]
    images = np.unique(predictions.image_ids).tolist()
    rows = {image: np.flatnonzero(predictions.image_ids == image) for image in images}
    nobody = np.zeros(0, np.intp)
    judged = [_judge(frame, keypoints[rows.get(frame.image_id, nobody)]) for frame in frames]
    counts = sum((known.sum(axis=0) for *_, known in judged), np.zeros(len(_JOINTS)))
    scores, labels, present = (
        np.concatenate([np.zeros((0, len(_JOINTS))), *(part[i] for part in judged)])
        for i in range(3)
    )
    each = {}
    for j, name in enumerate(_JOINTS):
        there = present[:, j] > 0
        each[name] = 100 * _area(scores[there, j], labels[there, j], counts[j])
    numbers = {f"{group} AP": _mean([each[n] for n in names]) for group, names in _GROUPS.items()}
    return {**numbers, "Total AP": _mean(list(each.values()))}


def _judge(
    frame: _Frame, keypoints: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Say which joints (M, J, 3) are right.

    A person is compared with the annotated one that shares most joints with it, an annotated one
    with the best of these.

    Returns:
        Scores (M, J), whether right (M, J), whether predicted and not ignored (M, J), and which
        annotated joints (N, J) count.
    """
    points, scores = keypoints[..., :2], keypoints[..., 2]
    present = keypoints.any(axis=-1) & ~_inside(points, frame.ignored)
    known = frame.known & ~_inside(frame.points, frame.ignored)
    right = np.zeros(present.shape, np.bool_)
    if len(keypoints) and len(known):
        distances = np.linalg.norm(points[:, None] - frame.points, axis=-1)
        near = distances <= _THRESHOLD * frame.heads[:, None]
        near &= present[:, None] & known
        shared = near.sum(axis=2) / np.maximum(known.sum(axis=1), 1)
        only_best = np.zeros_like(shared)
        best = (np.arange(len(shared)), shared.argmax(axis=1))
        only_best[best] = shared[best]
        matched = np.flatnonzero(only_best.max(axis=0) > 0)
        person = only_best.argmax(axis=0)[matched]
        right[person] = near[person, matched]
    return scores, right, present, known


def _inside(points: np.ndarray, polygons: Sequence[np.ndarray]) -> np.ndarray:
    """Whether points (n, J, 2) are within any polygon, its border left out."""
    inside = np.zeros(points.shape[:2], np.bool_)
    for polygon in polygons:
        for index in np.ndindex(inside.shape):
            x, y = points[index].tolist()
            inside[index] |= cv2.pointPolygonTest(polygon, (x, y), False) > 0
    return inside


def _area(scores: np.ndarray, labels: np.ndarray, count: float) -> float:
    """Area below the curve of precision over recall, precision made falling."""
    if not count:
        return float("nan")
    hits = np.cumsum(labels[np.argsort(-scores, kind="stable")])
    recall = np.concatenate([[0.0], hits / count])
    precision = hits / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * falling).sum())


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else float("nan")


def _read(folder: Path) -> Iterator[_Frame]:
    """Yield the annotated frames of all videos."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise DataError(
            f"no annotations of videos in {folder}; PoseTrack18 is evaluated against its official "
            "files, one for each video"
        )
    for file in files:
        try:
            yield from _frames(json.loads(file.read_text(encoding="utf-8")))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError(f"{file}: not as PoseTrack18 has it ({error!r})") from error


def _frames(content: Mapping[str, Any]) -> Iterator[_Frame]:
    names = content["categories"][0]["keypoints"]
    order = [names.index(name) for name in _JOINTS]
    people: dict[Any, list[Mapping[str, Any]]] = {}
    for entry in content["annotations"]:
        people.setdefault(entry["image_id"], []).append(entry)
    for image in content["images"]:
        entries = people.get(image["id"])
        if not entries:
            continue
        keypoints = np.array([entry["keypoints"] for entry in entries], np.float64)
        keypoints = keypoints.reshape(len(entries), len(names), 3)[:, order]
        heads = np.array([entry["bbox_head"] for entry in entries], np.float64)
        outlines = zip(
            image.get("ignore_regions_x", ()), image.get("ignore_regions_y", ()), strict=True
        )
        yield _Frame(
            image_id=int(image["id"]),
            points=keypoints[..., :2],
            known=(keypoints != 0).any(axis=-1),
            heads=_HEAD_SIZE * np.linalg.norm(heads[:, 2:], axis=1),
            ignored=[np.column_stack(xy).astype(np.float32) for xy in outlines],
        )
