"""Data sets of single hands whose boxes are not where COCO has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from raypose.datasets.coco_dataset import CocoDataset
from raypose.datasets.rearranging import Annotation, part_of_person, rearranged
from raypose.registry import DATASETS

# Images of FreiHAND are squares around the hand.
_FREIHAND_BOX = [0, 0, 224, 224]


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
        found = rearranged(content, _hands)
        if not isinstance(found, Mapping) or not isinstance(found.get("annotations"), list):
            return found
        numbered = [{**hand, "id": number} for number, hand in enumerate(found["annotations"])]
        return {**found, "annotations": numbered}


def _hands(entry: Annotation) -> list[Annotation]:
    hands = [part_of_person(entry, f"{side}hand") for side in ("left", "right")]
    return [hand for hand in hands if hand is not None]
