"""`MocapDataset`: 3D poses and the pinhole cameras that look at them, one npz file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raypose.datasets.base_dataset import check_problems
from raypose.datasets.base_mocap_dataset import BaseMocapDataset, MocapFrames
from raypose.datasets.npz_file import check_arrays, read_npz
from raypose.registry import DATASETS
from raypose.structures import Skeleton


@DATASETS.register_module()
class MocapDataset(BaseMocapDataset):
    """Motion capture seen by the cameras of its clips; every view of a clip is a video.

    The npz file holds, for F frames, C clips and V cameras each:

        pose        (F, K, 3)     metres in the world
        clip        (F,)          clip of each frame; those of a clip in order of time
        cam_R       (C, V, 3, 3)  rotation, world to camera: x right, y down, z forward
        cam_t       (C, V, 3)     translation, so that a point p is at R p + t
        cam_f       (C, V)        focal length in pixels
        image_size  (2,)          (w, h); the optical axis goes through the middle
        clip_names  (C,)          SUBJECT_ACTION...

    2D keypoints are its projections, targets the poses in camera space in metres (`MPJPE` with
    `scale: 1000` reports millimetres).

    Args:
        ann_file: the file.
        views: which cameras of a clip, all by default.
        seq_len: see `BaseMocapDataset`, like all that follow.
        seq_step: distance between the frames of a window.
        multiple_target: number of consecutive frames that all are targets.
        multiple_target_step: distance between the starts of such windows.
        pad_video_seq: make a window for every frame.
        causal: the target is the last frame.
        subset_frac: use this share of the windows.
        skeleton: `h36m` by default.
        data_root: folder that relative paths start from.
        indices: use only the first so many samples, or only these.
        test_mode: whether samples are for evaluation.
        window_poses: also give the poses of all frames of a window.

    Example:
        type: MocapDataset
        ann_file: train.npz
        data_root: data/mocap3d
        seq_len: 27
        causal: false
        pad_video_seq: true
    """

    def __init__(
        self,
        ann_file: str,
        views: Sequence[int] | None = None,
        seq_len: int = 1,
        seq_step: int = 1,
        multiple_target: int = 0,
        multiple_target_step: int = 0,
        pad_video_seq: bool = False,
        causal: bool = True,
        subset_frac: float = 1.0,
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        data_root: str | None = None,
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
        window_poses: bool = False,
    ) -> None:
        self.views = views
        super().__init__(
            ann_file,
            seq_len,
            seq_step,
            multiple_target,
            multiple_target_step,
            pad_video_seq,
            causal,
            subset_frac,
            skeleton,
            data_root,
            indices,
            test_mode,
            window_poses,
        )

    def read_frames(self) -> MocapFrames:
        """Read the file and project all poses into the chosen views."""
        arrays = read_npz(self.ann_file, tuple(_SHAPES))
        K = self.skeleton.num_keypoints
        clips, cameras = arrays["cam_R"].shape[:2]
        sides = {"K": K, "C": clips, "V": cameras, "F": len(arrays["pose"])}
        shapes = {
            name: tuple(sides.get(side, side) for side in shape) for name, shape in _SHAPES.items()
        }
        check_arrays(self.ann_file, arrays, shapes)
        views = np.arange(cameras) if self.views is None else np.asarray(self.views)
        clip = arrays["clip"].astype(np.int64)
        problems = []
        if views.max(initial=0) >= cameras or views.min(initial=0) < 0:
            problems.append(f"there are {cameras} cameras a clip, views are {views.tolist()}")
        if clip.max(initial=0) >= clips or clip.min(initial=0) < 0:
            problems.append(f"'clip' holds numbers outside of the {clips} clips with cameras")
        check_problems(self.ann_file, problems)
        rotation = arrays["cam_R"].astype(np.float32)[:, views]
        translation = arrays["cam_t"].astype(np.float32)[:, views]
        focal = arrays["cam_f"].astype(np.float32)[:, views]
        size = arrays["image_size"].astype(np.float32)
        # (views, F, K, 3): all frames of a view together.
        poses = np.einsum("fvij,fkj->vfki", rotation[clip], arrays["pose"].astype(np.float32))
        poses += translation[clip].transpose(1, 0, 2)[:, :, None]
        behind = (poses[..., 2] <= 0).any(axis=(0, 2))
        if behind.any():
            problems.append(
                f"{behind.sum()} poses are behind a camera, the first is {int(np.argmax(behind))}"
            )
        check_problems(self.ann_file, problems)
        keypoints = poses[..., :2] / poses[..., 2:] * focal[clip].T[:, :, None, None] + size / 2
        frames = keypoints.reshape(-1, K, 2)
        video = (clip * len(views) + np.arange(len(views))[:, None]).reshape(-1)
        names = [str(name) for name in arrays["clip_names"]]
        return MocapFrames(
            keypoints=frames,
            keypoints_visible=np.ones(frames.shape[:2], np.float32),
            poses=poses.reshape(-1, K, 3),
            poses_visible=np.ones(frames.shape[:2], np.float32),
            video=video,
            names=[f"{name}.{view}" for name in names for view in views],
            numbered=True,
            cameras=[
                _camera(rotation[c, v], translation[c, v], focal[c, v], size)
                for c in range(clips)
                for v in range(len(views))
            ],
        )


_SHAPES: dict[str, tuple[Any, ...]] = {
    "pose": ("F", "K", 3),
    "clip": ("F",),
    "cam_R": ("C", "V", 3, 3),
    "cam_t": ("C", "V", 3),
    "cam_f": ("C", "V"),
    "image_size": (2,),
    "clip_names": ("C",),
}


def _camera(
    rotation: np.ndarray, translation: np.ndarray, focal: np.ndarray, size: np.ndarray
) -> dict[str, Any]:
    """Camera to world, as `raypose.ops.cameras` and Human3.6M have it."""
    return {
        "R": rotation.T.copy(),
        "T": -(rotation.T @ translation)[:, None],
        "f": np.repeat(focal, 2)[:, None],
        "c": size[:, None] / 2,
        "w": int(size[0]),
        "h": int(size[1]),
    }
