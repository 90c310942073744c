"""Annotation files to `PoseSample` records, and the skeletons that describe their keypoints."""

from raypose.datasets.base_dataset import BaseDataset
from raypose.datasets.base_mocap_dataset import BaseMocapDataset, MocapFrames
from raypose.datasets.coco_dataset import CocoDataset, CocoWholeBodyDataset
from raypose.datasets.combined_dataset import CombinedDataset, RepeatDataset
from raypose.datasets.deepfashion_dataset import DeepFashionDataset
from raypose.datasets.face_datasets import (
    AFLWDataset,
    CocoWholeBodyFaceDataset,
    Face300VWDataset,
    Face300WDataset,
    WFLWDataset,
)
from raypose.datasets.h3wb_dataset import H36MWholeBodyDataset
from raypose.datasets.hand_datasets import (
    CocoWholeBodyHandDataset,
    FreiHandDataset,
    HalpeHandDataset,
    PanopticHand2DDataset,
    Rhd2DDataset,
)
from raypose.datasets.human36m_dataset import Human36mDataset
from raypose.datasets.interhand_dataset import InterHand2DDoubleDataset, InterHand3DDataset
from raypose.datasets.jhmdb_dataset import JhmdbDataset
from raypose.datasets.mocap_dataset import MocapDataset
from raypose.datasets.mpi_inf_3dhp_dataset import MpiInf3dhpDataset
from raypose.datasets.mpii_dataset import MpiiDataset
from raypose.datasets.mpii_trb_dataset import MpiiTrbDataset
from raypose.datasets.packed_dataset import PackedDataset
from raypose.datasets.posetrack18_video_dataset import PoseTrack18VideoDataset
from raypose.datasets.skeleton_datasets import SKELETON_OF, HumanArt21Dataset, UBody2dDataset
from raypose.datasets.square_image_datasets import LocustDataset, ZebraDataset
from raypose.datasets.ubody3d_dataset import UBody3dDataset

__all__ = [
    "SKELETON_OF",
    "AFLWDataset",
    "BaseDataset",
    "BaseMocapDataset",
    "CocoDataset",
    "CocoWholeBodyDataset",
    "CocoWholeBodyFaceDataset",
    "CocoWholeBodyHandDataset",
    "CombinedDataset",
    "DeepFashionDataset",
    "Face300VWDataset",
    "Face300WDataset",
    "FreiHandDataset",
    "H36MWholeBodyDataset",
    "HalpeHandDataset",
    "Human36mDataset",
    "HumanArt21Dataset",
    "InterHand2DDoubleDataset",
    "InterHand3DDataset",
    "JhmdbDataset",
    "LocustDataset",
    "MocapDataset",
    "MocapFrames",
    "MpiInf3dhpDataset",
    "MpiiDataset",
    "MpiiTrbDataset",
    "PanopticHand2DDataset",
    "PackedDataset",
    "PoseTrack18VideoDataset",
    "RepeatDataset",
    "Rhd2DDataset",
    "UBody2dDataset",
    "UBody3dDataset",
    "WFLWDataset",
    "ZebraDataset",
]
