"""Annotated and predicted instances of a whole data set, as `CocoMetric` scores them.

M instances of all images together, K keypoints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from raypose.errors import DataError
from raypose.ops.keypoint_mapping import map_keypoints

# Share of a person's box that the body covers, where an annotation has no area.
_AREA_OF_BOX = 0.53


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotations:
    """Annotated instances.

    Attributes:
        image_ids: (M,) int64.
        category_ids: (M,) int64.
        keypoints: (M, K, 3), x, y and visibility, which is 0 where not labelled.
        bboxes: (M, 4) xywh.
        areas: (M,) square pixels, NaN where not annotated.
        iscrowd: (M,) bool.
        num_keypoints: (M,) labelled keypoints; an instance without any is ignored.
    """

    image_ids: np.ndarray
    category_ids: np.ndarray
    keypoints: np.ndarray
    bboxes: np.ndarray
    areas: np.ndarray
    iscrowd: np.ndarray
    num_keypoints: np.ndarray

    def of_images(self, image_ids: np.ndarray) -> Annotations:
        """Return the instances of some images."""
        return _rows(self, np.isin(self.image_ids, image_ids))

    def with_areas_of_boxes(self) -> Annotations:
        """Return the same instances with areas that follow from their boxes."""
        return replace(self, areas=self.bboxes[:, 2] * self.bboxes[:, 3] * _AREA_OF_BOX)

    def mapped(self, num_keypoints: int, mapping: Sequence[Sequence[int]]) -> Annotations:
        """Return the same instances with the keypoints of another skeleton."""
        points, visible = map_keypoints(
            self.keypoints[..., :2], self.keypoints[..., 2], num_keypoints, mapping
        )
        keypoints = np.concatenate([points, visible[..., None]], axis=-1)
        return replace(self, keypoints=keypoints, num_keypoints=labelled(keypoints))


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Predicted instances.

    Attributes:
        image_ids: (M,) int64.
        category_ids: (M,) int64.
        keypoints: (M, K, 3), x, y and score.
        bbox_scores: (M,) confidence in the box.
        areas: (M,) square pixels, for suppression.
        evaluated_areas: (M,) square pixels, to tell medium from large instances.
        bboxes: (M, 4) xywh, NaN where there is none.
        scores: (M,) confidence in the whole instance, as ranked.
    """

    image_ids: np.ndarray
    category_ids: np.ndarray
    keypoints: np.ndarray
    bbox_scores: np.ndarray
    areas: np.ndarray
    evaluated_areas: np.ndarray
    bboxes: np.ndarray
    scores: np.ndarray

    def of_images(self, image_ids: np.ndarray) -> Predictions:
        """Return the instances of some images."""
        return _rows(self, np.isin(self.image_ids, image_ids))

    def take(self, rows: np.ndarray) -> Predictions:
        """Return the instances picked by a mask or indices."""
        return _rows(self, rows)

    def mapped(self, num_keypoints: int, mapping: Sequence[Sequence[int]]) -> Predictions:
        """Return the same instances with the keypoints of another skeleton."""
        points, scores = map_keypoints(
            self.keypoints[..., :2], self.keypoints[..., 2], num_keypoints, mapping
        )
        keypoints = np.concatenate([points, scores[..., None]], axis=-1)
        return replace(self, keypoints=keypoints)

    def to_coco(self) -> list[dict[str, Any]]:
        """Return the entries of a COCO results file."""
        entries: list[dict[str, Any]] = [
            {"image_id": image, "category_id": category, "keypoints": keypoints, "score": score}
            for image, category, keypoints, score in zip(
                self.image_ids.tolist(),
                self.category_ids.tolist(),
                flat(self.keypoints).tolist(),
                self.scores.tolist(),
                strict=True,
            )
        ]
        for entry, bbox in zip(entries, self.bboxes.tolist(), strict=True):
            if not np.isnan(bbox[0]):
                entry["bbox"] = bbox
        return entries


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundTruth:
    """The annotations that predictions are held against.

    Attributes:
        image_ids: (I,) int64, all images, also those without an instance.
        crowd_index: (I,) how crowded each is (CrowdPose), NaN where not annotated.
        annotations: instances of all images.
    """

    image_ids: np.ndarray
    crowd_index: np.ndarray
    annotations: Annotations

    def crowdedness(self, low: float, high: float) -> np.ndarray:
        """Return the images whose crowd index is at least `low` and below `high`."""
        return self.image_ids[(self.crowd_index >= low) & (self.crowd_index < high)]


