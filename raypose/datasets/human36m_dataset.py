"""`Human36mDataset`: the npz annotations that MMPose makes of Human3.6M."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from raypose.datasets.base_dataset import check_problems
from raypose.datasets.base_mocap_dataset import BaseMocapDataset, MocapFrames
from raypose.datasets.camera_file import read_cameras
from raypose.datasets.npz_file import check_arrays, read_npy, read_npz
from raypose.errors import ConfigError, did_you_mean
from raypose.registry import DATASETS
from raypose.structures import Skeleton

_SOURCES = ("gt", "detection")
# Images of a camera have their size from it; lifters need its focal lengths and centre.
_CAMERA_PARTS = ("f", "c", "w", "h")


@DATASETS.register_module()
class Human36mDataset(BaseMocapDataset):
    """Human3.6M (Ionescu et al., TPAMI 2014).

    The npz file holds `imgname` (F,) such as `S1_Directions_1.54138969_000001.jpg`, `part`
    (F, 17, 3) 2D keypoints with visibility, and `S` (F, 17, 4) poses in camera space in metres
    with visibility. Frames with the same subject, action and camera are a video.

    Args:
        ann_file: the file.
        seq_len: see `BaseMocapDataset`.
        seq_step: distance between the frames of a window.
        multiple_target: number of consecutive frames that all are targets.
        multiple_target_step: distance between the starts of such windows.
        pad_video_seq: make a window for every frame.
        causal: the target is the last frame.
        subset_frac: use this share of the windows.
        keypoint_2d_src: `gt`, the annotated 2D keypoints, or `detection`.
        keypoint_2d_det_file: npy file (F, 17, 3) of detected 2D keypoints with their scores.
        factor_file: npy file (F,) of the scale between pixels and millimetres.
        camera_param_file: pickled arrays of the cameras.
        skeleton: `h36m` by default.
        data_root: folder that relative paths start from.
        indices: use only the first so many samples, or only these.
        test_mode: whether samples are for evaluation.
        window_poses: also give the poses of all frames of a window.

    Example:
        type: Human36mDataset
        ann_file: annotation_body3d/fps50/h36m_test.npz
        data_root: data/h36m
        camera_param_file: annotation_body3d/cameras.pkl
        seq_len: 27
        causal: false
        pad_video_seq: true
        test_mode: true
    """

    default_skeleton: ClassVar[str] = "h36m"
    name_form: ClassVar[str] = "SUBJECT_ACTION.CAMERA_FRAME"

    def __init__(
        self,
        ann_file: str,
        seq_len: int = 1,
        seq_step: int = 1,
        multiple_target: int = 0,
        multiple_target_step: int = 0,
        pad_video_seq: bool = False,
        causal: bool = True,
        subset_frac: float = 1.0,
        keypoint_2d_src: str = "gt",
        keypoint_2d_det_file: str | None = None,
        factor_file: str | None = None,
        camera_param_file: str | None = None,
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        data_root: str | None = None,
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
        window_poses: bool = False,
    ) -> None:
        if keypoint_2d_src not in _SOURCES:
            raise ConfigError(
                f"keypoint_2d_src is 'gt' or 'detection', got {keypoint_2d_src!r}."
                + did_you_mean(str(keypoint_2d_src), _SOURCES)
            )
        if (keypoint_2d_src == "detection") != (keypoint_2d_det_file is not None):
            raise ConfigError(
                "keypoint_2d_det_file and keypoint_2d_src 'detection' belong together"
            )
        self.keypoint_2d_det_file = keypoint_2d_det_file
        self.factor_file = factor_file
        self.camera_param_file = camera_param_file
        super().__init__(
            ann_file,
            seq_len,
            seq_step,
            multiple_target,
            multiple_target_step,
            pad_video_seq,
            causal,
            subset_frac,
            self.default_skeleton if skeleton is None else skeleton,
            data_root,
            indices,
            test_mode,
            window_poses,
        )

    def read_frames(self) -> MocapFrames:
        """Read the file and what belongs to it."""
        arrays = read_npz(self.ann_file, ("imgname", "part", "S"))
        count, K = arrays["imgname"].size, self.skeleton.num_keypoints
        shapes: dict[str, tuple[Any, ...]] = {
            "imgname": (count,),
            "part": (count, K, 3),
            "S": (count, K, 4),
        }
        check_arrays(self.ann_file, arrays, shapes)
        names = [str(name) for name in arrays["imgname"]]
        keys, video = self._videos(names)
        return MocapFrames(
            **self._keypoints(arrays["part"]),
            poses=arrays["S"][..., :3].astype(np.float32),
            poses_visible=arrays["S"][..., 3].astype(np.float32),
            video=video,
            names=names,
            numbered=False,
            cameras=self._cameras(keys),
            factors=self._factors(count),
        )

    def video_of(self, name: str) -> tuple[str, ...] | None:
        """Return what says which video an image belongs to, None if its name does not say it."""
        return parse_h36m_imgname(name)

    def camera_of(self, video: tuple[str, ...]) -> Any:
        """Return the key of a video's camera in the camera file."""
        subject, _, camera = video
        return subject, camera

    def _videos(self, names: list[str]) -> tuple[list[tuple[str, ...]], np.ndarray]:
        """What identifies each video, and the video of each frame."""
        parsed = [self.video_of(name) for name in names]
        problems = [
            f"imgname {i}: {self.name_form} expected, got '{names[i]}'"
            for i, key in enumerate(parsed)
            if key is None
        ]
        check_problems(self.ann_file, problems)
        known = [key for key in parsed if key is not None]
        keys = sorted(set(known))
        place = {key: position for position, key in enumerate(keys)}
        return keys, np.array([place[key] for key in known], np.int64)

    def _keypoints(self, annotated: np.ndarray) -> dict[str, np.ndarray]:
        found = annotated
        if self.keypoint_2d_det_file is not None:
            path = self.resolve(self.keypoint_2d_det_file)
            found = read_npy(path)
            check_arrays(path, {"the array": found}, {"the array": annotated.shape})
        return {
            "keypoints": found[..., :2].astype(np.float32),
            "keypoints_visible": found[..., 2].astype(np.float32),
        }

    def _factors(self, count: int) -> np.ndarray | None:
        if self.factor_file is None:
            return None
        path = self.resolve(self.factor_file)
        factors = read_npy(path)
        check_arrays(path, {"the array": factors}, {"the array": (count,)})
        return factors.astype(np.float32)

    def _cameras(self, videos: list[tuple[str, ...]]) -> list[dict[str, Any]]:
        if self.camera_param_file is None:
            return []
        path = self.resolve(self.camera_param_file)
        cameras = read_cameras(path)
        wanted = [self.camera_of(video) for video in videos]
        missing = [key for key in dict.fromkeys(wanted) if key not in cameras]
        check_problems(path, [f"no camera {_written(key)}" for key in missing])
        problems = [
            f"camera {_written(key)}: no {' and no '.join(lacking)}"
            for key in dict.fromkeys(wanted)
            if (lacking := [part for part in _CAMERA_PARTS if part not in cameras[key]])
        ]
        check_problems(path, problems)
        return [cameras[key] for key in wanted]


def _written(key: Any) -> str:
    return key if isinstance(key, str) else f"{key[-1]} of {key[0]}"


def parse_h36m_imgname(name: str) -> tuple[str, str, str] | None:
    """Return subject, action and camera of `S1_Directions_1.54138969_000001.jpg`, else None."""
    subject, _, rest = os.path.basename(name).partition("_")
    action, _, rest = rest.partition(".")
    camera, _, frame = rest.partition("_")
    return (subject, action, camera) if subject and action and camera and frame else None
