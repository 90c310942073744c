"""Samples of any dataset to `Labels`, for annotation files that are not in COCO's form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raypose.inspection.labels import LabelledImage, Labels
from raypose.structures import PoseSample, Skeleton


def read_sample_labels(
    dataset: Sequence[PoseSample], *, split: str, file: str, skeleton: Skeleton, color_type: str
) -> Labels:
    """Read all samples of a dataset; those without a picture or keypoints are passed over.

    Args:
        dataset: one sample a person or one an image.
        split: what to call it.
        file: its annotation file, for messages.
        skeleton: what its keypoints are.
        color_type: how images are decoded.
    """
    images: list[LabelledImage] = []
    places: dict[str, int] = {}
    image_index: list[int] = []
    ids: list[str] = []
    categories: list[int] = []
    boxes, areas, keypoints, visibility, crowd = [], [], [], [], []
    for sample in dataset:
        if sample.img_path is None or sample.keypoints is None:
            continue
        if sample.img_path not in places:
            places[sample.img_path] = len(images)
            size = None if sample.img_shape is None else (sample.img_shape[1], sample.img_shape[0])
            images.append(LabelledImage(id=str(sample.img_id), path=sample.img_path, size=size))
        count = len(sample.keypoints)
        names = np.ravel(sample.meta.get("id", sample.id)).tolist()
        ids += [str(name) for name in names] if len(names) == count else [sample.id] * count
        image_index += [places[sample.img_path]] * count
        categories += _one_each(sample.meta.get("category_id"), count)
        crowd += _one_each(sample.meta.get("iscrowd"), count)
        unknown = np.full((count, 4), np.nan)
        boxes.append(unknown if sample.bboxes is None else sample.bboxes.reshape(count, 4))
        areas.append(unknown[:, 0] if sample.areas is None else sample.areas)
        keypoints.append(sample.keypoints[..., :2])
        visible = sample.keypoints_visible
        seen = np.ones(sample.keypoints.shape[:2]) if visible is None else np.asarray(visible) > 0
        # Samples do not say which of their keypoints are hidden.
        visibility.append(2.0 * seen)
    K = skeleton.num_keypoints
    return Labels(
        split=split,
        file=file,
        skeleton=skeleton,
        images=images,
        image_index=np.array(image_index, np.int64),
        ids=ids,
        category_ids=np.array(categories, np.int64),
        boxes=np.concatenate([np.zeros((0, 4)), *boxes]),
        areas=np.concatenate([np.zeros(0), *areas]),
        keypoints=np.concatenate([np.zeros((0, K, 2)), *keypoints]),
        visibility=np.concatenate([np.zeros((0, K)), *visibility]),
        crowd=np.array(crowd, np.bool_),
        stated_counts=np.full(len(ids), -1),
        whole_boxes=False,
        color_type=color_type,
    )


def _one_each(value: object, count: int) -> list[int]:
    """Return one number for each instance of a sample; 0 where it does not say."""
    numbers = [] if value is None else np.ravel(np.asarray(value)).tolist()
    return [int(number) for number in numbers] if len(numbers) == count else [0] * count
