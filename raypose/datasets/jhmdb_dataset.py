"""`JhmdbDataset`: people in videos, annotated in pixels counted from 1."""

from __future__ import annotations

from typing import Any, ClassVar

from raypose.datasets.coco_annotations import flat_keypoints
from raypose.datasets.coco_dataset import CocoDataset
from raypose.datasets.rearranging import Annotation, rearranged
from raypose.registry import DATASETS


@DATASETS.register_module()
class JhmdbDataset(CocoDataset):
    """sub-JHMDB: 15 points of people. "Towards Understanding Action Recognition", ICCV 2013.

    Its files are COCO's but count pixels from 1; boxes and keypoints are moved by one.

    Args:
        See `CocoDataset`. The skeleton is `jhmdb` by default.

    Example:
        type: JhmdbDataset
        ann_file: annotations/Sub1_train.json
        data_root: data/jhmdb
    """

    default_skeleton: ClassVar[str | None] = "jhmdb"

    def arrange(self, content: Any) -> Any:
        """Count pixels from 0."""
        return rearranged(content, _counted_from_0)


def _counted_from_0(entry: Annotation) -> list[Annotation]:
    if len(entry.get("bbox", ())) != 4 or "keypoints" not in entry:
        return [entry]
    x, y, *size = entry["bbox"]
    flat = flat_keypoints(entry["keypoints"])
    keypoints = [v if i % 3 == 2 else v - 1 for i, v in enumerate(flat)]
    kept = {key: value for key, value in entry.items() if key != "num_keypoints"}
    return [{**kept, "bbox": [x - 1, y - 1, *size], "keypoints": keypoints}]
