"""Pictures of what was predicted for a sample, beside its labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.config import Config
from raypose.errors import DataError
from raypose.ops.image_files import read_image
from raypose.structures import Poses, PoseSample, Skeleton
from raypose.visualization import views_of_case, views_of_case_3d

Views = list[tuple[str, npt.NDArray[Any]]]


def views_of_sample(
    sample: PoseSample,
    poses: Poses,
    skeleton: Skeleton,
    *,
    color_type: str,
    size: tuple[int, int],
) -> Views:
    """Draw everything that was predicted for a sample; of a sequence the first target frame.

    Args:
        sample: the annotation; one of a detection has no labels.
        poses: the prediction.
        skeleton: of both.
        color_type: how images are decoded.
        size: (w, h) that each view fits in.

    Raises:
        DataError: if there is no picture.
    """
    if "lifting_target" in sample.meta:
        return views_of_instance(sample, poses, 0, 0, skeleton, color_type=color_type, size=size)
    check_skeleton(poses, skeleton)
    truth = Poses.empty(skeleton.num_keypoints) if sample.keypoints is None else _truth_of(sample)
    image = _picture_of(sample, color_type)
    return views_of_case(image, poses, truth, skeleton, paired=False, size=size)


def views_of_instance(
    sample: PoseSample,
    poses: Poses,
    instance: int,
    match: int,
    skeleton: Skeleton,
    *,
    color_type: str,
    size: tuple[int, int],
) -> Views:
    """Draw one annotated instance of a sample with its prediction.

    Args:
        sample: the annotation.
        poses: the prediction.
        instance: which annotated one, or which target frame of a 3D pose.
        match: which predicted one; -1 draws them all, for an instance that was not found.
        skeleton: of both.
        color_type: how images are decoded.
        size: (w, h) that each view fits in.

    Raises:
        DataError: if there is no picture.
    """
    if "lifting_target" in sample.meta:
        found = poses.keypoints if poses.keypoints_3d is None else poses.keypoints_3d
        target = np.asarray(sample.meta["lifting_target"])
        lifted = found.reshape(-1, *found.shape[-2:])
        return views_of_case_3d(lifted[match], target[instance], skeleton, size=size)
    shown = poses if match < 0 else poses.select([match])
    truth = _truth_of(sample).select([instance])
    image = _picture_of(sample, color_type)
    return views_of_case(image, shown, truth, skeleton, paired=match >= 0, size=size)


def check_skeleton(poses: Poses, skeleton: Skeleton) -> None:
    """Check that poses are of a skeleton; a metric may turn those of another into it.

    Raises:
        DataError: if they are not.
    """
    count = poses.keypoints.shape[-2]
    if count != skeleton.num_keypoints:
        raise DataError(
            f"{count} keypoints are predicted, the skeleton '{skeleton.name}' has "
            f"{skeleton.num_keypoints}"
        )


def color_type_of(config: Config) -> str:
    """Return how the validation pipeline decodes images."""
    section = config.data_options.val
    steps = [] if section is None else section.pipeline
    found = [step.get("color_type") for step in steps if str(step["type"]).endswith("LoadImage")]
    return next((name for name in found if name is not None), "color")


def _picture_of(sample: PoseSample, color_type: str) -> npt.NDArray[Any]:
    if sample.img_path is None:
        raise DataError(f"{sample.id}: a sample without a picture")
    return read_image(sample.img_path, color_type)


def _truth_of(sample: PoseSample) -> Poses:
    """Return the annotated poses of a sample; keypoints of score 0 are not annotated."""
    keypoints, visible = sample.keypoints, sample.keypoints_visible
    assert keypoints is not None, "the caller has asked for a sample with labels"
    if visible is None:
        visible = np.ones(keypoints.shape[:2], np.float32)
    labelled = (visible if visible.ndim == 2 else visible[..., 0]) > 0
    boxes = sample.bboxes if sample.bboxes is not None and sample.bboxes.ndim == 2 else None
    return Poses(
        keypoints=keypoints[..., :2], keypoint_scores=labelled.astype(np.float32), bboxes=boxes
    )
