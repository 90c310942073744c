"""Annotation files to `PoseSample` records, and the skeletons that describe their keypoints."""

from raypose.datasets.base_dataset import BaseDataset
from raypose.datasets.base_mocap_dataset import BaseMocapDataset, MocapFrames
from raypose.datasets.coco_dataset import CocoDataset, CocoWholeBodyDataset
from raypose.datasets.human36m_dataset import Human36mDataset
from raypose.datasets.mocap_dataset import MocapDataset

__all__ = [
    "BaseDataset",
    "BaseMocapDataset",
    "CocoDataset",
    "CocoWholeBodyDataset",
    "Human36mDataset",
    "MocapDataset",
    "MocapFrames",
]
