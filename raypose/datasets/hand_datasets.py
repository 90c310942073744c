"""Data sets of single hands whose boxes are not where COCO has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from raypose.datasets.coco_annotations import flat_keypoints
from raypose.datasets.coco_dataset import CocoDataset
from raypose.datasets.rearranging import (
    OF_THE_PERSON,
    Annotation,
    part_of_person,
    rearranged,
)
from raypose.registry import DATASETS

# Images of FreiHAND are squares around the hand.
_FREIHAND_BOX = [0, 0, 224, 224]
_HALPE_POINTS = 136
# Where the points of the left and of the right hand begin among Halpe's 136.
_HALPE_HANDS = (94, 115)
_HAND = 21


@DATASETS.register_module()
class FreiHandDataset(CocoDataset):
    """FreiHAND: 21 points of a hand; its box is the whole image of 224 x 224 pixels.

    Args:
        See `CocoDataset`. The skeleton is `freihand2d` by default.

    Example:
        type: FreiHandDataset
        ann_file: annotations/freihand_train.json
        data_root: data/freihand
    """

    clip_boxes: ClassVar[bool] = False
    default_skeleton: ClassVar[str | None] = "freihand2d"

    def arrange(self, content: Any) -> Any:
        """Give every hand the box of the image."""
        return rearranged(content, lambda entry: [{**entry, "bbox": _FREIHAND_BOX}])


@DATASETS.register_module()
class PanopticHand2DDataset(CocoDataset):
    """CMU Panoptic's hands: 21 points of a hand of a person in an image.

    "Hand Keypoint Detection in Single Images using Multiview Bootstrapping", CVPR 2017.
    `meta["head_size"]` is the size of the person's head in pixels, by which `PCKAccuracy`
    measures with `norm_item: head`.

    Args:
        See `CocoDataset`. The skeleton is `panoptic_hand2d` by default.

    Example:
        type: PanopticHand2DDataset
        ann_file: annotations/panoptic_train.json
        data_root: data/panoptic
    """

    default_skeleton: ClassVar[str | None] = "panoptic_hand2d"
    measures: ClassVar[tuple[str, ...]] = ("head_size",)


@DATASETS.register_module()
class CocoWholeBodyHandDataset(CocoDataset):
    """The hands of COCO-WholeBody, left and right alike, one sample for each that is annotated.

    Args:
        See `CocoDataset`. The skeleton is `coco_wholebody_hand` by default.

    Example:
        type: CocoWholeBodyHandDataset
        ann_file: annotations/coco_wholebody_train_v1.0.json
        data_root: data/coco
        data_prefix: {img: train2017/}
    """

    clip_boxes: ClassVar[bool] = False
    default_skeleton: ClassVar[str | None] = "coco_wholebody_hand"

    def arrange(self, content: Any) -> Any:
        """Put the hands where the person was; they are numbered in the order of the file."""
        return _numbered(rearranged(content, _hands))


@DATASETS.register_module()
class HalpeHandDataset(CocoDataset):
    """The hands of Halpe, left and right alike, one sample for each.

    Halpe has no boxes of hands: they are those around the labelled points. A hand whose points
    span none is left out.

    Args:
        See `CocoDataset`. The skeleton is `coco_wholebody_hand` by default, whose 21 points Halpe
        has in the same order.

    Example:
        type: HalpeHandDataset
        ann_file: annotations/halpe_train_v1.json
        data_root: data/halpe
        data_prefix: {img: hico_20160224_det/images/train2015/}
    """

    clip_boxes: ClassVar[bool] = False
    default_skeleton: ClassVar[str | None] = "coco_wholebody_hand"

    def arrange(self, content: Any) -> Any:
        """Put the hands where the person was; they are numbered in the order of the file."""
        found = _numbered(rearranged(content, _halpe_hands))
        # They name the 136 points of the person.
        return _without_names(found)


@DATASETS.register_module()
class Rhd2DDataset(CocoDataset):
    """RHD: 21 points of a rendered hand, each finger from its tip to the palm.

    "Learning to Estimate 3D Hand Pose from Single RGB Images", ICCV 2017.

    Args:
        See `CocoDataset`. The skeleton is `rhd2d` by default.

    Example:
        type: Rhd2DDataset
        ann_file: annotations/rhd_train.json
        data_root: data/rhd
    """

    default_skeleton: ClassVar[str | None] = "rhd2d"

    def arrange(self, content: Any) -> Any:
        """Leave out the names of the points, which are those of fingers from the palm."""
        return _without_names(content)


def _without_names(content: Any) -> Any:
    """Return a file's content with categories that do not name keypoints."""
    if not isinstance(content, Mapping) or not isinstance(content.get("categories"), list):
        return content
    kept = [{key: kind.get(key) for key in ("id", "name")} for kind in content["categories"]]
    return {**content, "categories": kept}


def _numbered(content: Any) -> Any:
    """Return a file's content with ids of its own for the annotations."""
    if not isinstance(content, Mapping) or not isinstance(content.get("annotations"), list):
        return content
    numbered = [{**hand, "id": number} for number, hand in enumerate(content["annotations"])]
    return {**content, "annotations": numbered}


def _halpe_hands(entry: Annotation) -> list[Annotation]:
    """Return the hands of a person with a labelled point."""
    flat = flat_keypoints(entry.get("keypoints") or [])
    if flat and len(flat) != 3 * _HALPE_POINTS:
        return [entry]  # to be refused, with its id, by those who read it
    points = np.asarray(flat, np.float64).reshape(-1, 3)
    hands = []
    for first in _HALPE_HANDS:
        hand = points[first : first + _HAND]
        labelled = hand[hand[:, 2] > 0, :2]
        if len(labelled):
            low, high = labelled.min(axis=0), labelled.max(axis=0)
            kept = {key: value for key, value in entry.items() if key not in OF_THE_PERSON}
            box = [*low.tolist(), *(high - low).tolist()]
            hands.append({**kept, "bbox": box, "keypoints": hand.reshape(-1).tolist()})
    return hands


def _hands(entry: Annotation) -> list[Annotation]:
    hands = [part_of_person(entry, f"{side}hand") for side in ("left", "right")]
    return [hand for hand in hands if hand is not None]
