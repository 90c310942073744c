"""`Poses`: the people (or animals) found in one image, the answer of every estimator.

N instances, K keypoints, D dimensions (2 or 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.structures.crop_transform import CropTransform

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Poses:
    """Poses of one image; heads give them in input space, estimators in image space.

    Attributes:
        keypoints: (N, K, D) float32, pixels; lifters: metres or millimetres as trained.
        keypoint_scores: (N, K) float32.
        keypoints_visible: (N, K) float32 probability of being visible, where a head predicts it.
        bboxes: (N, 4) float32 xyxy, image space.
        bbox_scores: (N,) float32.
        scores: (N,) float32 confidence in the whole instance, where a model gives one.
        track_ids: (N,) int64 identity within a video.
        keypoints_3d: (N, K3, 3) float32, added by a lifter.
        extras: further arrays by name, of a paradigm's own.
    """

    keypoints: Floats
    keypoint_scores: Floats
    keypoints_visible: Floats | None = None
    bboxes: Floats | None = None
    bbox_scores: Floats | None = None
    scores: Floats | None = None
    track_ids: npt.NDArray[np.int64] | None = None
    keypoints_3d: Floats | None = None
    extras: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keypoints)

    @classmethod
    def empty(cls, num_keypoints: int, dimensions: int = 2) -> Poses:
        """Return the answer for an image with nobody in it."""
        return cls(
            keypoints=np.zeros((0, num_keypoints, dimensions), np.float32),
            keypoint_scores=np.zeros((0, num_keypoints), np.float32),
            bboxes=np.zeros((0, 4), np.float32),
            bbox_scores=np.zeros(0, np.float32),
        )

    @classmethod
    def concatenate(cls, parts: list[Poses]) -> Poses:
        """Join the instances of several records of one image; all must have the same fields."""
        names = [f.name for f in fields(cls) if f.name != "extras"]
        joined: dict[str, Any] = {}
        for name in names:
            values = [getattr(part, name) for part in parts]
            if all(value is not None for value in values):
                joined[name] = np.concatenate(values)
        extras = {
            key: np.concatenate([part.extras[key] for part in parts])
            for key in parts[0].extras
            if all(key in part.extras for part in parts)
        }
        return cls(**joined, extras=extras)

    def replace(self, **changes: Any) -> Poses:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def select(self, index: npt.NDArray[np.bool_ | np.integer] | list[int]) -> Poses:
        """Return the instances picked by a boolean mask or integer indices."""
        picked = {
            f.name: value[index]
            for f in fields(self)
            if f.name != "extras" and (value := getattr(self, f.name)) is not None
        }
        return Poses(**picked, extras={key: value[index] for key, value in self.extras.items()})

    def to_image(self, transform: CropTransform) -> Poses:
        """Map the x and y of keypoints (and boxes) from input space to image space."""
        keypoints = self.keypoints.copy()
        keypoints[..., :2] = transform.to_image(keypoints[..., :2])
        boxes = self.bboxes
        if boxes is not None:
            boxes = transform.to_image(boxes.reshape(-1, 2, 2)).reshape(-1, 4)
        return self.replace(keypoints=keypoints, bboxes=boxes)

    def to_row(self) -> dict[str, Any]:
        """Return a flat mapping of Arrow-friendly values: flat lists, shapes beside them."""
        row: dict[str, Any] = {}
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "extras"}
        arrays.update({f"extras.{key}": value for key, value in self.extras.items()})
        for name, value in arrays.items():
            if value is not None:
                row[name] = np.ascontiguousarray(value).reshape(-1).tolist()
                row[f"{name}.shape"] = list(value.shape)
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Poses:
        """Rebuild the record from `to_row()`, also after a trip through Arrow."""
        values: dict[str, Any] = {}
        extras: dict[str, npt.NDArray[Any]] = {}
        for name, flat in row.items():
            if name.endswith(".shape") or flat is None:
                continue
            kind = np.int64 if name == "track_ids" else np.float32
            array = np.asarray(flat, kind).reshape([int(n) for n in row[f"{name}.shape"]])
            if name.startswith("extras."):
                extras[name.removeprefix("extras.")] = array
            else:
                values[name] = array
        return cls(**values, extras=extras)