def join(parts: Sequence[Any]) -> Any:
    """Return several records of one of the kinds above as one.

    Raises:
        DataError: if they differ in their number of keypoints.
    """
    counts = {part.keypoints.shape[1] for part in parts}
    if len(counts) > 1:
        raise DataError(f"instances of one data set have {sorted(counts)} keypoints")
    names = [f.name for f in fields(parts[0])]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return type(parts[0])(**columns)


def read_annotations(
    path: str | Path, parts: Sequence[str] = ("keypoints",), trust_counts: bool = False
) -> GroundTruth:
    """Read the annotated instances of a COCO file.

    Args:
        path: COCO JSON.
        parts: entries of an annotation that make up its keypoints, one after the other. An
            instance without them counts as one with no keypoint labelled.
        trust_counts: take `num_keypoints` from the file, where CrowdPose leaves out occluded
            keypoints, instead of counting the labelled ones.

    Raises:
        DataError: if the file is missing, has no annotated keypoints or an instance has no box.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"no annotation file at {path}") from error
    if "annotations" not in data:
        raise DataError(f"{path} has no 'annotations'; to only write results set format_only: true")
    entries: list[Mapping[str, Any]] = data["annotations"]
    whole = [entry for entry in entries if all(part in entry for part in parts)]
    if not whole:
        raise DataError(f"{path}: no annotation has {', '.join(parts)}")
    for entry in entries:
        if "bbox" not in entry:
            raise DataError(f"{path}: annotation {entry.get('id')} has no bbox")
    length = sum(len(whole[0][part]) for part in parts)
    rows = [
        [value for part in parts for value in entry.get(part, ())] or [0.0] * length
        for entry in entries
    ]
    if any(len(values) != length for values in rows):
        raise DataError(f"{path}: annotations differ in their number of keypoints")
    keypoints = np.array(rows, np.float64).reshape(len(entries), -1, 3)
    counts = labelled(keypoints)
    if trust_counts:
        counts = np.array([entry["num_keypoints"] for entry in entries])
    images = data["images"]
    return GroundTruth(
        image_ids=np.array([image["id"] for image in images], np.int64),
        crowd_index=np.array([image.get("crowdIndex", np.nan) for image in images], np.float64),
        annotations=Annotations(
            image_ids=np.array([entry["image_id"] for entry in entries], np.int64),
            category_ids=np.array([entry["category_id"] for entry in entries], np.int64),
            keypoints=keypoints,
            bboxes=np.array([entry["bbox"] for entry in entries], np.float64),
            areas=np.array([entry.get("area", np.nan) for entry in entries], np.float64),
            iscrowd=np.array([bool(entry.get("iscrowd", 0)) for entry in entries]),
            num_keypoints=counts,
        ),
    )


def labelled(keypoints: np.ndarray) -> np.ndarray:
    """Return the number (M,) of keypoints (M, K, 3) whose visibility or score is above 0."""
    return (keypoints[..., 2] > 0).sum(axis=1)


def flat(keypoints: np.ndarray) -> np.ndarray:
    """Return keypoints (M, K, 3) as COCO lists them, (M, 3K)."""
    return keypoints.reshape(len(keypoints), keypoints.shape[1] * 3)


def _rows(record: Any, rows: np.ndarray) -> Any:
    """The same kind of record with some of its instances."""
    return type(record)(**{f.name: getattr(record, f.name)[rows] for f in fields(record)})
