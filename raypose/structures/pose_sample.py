"""`PoseSample`: one annotated image, crop or sequence on its way to the model.

A dataset makes it from an annotation file, transforms fill and change it, the loader stacks
samples into a `PoseBatch`. N instances, K keypoints, D dimensions.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.structures.crop_transform import CropTransform

Floats = npt.NDArray[np.float32]
# Making one takes longer than all the rest of a sample.
_UNSEEDED = np.random.default_rng()


@dataclass(slots=True, kw_only=True, eq=False)
class PoseSample:
    """What is known of one sample. Transforms change it in place and return it.

    Annotations are in image space, or its mirror image after a flip, until a transform makes the
    network's input. `TopdownAffine` leaves them there and adds `transformed_keypoints`; bottom-up
    warps move keypoints, boxes and areas to input space, where their targets are made.

    Attributes:
        id: identifies the sample in its dataset, the same in every epoch and run.
        index: position in the dataset.
        img_path: where the image is read from; None for motion capture.
        img_id: id of the image in its annotation file.
        img_shape: (h, w) of the original image.
        image: (H, W, 3) uint8 BGR, once loaded; before, where it does not come from `img_path`,
            the bytes of its file as (n,) uint8.
        bboxes: (N, 4) float32 xyxy, or (N, 4, 2) corners where a bottom-up warp keeps these.
        bbox_scores: (N,) float32.
        bbox_center: (N, 2) float32, set by `GetBBoxCenterScale`.
        bbox_scale: (N, 2) float32, width and height with padding.
        bbox_rotation: (N,) float32 degrees.
        keypoints: (N, K, D) float32; a sequence of T frames has N = T.
        keypoints_visible: (N, K) float32, 0 where not labelled.
        areas: (N,) float32, pixels.
        transformed_keypoints: (N, K, D) float32, input space.
        transform: the crop, once made.
        pending: (3, 3) map from the image to the space that the annotations are in now; a flip is
            kept here and happens inside the one warp.
        pixels: (3, 3) map from the pixels of `image` to the image, for one that is only a part of
            it or smaller; None where they are the same.
        flip_indices: (K,) for each keypoint its mirror partner.
        upper_body_ids: keypoints of the upper half of the body, for half-body augmentation.
        lower_body_ids: keypoints of the lower half.
        meta: further facts by name (`category_id`, `head_size`, `camera_param`, `lifting_target`,
            `invalid_segs`, ...): numbers, strings, arrays and lists of them.
        rng: random numbers of this sample, from (seed, epoch, id) only once `Compose` has seeded
            it; until then one unseeded generator that all samples share.
        others: in training, the samples of this epoch as the dataset makes them, for transforms
            that mix several.
        replaced: in training, what is wrong with the samples that this one stands in for, one a
            line.
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
    pixels: npt.NDArray[np.float64] | None = None
    flip_indices: tuple[int, ...] | None = None
    upper_body_ids: tuple[int, ...] | None = None
    lower_body_ids: tuple[int, ...] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    rng: np.random.Generator = field(default_factory=lambda: _UNSEEDED, repr=False)
    others: Sequence[PoseSample] | None = field(default=None, repr=False)
    replaced: str | None = None

    def to_row(self) -> dict[str, Any]:
        """Return a flat mapping of Arrow-friendly values: numbers, strings, flat lists, bytes.

        The image and its crop are included once they exist. The random state and `others` stay
        behind: they follow from the seed, the epoch and `id`.
        """
        row: dict[str, Any] = {
            "id": self.id,
            "index": self.index,
            "img_path": self.img_path,
            "img_id": self.img_id,
            "img_shape": None if self.img_shape is None else list(self.img_shape),
            "meta": json.dumps(self.meta, default=_jsonable),
            "replaced": self.replaced,
        }
        for name in _KEYPOINT_LISTS:
            value = getattr(self, name)
            row[name] = None if value is None else list(value)
        for name in _ARRAYS:
            _write_array(row, name, getattr(self, name))
        if self.image is not None:
            row["image"] = self.image.tobytes()
            row["image.shape"] = list(self.image.shape)
        if self.transform is not None:
            for name in _TRANSFORM_ARRAYS:
                _write_array(row, f"transform.{name}", getattr(self.transform, name))
            row["transform.input_size"] = list(self.transform.input_size)
        _write_array(row, "pixels", self.pixels)
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> PoseSample:
        """Rebuild the sample from `to_row()`, also after a trip through Arrow."""
        values = {name: _read_array(row, name, np.float32) for name in _ARRAYS}
        for name in _KEYPOINT_LISTS:
            value = row.get(name)
            values[name] = None if value is None else tuple(int(i) for i in value)
        shape = row["img_shape"]
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
            meta=json.loads(row["meta"], object_hook=_from_jsonable),
            replaced=row.get("replaced"),
            image=image,
            transform=transform,
            pixels=_read_array(row, "pixels"),
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
_KEYPOINT_LISTS = ("flip_indices", "upper_body_ids", "lower_body_ids")
_TRANSFORM_ARRAYS = ("matrix", "inverse", "center", "scale")
_ROW_ARRAYS = (*_ARRAYS, "pixels", *(f"transform.{name}" for name in _TRANSFORM_ARRAYS))

ROW_COLUMNS: dict[str, str] = {
    **dict.fromkeys(("id", "img_path", "meta", "replaced"), "string"),
    **dict.fromkeys(("index", "img_id"), "int64"),
    **dict.fromkeys(("img_shape", "image.shape", "transform.input_size"), "list<int64>"),
    **dict.fromkeys(_KEYPOINT_LISTS, "list<int64>"),
    **dict.fromkeys(_ROW_ARRAYS, "list<double>"),
    **dict.fromkeys((f"{name}.shape" for name in _ROW_ARRAYS), "list<int64>"),
    "image": "binary",
}
"""What a row of `PoseSample.to_row` may hold, by name: its type in Arrow's words."""


def _write_array(row: dict[str, Any], name: str, value: npt.NDArray[Any] | None) -> None:
    row[name] = None if value is None else value.reshape(-1).tolist()
    row[f"{name}.shape"] = None if value is None else list(value.shape)


def _read_array(row: Mapping[str, Any], name: str, dtype: Any = np.float64) -> Any:
    if row.get(name) is None:
        return None
    return np.asarray(row[name], dtype).reshape([int(n) for n in row[f"{name}.shape"]])


def _jsonable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        data = base64.b64encode(value.tobytes()).decode("ascii")
        return {"__array__": data, "dtype": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"PoseSample.meta cannot travel with a {type(value).__name__}: {value!r}")


def _from_jsonable(value: dict[str, Any]) -> Any:
    if value.keys() == {"__array__", "dtype", "shape"}:
        data = bytearray(base64.b64decode(value["__array__"]))  # a writable buffer
        return np.frombuffer(data, np.dtype(value["dtype"])).reshape(value["shape"])
    return value
