"""Data sets that are COCO files like any other and differ in their skeleton alone.

MMPose gives each a class of its own; configs know them by these names.
"""

from __future__ import annotations

from typing import ClassVar

from raypose.datasets.coco_dataset import CocoDataset, CocoWholeBodyDataset
from raypose.registry import DATASETS

SKELETON_OF: dict[str, str] = {
    "AP10KDataset": "ap10k",
    "ATRWDataset": "atrw",
    "AicDataset": "aic",
    "AnimalKingdomDataset": "ak",
    "AnimalPoseDataset": "animalpose",
    "COFWDataset": "cofw",
    "CrowdPoseDataset": "crowdpose",
    "DeepFashion2Dataset": "deepfashion2",
    "ExlposeDataset": "exlpose",
    "Face300WLPDataset": "300wlp",
    "FlyDataset": "fly",
    "HalpeDataset": "halpe",
    "Horse10Dataset": "horse10",
    "HumanArtDataset": "humanart",
    "LapaDataset": "lapa",
    "MacaqueDataset": "macaque",
    "MhpDataset": "mhp",
    "OCHumanDataset": "ochuman",
    "OneHand10KDataset": "onehand10k",
    "PoseTrack18Dataset": "posetrack18",
}
"""Name of the data set -> its skeleton."""

_DOCUMENTATION = """A COCO-keypoints file of the skeleton `{skeleton}`.

Args:
    See `CocoDataset`. The skeleton is `{skeleton}` by default.

Example:
    type: {name}
    ann_file: annotations/train.json
    data_root: data/{skeleton}
    data_prefix: {{img: images/}}
"""


def _of_skeleton(name: str, skeleton: str) -> type[CocoDataset]:
    """Return the class of a data set, to be found in this module where it is unpickled."""
    members = {
        "__doc__": _DOCUMENTATION.format(name=name, skeleton=skeleton),
        "__module__": __name__,
        "default_skeleton": skeleton,
    }
    return type(name, (CocoDataset,), members)


for _name, _skeleton in SKELETON_OF.items():
    globals()[_name] = DATASETS.register_module()(_of_skeleton(_name, _skeleton))


@DATASETS.register_module()
class HumanArt21Dataset(CocoDataset):
    """Human-Art with fingers and toes, which lie in a field of their own.

    Args:
        See `CocoDataset`. The skeleton is `humanart21` by default.

    Example:
        type: HumanArt21Dataset
        ann_file: annotations/training_humanart.json
        data_root: data/HumanArt
    """

    keypoint_fields: ClassVar[tuple[str, ...]] = ("keypoints_21",)
    default_skeleton: ClassVar[str | None] = "humanart21"


@DATASETS.register_module()
class UBody2dDataset(CocoWholeBodyDataset):
    """UBody: scenes of upper bodies, annotated as COCO-WholeBody is.

    Args:
        See `CocoDataset`. The skeleton is `ubody2d` by default.

    Example:
        type: UBody2dDataset
        ann_file: annotations/Magic_show/train_annotations.json
        data_root: data/UBody
        data_prefix: {img: images/}
        sample_interval: 10
    """

    default_skeleton: ClassVar[str | None] = "ubody2d"
