"""`MpiInf3dhpDataset`: the npz annotations that MMPose makes of MPI-INF-3DHP."""

from __future__ import annotations

import os
import re
from typing import Any, ClassVar

from raypose.datasets.human36m_dataset import Human36mDataset
from raypose.registry import DATASETS

_TRAINING = re.compile(r"(S\d+)_(Seq\d+)_(Cam\d+)_\d+")
_TEST = re.compile(r"(TS\d+)_\d+")


@DATASETS.register_module(name=("MpiInf3dhpDataset", "Body3DMpiInf3dhpDataset"))
class MpiInf3dhpDataset(Human36mDataset):
    """MPI-INF-3DHP: 17 joints in 3D, indoors and outdoors.

    Mehta et al.: "Monocular 3D Human Pose Estimation In The Wild Using Improved CNN Supervision",
    3DV 2017. The npz file is as Human3.6M's; images are `S1_Seq1_Cam0_000001.jpg`, or
    `TS1_000001.jpg` of the test set. What precedes the number of the frame is a video, and the
    key of its camera in `camera_param_file`.

    Args:
        See `Human36mDataset`. The skeleton is `mpi_inf_3dhp` by default.

    Example:
        type: MpiInf3dhpDataset
        ann_file: annotations/mpi_inf_3dhp_train.npz
        data_root: data/mpi_inf_3dhp
        camera_param_file: annotations/cameras_train.pkl
        seq_len: 27
        causal: false
        pad_video_seq: true
    """

    default_skeleton: ClassVar[str] = "mpi_inf_3dhp"
    name_form: ClassVar[str] = "SUBJECT_SEQUENCE_CAMERA_FRAME or TSn_FRAME"

    def video_of(self, name: str) -> tuple[str, ...] | None:
        """Return subject, sequence and camera, or the test subject alone."""
        stem = os.path.splitext(os.path.basename(name))[0]
        found = _TRAINING.fullmatch(stem) or _TEST.fullmatch(stem)
        return None if found is None else found.groups()

    def camera_of(self, video: tuple[str, ...]) -> Any:
        """Return the key of a video's camera in the camera file."""
        return "_".join(video)
