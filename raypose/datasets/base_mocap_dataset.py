"""`BaseMocapDataset`: windows of motion-capture videos, the samples of lifters.

A video is what one camera saw of one take; a window never leaves it. T frames of a window, T' of
them targets, K keypoints, F frames in all.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.datasets.base_dataset import BaseDataset, skeleton_or
from raypose.errors import ConfigError
from raypose.ops.windows import frame_window
from raypose.structures import PoseSample, Skeleton

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MocapFrames:
    """Frames of all videos.

    Attributes:
        keypoints: (F, K, 2) pixels.
        keypoints_visible: (F, K).
        poses: (F, K, 3) metres in camera space.
        poses_visible: (F, K).
        video: (F,) which video a frame belongs to, 0, 1, ...; those of a video in order of time.
        names: name of each frame, or of each video where `numbered`.
        numbered: name frames by their video and their number in it.
        cameras: camera of each video, see `raypose.ops.cameras`; empty where unknown.
        factors: (F,) scale between pixels and millimetres, where known.
    """

    keypoints: Floats
    keypoints_visible: Floats
    poses: Floats
    poses_visible: Floats
    video: Integers
    names: Sequence[str]
    numbered: bool
    cameras: Sequence[Mapping[str, Any]]
    factors: Floats | None = None


class BaseMocapDataset(BaseDataset):
    """What datasets of poses in 2D and 3D share; a subclass reads its file in `read_frames`.

    A sample's `keypoints` are (T, K, 2) pixels. `meta` holds `lifting_target` (T', K, 3), metres
    in camera space and not moved to a root (codecs do that), `lifting_target_visible` (T', K),
    `target_img_path` (T' names that say subject, action and camera), `camera_param` (arrays that
    samples share: never change them in place) and `factor` (T,) where the file has them.
    With `window_poses` it also holds `keypoints_3d` (T, K, 3) and `keypoints_3d_visible` (T, K).

    Args:
        ann_file: the file.
        seq_len: T, odd unless `causal`.
        seq_step: distance between the frames of a window.
        multiple_target: if positive, windows are so many consecutive frames and all of them are
            targets; `seq_len` and `seq_step` are then 1.
        multiple_target_step: distance between the starts of such windows; by default they follow
            on each other.
        pad_video_seq: make a window for every frame, repeating the first and the last one;
            otherwise only where the video is long enough.
        causal: the target is the last frame of a window; otherwise the middle one.
        subset_frac: use this share of the windows, evenly spread.
        skeleton: a name, file, mapping or object.
        data_root: folder that relative paths start from.
        indices: use only the first so many samples, or only these.
        test_mode: whether samples are for evaluation.
        window_poses: also give the poses of all frames of a window, in camera space, for
            `RandomViewpoint`, which makes the 2D keypoints from them.

    Raises:
        ConfigError: for arguments that contradict each other.
        DataError: with all that is wrong in the file.
    """

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
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        data_root: str | None = None,
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
        window_poses: bool = False,
    ) -> None:
        super().__init__(ann_file, data_root, test_mode)
        problems = []
        if seq_len < 1 or seq_step < 1:
            problems.append(f"seq_len and seq_step are at least 1, got {seq_len} and {seq_step}")
        if not causal and seq_len % 2 == 0:
            problems.append(f"seq_len is odd where the target is in the middle, got {seq_len}")
        if multiple_target and (seq_len, seq_step) != (1, 1):
            problems.append("multiple_target needs seq_len 1 and seq_step 1")
        if multiple_target and pad_video_seq:
            problems.append("multiple_target windows are not padded: set pad_video_seq to false")
        if not 0 < subset_frac <= 1:
            problems.append(f"subset_frac is above 0 and at most 1, got {subset_frac}")
        if problems:
            raise ConfigError(problems)
        self.seq_len = seq_len
        self.seq_step = seq_step
        self.multiple_target = multiple_target
        self.causal = causal
        self.window_poses = window_poses
        self.skeleton = skeleton_or(skeleton, "h36m")
        self._frames = self.read_frames()
        # Rows of each video, one after the other.
        self._rows = np.argsort(self._frames.video, kind="stable")
        self._lengths = np.bincount(self._frames.video)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._windows = self._plan(multiple_target_step or multiple_target, pad_video_seq)
        count = len(self._windows)
        kept = np.linspace(0, count, int(count * subset_frac), endpoint=False).astype(np.int64)
        self.select_samples(kept, indices)

    @abstractmethod
    def read_frames(self) -> MocapFrames:
        """Read `self.ann_file`; `self.skeleton` is known."""

    def make_sample(self, position: int) -> PoseSample:
        """Make the sample of a window."""
        video, frame = self._windows[position]
        length = int(self._lengths[video])
        if self.multiple_target:
            window = frame + np.arange(self.multiple_target)
            target = slice(None)
        else:
            window = frame_window(length, int(frame), self.causal, self.seq_len, self.seq_step)
            middle = self.seq_len - 1 if self.causal else self.seq_len // 2
            target = slice(middle, middle + 1)
        frames = self._frames
        rows = self._rows[self._starts[video] + window]
        names = self._names(int(video), rows[target], window[target])
        meta: dict[str, Any] = {
            "category_id": 1,
            "lifting_target": frames.poses[rows[target]],
            "lifting_target_visible": frames.poses_visible[rows[target]],
            "target_img_path": names,
        }
        if self.window_poses:
            meta["keypoints_3d"] = frames.poses[rows]
            meta["keypoints_3d_visible"] = frames.poses_visible[rows]
        if frames.factors is not None:
            meta["factor"] = frames.factors[rows]
        shape = None
        if frames.cameras:
            camera = frames.cameras[video]
            meta["camera_param"] = dict(camera)
            shape = (int(camera["h"]), int(camera["w"]))
        return PoseSample(
            id=names[0],
            img_id=int(rows[target][0]),
            img_shape=shape,
            keypoints=frames.keypoints[rows],
            keypoints_visible=frames.keypoints_visible[rows],
            meta=meta,
        )

    def _plan(self, multiple_target_step: int, pad_video_seq: bool) -> Integers:
        """Windows as (video, frame): the target, or the first one of multiple targets."""
        lengths = self._lengths
        first, last, step = np.zeros_like(lengths), lengths, 1
        if self.multiple_target:
            last, step = lengths - self.multiple_target + 1, multiple_target_step
        elif not pad_video_seq:
            span = (self.seq_len - 1) * self.seq_step
            before = span if self.causal else span // 2
            first, last = first + before, lengths - (span - before)
        frames = [np.arange(a, b, step) for a, b in zip(first, last, strict=True)]
        videos = np.repeat(np.arange(len(lengths)), [len(f) for f in frames])
        return np.stack([videos, np.concatenate([*frames, np.zeros(0, np.int64)])], axis=1)

    def _names(self, video: int, rows: Integers, numbers: Integers) -> list[str]:
        names = self._frames.names
        if self._frames.numbered:
            return [f"{names[video]}_{number:06d}" for number in numbers]
        return [names[int(row)] for row in rows]
