"""`MpiiTrbDataset`: people of MPII with points on the contour of their bodies."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from raypose.datasets.base_dataset import check_problems
from raypose.datasets.coco_dataset import CocoDataset
from raypose.datasets.rearranging import Annotation, box_around, rearranged
from raypose.registry import DATASETS

# Scales of the file are extents in units of so many pixels.
_PIXELS = 200.0
# PCKh measures by this share of the diagonal of the head's box.
_HEAD_SHARE = 0.6


@DATASETS.register_module()
class MpiiTrbDataset(CocoDataset):
    """MPII-TRB: 14 joints and 26 points of the contour of people.

    "TRB: A Novel Triplet Representation for Understanding 2D Human Body", ICCV 2019. A COCO file
    whose people have a `center`, a `scale` (the extent of a square box / 200 px) and `num_joints`.
    Those for validation have a `headbox`, and their samples `meta["head_size"]`, by which
    `PCKAccuracy` measures with `norm_item: head`. Boxes may reach beyond the image.

    Args:
        See `CocoDataset`. The skeleton is `mpii_trb` by default.

    Raises:
        DataError: for people without a center or a scale, and all else that is wrong in the file.

    Example:
        type: MpiiTrbDataset
        ann_file: annotations/mpii_trb_train.json
        data_root: data/mpii
        data_prefix: {img: images/}
    """

    clip_boxes: ClassVar[bool] = False
    default_skeleton: ClassVar[str | None] = "mpii_trb"
    measures: ClassVar[tuple[str, ...]] = ("head_size",)

    def arrange(self, content: Any) -> Any:
        """Make boxes of centers and scales, and lengths of the boxes of heads.

        Raises:
            DataError: for people without a center or a scale.
        """
        problems: list[str] = []

        def convert(entry: Annotation) -> list[Annotation]:
            try:
                return [_with_box(entry)]
            except (KeyError, TypeError, ValueError) as error:
                problems.append(
                    f"annotation {entry.get('id')}: 'center', 'scale' and 'headbox' as MPII-TRB "
                    f"has them expected: {error!r}"
                )
                return []

        found = rearranged(content, convert)
        check_problems(self.ann_file, problems)
        return found


def _with_box(entry: Annotation) -> Annotation:
    added: dict[str, Any] = {"bbox": box_around(entry["center"], entry["scale"] * _PIXELS)}
    if "num_joints" in entry:
        added["num_keypoints"] = entry["num_joints"]
    if "headbox" in entry:
        low, high = np.reshape(entry["headbox"], (2, 2))
        added["head_size"] = float(np.linalg.norm(high - low)) * _HEAD_SHARE
    return {**entry, **added}
