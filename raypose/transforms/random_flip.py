"""`RandomFlip`: mirror an image with its boxes and keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import cv2
import numpy as np

from raypose.errors import ConfigError, DataError, RayposeError, did_you_mean
from raypose.ops.boxes import FLIP_DIRECTIONS, flip_axes, flip_bbox
from raypose.ops.keypoints import flip_keypoints
from raypose.registry import TRANSFORMS
from raypose.structures import CropTransform, PoseSample

_CV2_CODES = {"horizontal": 1, "vertical": 0, "diagonal": -1}


@TRANSFORMS.register_module()
class RandomFlip:
    """Mirror a sample with some probability.

    Before the warp to input space only annotations change; the pixels are mirrored by that warp.
    After it (bottom-up pipelines) the input itself is mirrored.

    Args:
        prob: probability of a flip, shared evenly by several directions, or one for each.
        direction: `horizontal`, `vertical`, `diagonal` (both at once), or a list of these.

    Example:
        type: RandomFlip
        direction: horizontal
    """

    def __init__(
        self,
        prob: float | Sequence[float] = 0.5,
        direction: str | Sequence[str] = "horizontal",
    ) -> None:
        self.directions = [direction] if isinstance(direction, str) else list(direction)
        if isinstance(prob, (int, float)):
            self.probs = [float(prob) / len(self.directions)] * len(self.directions)
        else:
            self.probs = [float(p) for p in prob]
        problems = [
            f"direction is one of {', '.join(FLIP_DIRECTIONS)}, got {name!r}."
            + did_you_mean(str(name), FLIP_DIRECTIONS)
            for name in self.directions
            if name not in FLIP_DIRECTIONS
        ]
        if len(self.probs) != len(self.directions):
            problems.append(f"{len(self.probs)} probs for {len(self.directions)} directions")
        if min(self.probs, default=0) < 0 or sum(self.probs) > 1 + 1e-9:
            problems.append(f"prob is from 0 to 1, in sum too, got {prob}")
        if problems:
            raise ConfigError(problems)
        self._limits = list(accumulate(self.probs))

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Mirror the sample or leave it as it is.

        Raises:
            DataError: if the size of the image or the mirror partners are not known.
            RayposeError: after `TopdownAffine`, where boxes and keypoints are in another space
                than the pixels.
        """
        draw = sample.rng.random()
        for direction, limit in zip(self.directions, self._limits, strict=True):
            if draw < limit:
                return self.flip(sample, direction)
        return sample

    def flip(self, sample: PoseSample, direction: str) -> PoseSample:
        """Mirror the sample; raises as calling it does."""
        return _flip(sample, direction)


def _flip(sample: PoseSample, direction: str) -> PoseSample:
    size = _current_size(sample)
    mirror = _mirror(size, direction)
    if sample.transform is None:
        before = np.eye(3) if sample.pending is None else sample.pending
        sample.pending = mirror @ before
    else:
        _flip_input(sample, sample.transform, mirror, direction)
    if sample.bboxes is not None:
        form = "center" if sample.bboxes.ndim == 3 else "xyxy"
        sample.bboxes = flip_bbox(sample.bboxes, size, form, direction)
    if sample.bbox_center is not None:
        sample.bbox_center = flip_bbox(sample.bbox_center, size, "center", direction)
    if sample.bbox_rotation is not None and direction != "diagonal":
        sample.bbox_rotation = -sample.bbox_rotation
    if sample.keypoints is not None:
        if sample.flip_indices is None:
            raise DataError(f"sample {sample.id}: RandomFlip needs 'flip_indices'")
        visible = sample.keypoints_visible
        if visible is None:
            visible = np.ones(sample.keypoints.shape[:2], np.float32)
        keypoints, sample.keypoints_visible = flip_keypoints(
            sample.keypoints, visible, size, sample.flip_indices, direction
        )
        sample.keypoints = keypoints
        if sample.transformed_keypoints is not None:
            sample.transformed_keypoints = keypoints
        _flip_space(sample, size, sample.flip_indices, direction)
    return sample


def _flip_space(
    sample: PoseSample, size: tuple[int, int], flip_indices: Sequence[int], direction: str
) -> None:
    """Mirror the poses in camera space, and the camera that sees them."""
    if "keypoints_3d" not in sample.meta:
        return
    axes = list(flip_axes(direction))
    points = np.array(sample.meta["keypoints_3d"])[:, list(flip_indices)]
    points[..., axes] *= -1
    sample.meta["keypoints_3d"] = points
    camera = sample.meta.get("camera_param")
    if camera is not None:
        center = np.array(camera["c"], np.float32)
        center[axes] = np.array(size)[axes] - 1 - center[axes]
        sample.meta["camera_param"] = {**camera, "c": center}


def _flip_input(
    sample: PoseSample, transform: CropTransform, mirror: np.ndarray, direction: str
) -> None:
    """Mirror what is in input space already besides the annotations."""
    if sample.image is not None:
        sample.image = cv2.flip(sample.image, _CV2_CODES[direction])  # type: ignore[assignment]
    if "heatmap_mask" in sample.meta:
        axes = tuple(1 - axis for axis in flip_axes(direction))
        sample.meta["heatmap_mask"] = np.flip(sample.meta["heatmap_mask"], axes).copy()
    sample.transform = CropTransform.from_matrix(
        mirror[:2] @ np.vstack([transform.matrix, [0, 0, 1]]),
        transform.center,
        transform.scale,
        transform.input_size,
    )


def _current_size(sample: PoseSample) -> tuple[int, int]:
    """(w, h) of the space that the annotations are in."""
    if sample.transform is not None:
        if sample.bbox_center is not None:
            raise RayposeError("RandomFlip goes before TopdownAffine, which mirrors the pixels")
        return sample.transform.input_size
    if sample.img_shape is None:
        raise DataError(f"sample {sample.id}: RandomFlip needs 'img_shape'; LoadImage sets it")
    return sample.img_shape[1], sample.img_shape[0]


def _mirror(size: tuple[int, int], direction: str) -> np.ndarray:
    """(3, 3) map x -> w - 1 - x and/or y -> h - 1 - y."""
    matrix = np.eye(3)
    for axis in flip_axes(direction):
        matrix[axis, axis] = -1
        matrix[axis, 2] = size[axis] - 1
    return matrix
