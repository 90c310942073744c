"""`PoseTrack18VideoDataset`: people in frames of videos, with the frames around them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from raypose.datasets.base_dataset import check_problems
from raypose.datasets.coco_dataset import CocoDataset
from raypose.errors import ConfigError, did_you_mean
from raypose.registry import DATASETS
from raypose.structures import PoseSample, Skeleton

_MODES = ("fixed", "random")


@DATASETS.register_module()
class PoseTrack18VideoDataset(CocoDataset):
    """PoseTrack18 with supporting frames: 17 points of people in videos.

    "PoseTrack: A Benchmark for Human Pose Estimation and Tracking", CVPR 2018. Samples are those
    of `PoseTrack18Dataset`. Besides, `meta["frame_paths"]` holds the paths of the annotated frame
    and of the supporting ones, and `meta["frame_weights"]` the share that each has where an
    estimator of several frames (PoseWarper, NeurIPS 2019) adds them up. Frames are numbered files
    of one folder; a number beyond the first or the last frame is that one.

    Args:
        ann_file: the JSON file; its images have `nframes`.
        bbox_file: see `CocoDataset`.
        data_mode: `topdown` or `bottomup`.
        frame_weights: the share of the annotated frame, then of the others; they add up to 1.
        frame_sampler_mode: supporting frames are `fixed`, those of `frame_indices`, or `random`
            ones of `frame_range`. A sample has the same ones in every epoch.
        frame_range: the lowest and the highest distance from the annotated frame, or one number
            for both directions; for `random`.
        num_sampled_frame: how many supporting frames; for `random`.
        frame_indices: distances of all frames, with 0 for the annotated one, which comes first;
            the others follow in ascending order; for `fixed`.
        ph_fill_len: digits of the number in a file's name.
        skeleton: `posetrack18` by default.
        data_root: folder that relative paths start from.
        data_prefix: `img`, the folder of the images.
        filter_cfg: `bbox_score_thr`, the least score of a detection.
        indices: use only the first so many samples, or only these.
        test_mode: whether samples are for evaluation.
        sample_interval: use images whose id is a multiple of it.

    Raises:
        ConfigError: for arguments that contradict each other.
        DataError: with all that is wrong in the files.

    Example:
        type: PoseTrack18VideoDataset
        ann_file: annotations/posetrack18_train.json
        data_root: data/posetrack18
        frame_weights: [0.3, 0.25, 0.25, 0.1, 0.1]
        frame_sampler_mode: fixed
        frame_indices: [-2, -1, 0, 1, 2]
    """

    default_skeleton: ClassVar[str | None] = "posetrack18"

    def __init__(
        self,
        ann_file: str,
        bbox_file: str | None = None,
        data_mode: str = "topdown",
        frame_weights: Sequence[float] = (0.0, 1.0),
        frame_sampler_mode: str = "random",
        frame_range: int | Sequence[int] | None = None,
        num_sampled_frame: int | None = None,
        frame_indices: Sequence[int] | None = None,
        ph_fill_len: int = 6,
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        data_root: str | None = None,
        data_prefix: Mapping[str, str] | None = None,
        filter_cfg: Mapping[str, Any] | None = None,
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
        sample_interval: int = 1,
    ) -> None:
        if isinstance(frame_range, int):
            frame_range = (-frame_range, frame_range)
        problems = _check_frames(
            frame_weights, frame_sampler_mode, frame_range, num_sampled_frame, frame_indices
        )
        if problems:
            raise ConfigError(problems)
        self.frame_weights = np.asarray(frame_weights, np.float32)
        self.frame_range = frame_range
        self.num_sampled_frame = num_sampled_frame
        self.frame_indices = None if frame_indices is None else sorted(frame_indices)
        self.ph_fill_len = ph_fill_len
        super().__init__(
            ann_file,
            bbox_file,
            data_mode,
            skeleton,
            data_root,
            data_prefix,
            filter_cfg,
            indices,
            test_mode,
            sample_interval,
        )

    def arrange(self, content: Any) -> Any:
        """Keep the lengths of the videos, for which COCO has no place.

        Raises:
            DataError: for images that do not say how long their video is or which frame they are.
        """
        images = content.get("images") if isinstance(content, Mapping) else None
        if not isinstance(images, list):
            return content
        problems = []
        self._lengths: dict[Any, int] = {}
        for image in images:
            stem = os.path.splitext(os.path.basename(str(image.get("file_name"))))[0]
            if not isinstance(image.get("nframes"), int) or not stem.isdigit():
                problems.append(
                    f"image {image.get('id')}: 'nframes' and a 'file_name' that is the number of "
                    f"the frame expected, got {image.get('nframes')!r} and "
                    f"{image.get('file_name')!r}"
                )
            else:
                self._lengths[image.get("id")] = image["nframes"]
        check_problems(self.ann_file, problems)
        return content

    def make_sample(self, position: int) -> PoseSample:
        """Make the sample of a person, with the paths of all frames."""
        sample = super().make_sample(position)
        center = sample.img_path or ""
        folder, file = os.path.split(center)
        stem, suffix = os.path.splitext(file)
        frames = int(stem) + self._distances(sample.id)
        frames = np.clip(frames, 0, self._lengths[sample.img_id] - 1)
        names = [f"{frame:0{self.ph_fill_len}d}{suffix}" for frame in frames]
        sample.meta["frame_paths"] = [center, *(os.path.join(folder, name) for name in names)]
        sample.meta["frame_weights"] = self.frame_weights
        return sample

    def _distances(self, sample_id: str) -> np.ndarray:
        """Distances of the supporting frames from the annotated one."""
        if self.frame_indices is not None:
            return np.array([index for index in self.frame_indices if index], np.int64)
        assert self.frame_range is not None
        low, high = self.frame_range
        rng = np.random.default_rng(zlib.crc32(sample_id.encode()))
        return rng.integers(low, high + 1, self.num_sampled_frame)


def _check_frames(
    weights: Sequence[float],
    mode: str,
    frame_range: Sequence[int] | None,
    count: int | None,
    indices: Sequence[int] | None,
) -> list[str]:
    problems = []
    if any(weight < 0 for weight in weights) or abs(sum(weights) - 1) > 1e-6:
        problems.append(f"frame_weights are at least 0 and add up to 1, got {list(weights)}")
    if mode not in _MODES:
        hint = did_you_mean(str(mode), _MODES)
        return [*problems, f"frame_sampler_mode is 'fixed' or 'random', got {mode!r}.{hint}"]
    if mode == "fixed":
        if indices is None or frame_range is not None or count is not None:
            problems.append("frame_sampler_mode 'fixed' needs frame_indices, and them alone")
        elif len(indices) != len(weights) or 0 not in indices:
            problems.append(
                f"frame_indices are as many as frame_weights, {len(weights)}, with 0 among them, "
                f"got {list(indices)}"
            )
    elif frame_range is None or count is None or indices is not None:
        problems.append(
            "frame_sampler_mode 'random' needs frame_range and num_sampled_frame, and them alone"
        )
    else:
        if len(frame_range) != 2 or not frame_range[0] <= 0 <= frame_range[1]:
            problems.append(f"frame_range is from at most 0 to at least 0, got {list(frame_range)}")
        if count + 1 != len(weights):
            problems.append(
                f"num_sampled_frame is one less than the {len(weights)} frame_weights, got {count}"
            )
    return problems
