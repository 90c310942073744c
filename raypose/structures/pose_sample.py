"""`PoseSample`: one annotated image, crop or sequence on its way to the model.

A dataset makes it from an annotation file, transforms fill and change it, the loader stacks
samples into a `PoseBatch`. N instances, K keypoints, D dimensions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.structures.crop_transform import CropTransform

Floats = npt.NDArray[np.float32]


@dataclass(slots=True, kw_only=True, eq=False)
class PoseSample:
    """What is known of one sample. Transforms change it in place and return it.

    Coordinates are in image space until a transform fills `transform`; from then on
    `transformed_keypoints` holds them in input space while the annotations stay as they were.

    Attributes:
        id: identifies the sample in its dataset, the same in every epoch and run.
        index: position in the dataset.
        img_path: where the image is read from; None for motion capture.
        img_id: id of the image in its annotation file.
        img_shape: (h, w) of the original image.
        image: (H, W, 3) uint8 BGR, once loaded.
        bboxes: (N, 4) float32 xyxy.
        bbox_scores: (N,) float32.
        bbox_center: (N, 2) float32, set by `GetBBoxCenterScale`.
        bbox_scale: (N, 2) float32, width and height with padding.
        bbox_rotation: (N,) float32 degrees.
        keypoints: (N, K, D) float32; a sequence of T frames has N = T.
        keypoints_visible: (N, K) float32, 0 where not labelled.
        areas: (N,) float32, pixels.
        transformed_keypoints: (N, K, D) float32, input space.
        transform: the crop, once made.
        pending: (3, 3) map from the loaded image to the space that the annotations are in now;
            a flip is kept here and happens inside the one warp.
        flip_indices: (K,) for each keypoint its mirror partner.
        meta: further facts by name (`category_id`, `head_size`, `camera_param`, `lifting_target`,
            `invalid_segs`, ...): numbers, strings, arrays and lists of them.
        rng: random numbers of this sample, from (seed, epoch, id) only.
    """

    id: str
    index: int = 0
    img_path: str | None = None
    img_id: int = 0
    img_shape: tuple[int, int] | None = None
    image: npt.NDArray[np.uint8] | None = None
    bboxes: Floats | None = None
    bbox_scores: Floats | None = None
    bbox_center: Floats | None = None
    bbox_scale: Floats | None = None
    bbox_rotation: Floats | None = None
    keypoints: Floats | None = None
    keypoints_visible: Floats | None = None
    areas: Floats | None = None
    transformed_keypoints: Floats | None = None
    transform: CropTransform | None = None
    pending: npt.NDArray[np.float64] | None = None
    flip_indices: tuple[int, ...] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    rng: np.random.Generator = field(default_factory=np.random.default_rng, repr=False)

    def to_row(self) -> dict[str, Any]:
        """Return a flat mapping of Arrow-friendly values: numbers, strings, flat lists, bytes.

        The image and its crop are included once they exist. The random state stays behind: it
        follows from the seed, the epoch and `id`.
        """
        row: dict[str, Any] = {
            "id": self.id,
            "index": self.index,
            "img_path": self.img_path,
            "img_id": self.img_id,
            "img_shape": None if self.img_shape is None else list(self.img_shape),
            "flip_indices": None if self.flip_indices is None else list(self.flip_indices),
            "meta": json.dumps(self.meta, default=_jsonable),
        }
        for name in _ARRAYS:
            _write_array(row, name, getattr(self, name))
        if self.image is not None:
            row["image"] = self.image.tobytes()
            row["image.shape"] = list(self.image.shape)
        if self.transform is not None:
            for name in _TRANSFORM_ARRAYS:
                _write_array(row, f"transform.{name}", getattr(self.transform, name))
            row["transform.input_size"] = list(self.transform.input_size)
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> PoseSample:
        """Rebuild the sample from `to_row()`, also after a trip through Arrow."""
        values = {name: _read_array(row, name, np.float32) for name in _ARRAYS}
        shape, flips = row["img_shape"], row["flip_indices"]
        image = transform = None
        if row.get("image") is not None:
            image = np.frombuffer(row["image"], np.uint8).reshape(row["image.shape"])
        if row.get("transform.matrix") is not None:
            width, height = row["transform.input_size"]
            transform = CropTransform(
                **{name: _read_array(row, f"transform.{name}") for name in _TRANSFORM_ARRAYS},
                input_size=(int(width), int(height)),
            )
        return cls(
            id=str(row["id"]),
            index=int(row["index"]),
            img_path=row["img_path"],
            img_id=int(row["img_id"]),
            img_shape=None if shape is None else (int(shape[0]), int(shape[1])),
            flip_indices=None if flips is None else tuple(int(i) for i in flips),
            meta=json.loads(row["meta"], object_hook=_from_jsonable),
            image=image,
            transform=transform,
            **values,
        )


_ARRAYS = (
    "bboxes",
    "bbox_scores",
    "bbox_center",
    "bbox_scale",
    "bbox_rotation",
    "keypoints",
    "keypoints_visible",
    "areas",
    "transformed_keypoints",
)
_TRANSFORM_ARRAYS = ("matrix", "inverse", "center", "scale")


def _write_array(row: dict[str, Any], name: str, value: npt.NDArray[Any] | None) -> None:
    row[name] = None if value is None else value.reshape(-1).tolist()
    row[f"{name}.shape"] = None if value is None else list(value.shape)


def _read_array(row: Mapping[str, Any], name: str, dtype: Any = np.float64) -> Any:
    if row.get(name) is None:
        return None
    return np.asarray(row[name], dtype).reshape([int(n) for n in row[f"{name}.shape"]])


def _jsonable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"__array__": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"PoseSample.meta cannot travel with a {type(value).__name__}: {value!r}")


def _from_jsonable(value: dict[str, Any]) -> Any:
    if value.keys() == {"__array__", "dtype"}:
        return np.asarray(value["__array__"], np.dtype(value["dtype"]))
    return value
