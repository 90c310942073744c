"""`PoseBatch`: samples stacked for the model.

B samples, N instances (the most of any sample; fewer are padded with visibility 0), K keypoints,
D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from raypose.structures.crop_transform import CropTransform
from raypose.structures.pose_sample import PoseSample


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoseBatch:
    """What an estimator's `loss` and `predict` receive.

    Attributes:
        inputs: (B, 3, H, W) uint8 BGR as it comes from the loader, or floating point and then
            taken as normalised already; a list of (3, H_i, W_i) where sizes differ; None for
            lifters, whose input is made from `keypoints` by the codec.
        keypoints: (B, N, K, D) float32, input space (lifters: image space, N = frames).
        keypoints_visible: (B, N, K) float32, 0 where not labelled or padded.
        num_instances: (B,) int64, how many of N are real.
        annotations: further values by name (`bboxes` (B, N, 4), `areas` (B, N), `lifting_target`,
            `camera_param`, ...): a stacked tensor where shapes agree, else a list of B. Besides
            what all samples have: `keypoints_3d` (B, N, K, 3), NaN for samples without, where
            any has it, and `img_shape` (B, 2), (h, w) of the original images.
        targets: what the codec encoded, by name; empty until then.
        transforms: the crop of each sample, empty for lifters.
        flip_indices: (K,) for each keypoint its mirror partner.
        flip_test: true while the features that a head gets hold 2B samples, the second half from
            mirrored images.
        ids: id of each sample in its dataset.
        indices: position of each sample in its dataset.
        files: image of each sample, None for motion capture.
        replaced: what is wrong with samples that others of this batch stand in for.
    """

    inputs: Tensor | list[Tensor] | None = None
    keypoints: Tensor | None = None
    keypoints_visible: Tensor | None = None
    num_instances: Tensor | None = None
    annotations: dict[str, Any] = field(default_factory=dict)
    targets: dict[str, Any] = field(default_factory=dict)
    transforms: list[CropTransform] = field(default_factory=list)
    flip_indices: tuple[int, ...] | None = None
    flip_test: bool = False
    ids: list[str] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    files: list[str | None] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        for value in (self.inputs, self.keypoints, self.ids):
            if value is not None and len(value):
                return len(value)
        return 0

    @classmethod
    def collate(cls, samples: Sequence[PoseSample]) -> PoseBatch:
        """Stack samples that have been through the transforms."""
        points = [
            s.keypoints if s.transformed_keypoints is None else s.transformed_keypoints
            for s in samples
        ]
        annotations: dict[str, Any] = {}
        for name in ("bboxes", "bbox_scores", "bbox_scale", "areas"):
            values = [getattr(s, name) for s in samples]
            if all(value is not None for value in values):
                annotations[name] = _pad(values)
        shared = set(samples[0].meta).intersection(*(s.meta for s in samples[1:]))
        for name in sorted(shared):
            annotations[name] = _stack([s.meta[name] for s in samples])
        if any("keypoints_3d" in s.meta for s in samples):
            annotations["keypoints_3d"] = _depths(samples)
        if all(s.img_shape is not None for s in samples):
            annotations["img_shape"] = torch.tensor([s.img_shape for s in samples])
        return cls(
            inputs=_stack_images([s.image for s in samples if s.image is not None]),
            keypoints=_pad(points) if all(p is not None for p in points) else None,
            keypoints_visible=(
                _pad([s.keypoints_visible for s in samples])
                if all(s.keypoints_visible is not None for s in samples)
                else None
            ),
            num_instances=torch.tensor([0 if p is None else len(p) for p in points]),
            annotations=annotations,
            transforms=[s.transform for s in samples if s.transform is not None],
            flip_indices=samples[0].flip_indices,
            ids=[s.id for s in samples],
            indices=[s.index for s in samples],
            files=[s.img_path for s in samples],
            replaced=[line for s in samples for line in (s.replaced or "").splitlines()],
        )

    def replace(self, **changes: Any) -> PoseBatch:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def to(self, device: torch.device | str, non_blocking: bool = True) -> PoseBatch:
        """Return the batch with every tensor on `device`."""

        def move(value: Any) -> Any:
            if isinstance(value, Tensor):
                return value.to(device, non_blocking=non_blocking)
            if isinstance(value, list):
                return [move(item) for item in value]
            if isinstance(value, dict):
                return {key: move(item) for key, item in value.items()}
            return value

        names = ("inputs", "keypoints", "keypoints_visible", "num_instances")
        moved = {name: move(getattr(self, name)) for name in (*names, "annotations", "targets")}
        return self.replace(**moved)

    def pin_memory(self) -> PoseBatch:
        """Return the batch with its images in pinned memory, for an asynchronous copy."""
        inputs = self.inputs
        return self.replace(inputs=inputs.pin_memory() if isinstance(inputs, Tensor) else inputs)


def _stack_images(images: list[np.ndarray[Any, Any]]) -> Tensor | list[Tensor] | None:
    """Copy images (H, W, C) to one tensor (B, C, H, W), or to one (C, H, W) each."""
    if not images:
        return None
    if len({image.shape for image in images}) > 1:
        return [torch.from_numpy(_split([image])[0]) for image in images]
    return torch.from_numpy(_split(images))


def _split(images: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    height, width, channels = images[0].shape
    planes = np.empty((len(images), channels, height, width), images[0].dtype)
    for image, target in zip(images, planes, strict=True):
        cv2.split(image, list(target))
    return planes


def _pad(values: Sequence[Any]) -> Tensor:
    """Stack arrays (N_i, ...) to (B, max N, ...), zeros behind."""
    most = max(len(value) for value in values)
    out = np.zeros((len(values), most, *np.shape(values[0])[1:]), np.float32)
    for row, value in zip(out, values, strict=True):
        row[: len(value)] = value
    return torch.from_numpy(out)


def _depths(samples: Sequence[PoseSample]) -> Tensor:
    """Stack poses in space (B, N, K, 3), NaN for samples of a dataset that has none."""
    poses = [s.meta.get("keypoints_3d") for s in samples]
    known = next(np.asarray(pose) for pose in poses if pose is not None)
    unknown = np.full_like(known, np.nan)
    return _pad([unknown if pose is None else pose for pose in poses])


def _stack(values: list[Any]) -> Any:
    """Stack numbers and arrays of one shape to a tensor; anything else stays a list."""
    if all(isinstance(value, (int, float, np.ndarray, np.generic)) for value in values):
        arrays = [np.asarray(value) for value in values]
        kinds = {(array.shape, array.dtype.kind) for array in arrays}
        if len(kinds) == 1 and arrays[0].dtype.kind in "biuf":
            stacked = np.stack(arrays)
            return torch.from_numpy(
                stacked.astype(np.float32) if stacked.dtype.kind == "f" else stacked
            )
    return values
