"""The one warp of a sample: pending flips, crop, scaling, rotation and shift together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from raypose.errors import DataError
from raypose.ops.affine import apply_affine, invert_affine
from raypose.ops.boxes import bbox_clip_border, bbox_corner2xyxy, bbox_xyxy2corner
from raypose.ops.keypoints import keypoint_clip_border
from raypose.ops.warps import warp_image
from raypose.structures import CropTransform, PoseSample

Array = npt.NDArray[np.float64]


def warp_pixels(
    sample: PoseSample,
    matrix: Array,
    size: tuple[int, int],
    border_value: float | tuple[float, ...] = 0,
) -> None:
    """Warp the image of a sample, pending flips included.

    Args:
        sample: its `image` is replaced, and `pixels` with it.
        matrix: (2, 3), from the space that the annotations are in to input space.
        size: (w, h) of the input.
        border_value: what lies outside of the image, one value or one for each channel.

    Raises:
        DataError: if the image is not loaded, or is a part that does not hold all of the crop.
    """
    image = sample.image
    if image is None or image.ndim != 3:
        raise DataError(f"sample {sample.id}: its image is not loaded; LoadImage comes first")
    pixels = matrix if sample.pending is None else matrix @ sample.pending
    if sample.pixels is not None:
        _check_part(sample, sample.pixels, pixels, size)
        pixels = pixels @ sample.pixels
        sample.pixels = None
    sample.image = warp_image(image, pixels, size, border_value)


def _check_part(sample: PoseSample, part: Array, matrix: Array, size: tuple[int, int]) -> None:
    """Check that the loaded part of an image holds what a warp shows of the image."""
    assert sample.image is not None
    assert sample.img_shape is not None, "what has loaded a part has noted the size of the whole"
    h, w = sample.image.shape[:2]
    first, last = apply_affine(part[:2], np.array([[-0.5, -0.5], [w - 0.5, h - 0.5]]))
    corners = np.array([[0, 0], [size[0], 0], [0, size[1]], [size[0], size[1]]], np.float64)
    shown = apply_affine(invert_affine(matrix), corners)
    border = np.array([sample.img_shape[1], sample.img_shape[0]])
    low, high = np.maximum(shown.min(axis=0), 0), np.minimum(shown.max(axis=0), border - 1)
    # A point on the border of the part may lack a neighbour, whose weight is next to nothing.
    if (low < high).all() and ((low < first - 0.5).any() or (high > last + 0.5).any()):
        raise DataError(
            f"sample {sample.id}: its crop shows more of the image than "
            f"{sample.img_path or 'the loaded part'} holds; the training set was packed for "
            "weaker augmentation, pack it again"
        )


def record_transform(
    sample: PoseSample,
    matrix: Array,
    center: npt.ArrayLike,
    scale: npt.ArrayLike,
    size: tuple[int, int],
    upright: bool,
) -> None:
    """Fill `transform` after a warp and clear `pending`.

    Args:
        sample: its `transform` is replaced.
        matrix: (2, 3), from the space that the annotations were in to input space.
        center: middle of the crop in that space.
        scale: width and height of the crop.
        size: (w, h) of the input.
        upright: the way back is the box's, see `CropTransform.from_box`.
    """
    pending, before = sample.pending, sample.transform
    sample.pending = None
    if upright and pending is None and before is None:
        sample.transform = CropTransform.from_box(center, scale, size, matrix)
        return
    middle = np.asarray(center, np.float64)
    total = matrix
    if pending is not None:
        total = total @ pending
        middle = invert_affine(pending[:2]) @ [*middle.tolist(), 1.0]
    if before is not None:
        total = total @ np.vstack([before.matrix, [0, 0, 1]])
        middle = before.to_image(middle)
    sample.transform = CropTransform.from_matrix(total, middle, scale, size)


def move_annotations(
    sample: PoseSample,
    matrix: Array,
    size: tuple[int, int],
    keep_corners: bool = False,
    clip: bool = False,
) -> None:
    """Bring keypoints, boxes and areas to input space.

    Args:
        sample: its annotations are replaced.
        matrix: (2, 3), from the space that they are in to input space.
        size: (w, h) of the input.
        keep_corners: leave boxes as four corners instead of putting an upright box round them.
        clip: make keypoints outside of the input invisible, and clip boxes to it.
    """
    if sample.keypoints is not None:
        keypoints = sample.keypoints.copy()
        keypoints[..., :2] = apply_affine(matrix, keypoints[..., :2])
        sample.keypoints = sample.transformed_keypoints = keypoints
        if clip and sample.keypoints_visible is not None:
            _, sample.keypoints_visible = keypoint_clip_border(
                keypoints, sample.keypoints_visible, size
            )
    if sample.bboxes is not None:
        corners = sample.bboxes if sample.bboxes.ndim == 3 else bbox_xyxy2corner(sample.bboxes)
        moved = apply_affine(matrix, corners)
        boxes = moved if keep_corners else bbox_corner2xyxy(moved)
        sample.bboxes = bbox_clip_border(boxes, size) if clip else boxes
    if sample.areas is not None:
        sample.areas = sample.areas * np.float32(abs(np.linalg.det(matrix[:, :2])))
