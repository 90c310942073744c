"""Animals in images that were cut out around them: the box is the whole image."""

from __future__ import annotations

from typing import Any, ClassVar

from raypose.datasets.coco_dataset import CocoDataset
from raypose.datasets.rearranging import rearranged
from raypose.registry import DATASETS

_IMAGE = [0, 0, 160, 160]


class SquareImageDataset(CocoDataset):
    """COCO files of images of 160 x 160 pixels, each with an animal that is its whole box."""

    clip_boxes: ClassVar[bool] = False

    def arrange(self, content: Any) -> Any:
        """Give every animal the box of the image."""
        return rearranged(content, lambda entry: [{**entry, "bbox": _IMAGE}])


@DATASETS.register_module()
class LocustDataset(SquareImageDataset):
    """Desert locusts: 35 points. "DeepPoseKit", Graving et al., eLife 2019.

    Args:
        See `CocoDataset`. The skeleton is `locust` by default.

    Example:
        type: LocustDataset
        ann_file: annotations/locust_train.json
        data_root: data/locust
        data_prefix: {img: images/}
    """

    default_skeleton: ClassVar[str | None] = "locust"


@DATASETS.register_module()
class ZebraDataset(SquareImageDataset):
    """Grevy's zebras from above: 9 points. "DeepPoseKit", Graving et al., eLife 2019.

    Args:
        See `CocoDataset`. The skeleton is `zebra` by default.

    Example:
        type: ZebraDataset
        ann_file: annotations/zebra_train.json
        data_root: data/zebra
        data_prefix: {img: images/}
    """

    default_skeleton: ClassVar[str | None] = "zebra"
