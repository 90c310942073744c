"""Annotations of one-stage heads: padding, classes, boxes around keypoints."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from raypose.codecs import YOLOXPoseAnnotationProcessor
from raypose.errors import RayposeError
from raypose.structures import PoseBatch


def batch() -> PoseBatch:
    """Return two people in the first image, one in the second."""
    keypoints = torch.tensor([[[1.0, 2], [3, 4]], [[5, 6], [50, 60]]]).repeat(2, 1, 1, 1)
    visible = torch.tensor([[[1.0, 1], [1, 0]], [[1, 1], [0, 0]]])
    bboxes = torch.tensor([[[0.0, 0, 4, 5], [5, 5, 9, 9]], [[2, 2, 8, 8], [0, 0, 0, 0]]])
    annotations = {
        "bboxes": bboxes,
        "areas": torch.tensor([[20.0, 16], [36, 0]]),
        "category_id": [np.array([1, 3]), np.array([2])],
        "keypoints_visible_weights": [np.ones((2, 2)), np.full((1, 2), 0.5)],
    }
    return PoseBatch(keypoints=keypoints, keypoints_visible=visible, annotations=annotations)


def test_ragged_annotations_are_padded() -> None:
    targets = YOLOXPoseAnnotationProcessor().encode_batch(batch()).targets

    assert set(targets) == set(YOLOXPoseAnnotationProcessor.target_keys)
    assert targets["labels"].tolist() == [[0, 2], [1, -1]]
    assert targets["labels"].dtype == torch.int64
    assert targets["keypoints_visible_weights"].tolist() == [[[1, 1], [1, 1]], [[0.5, 0.5], [0, 0]]]
    assert torch.equal(targets["bboxes"], batch().annotations["bboxes"])


def test_without_categories_all_are_of_one_class() -> None:
    given = batch()
    targets = YOLOXPoseAnnotationProcessor().encode(
        torch.zeros(2, 2, 2, 2), bboxes=given.annotations["bboxes"]
    )
    assert targets["labels"].tolist() == [[0, 0], [0, -1]]
    assert targets["keypoints_visible"].tolist() == torch.ones(2, 2, 2).tolist()


def test_boxes_grow_round_visible_keypoints() -> None:
    targets = YOLOXPoseAnnotationProcessor(expand_bbox=True).encode_batch(batch()).targets
    assert targets["bboxes"][0].tolist() == [[0, 0, 4, 5], [5, 5, 9, 9]]
    assert targets["bboxes"][1].tolist() == [[1, 2, 8, 8], [0, 0, 0, 0]]


def test_mistakes_are_named() -> None:
    with pytest.raises(RayposeError, match="needs the boxes of the instances"):
        YOLOXPoseAnnotationProcessor().encode(torch.zeros(1, 1, 2, 2))
    with pytest.raises(RayposeError, match="only encodes"):
        YOLOXPoseAnnotationProcessor().decode(torch.zeros(1))
    with pytest.raises(RayposeError, match=r"input_size is \(w, h\)"):
        YOLOXPoseAnnotationProcessor(input_size=[640])


def test_boxes_as_corners_are_refused_with_what_to_do() -> None:
    given = batch()
    corners = given.replace(annotations={"bboxes": torch.zeros(2, 2, 4, 2)})
    with pytest.raises(RayposeError, match="set bbox_keep_corner of BottomupRandomAffine to false"):
        YOLOXPoseAnnotationProcessor().encode_batch(corners)
