"""Measure what a lifter gains by seeing a video: the MPJPE of every frame of motion capture.

    python tests/benchmarks/lifting_windows.py CONFIG CHECKPOINT [key=value ...]

Every video of the config's validation data is streamed frame by frame: each frame by itself, with
the frames before it (causal), and with those around it as in training (centred), which for a
padded dataset must equal the number of `raypose eval`. Poses are taken where they are in their
images.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from raypose.config import build_dataset, load_config
from raypose.inference import LiftInput, LiftStage, load_lift_stage, single_frame
from raypose.ops.mpjpe import keypoint_mpjpe
from raypose.structures import Poses, PoseSample, Skeleton
from raypose.training.checkpoint_evaluation import evaluate_locally

_FRAMES_AT_A_TIME = 1024
_ONE_FRAME = ("seq_len=1", "seq_step=1", "multiple_target=0", "pad_video_seq=true")


def poses_of(frame: PoseSample) -> Poses:
    """Return the annotated 2D pose, as a tracker would give it."""
    assert frame.keypoints is not None
    return Poses(
        keypoints=frame.keypoints,
        keypoint_scores=np.ones(frame.keypoints.shape[:2], np.float32),
        track_ids=np.zeros(1, np.int64),
    )


def stream(stage: LiftStage, frames: Iterable[PoseSample], way: str) -> Iterator[LiftInput]:
    """Yield what the lifter sees of each frame, video after video."""
    for _, video in groupby(frames, key=lambda frame: frame.id.rpartition("_")[0]):
        windows = stage.windows(causal=way == "causal")
        for frame in video:
            assert frame.img_shape is not None, "the dataset knows its cameras"
            size = frame.img_shape[::-1]
            if way == "single":
                yield single_frame(poses_of(frame), size, stage.num_frames)
            else:
                yield from windows.push(poses_of(frame), size)
        yield from windows.flush()


def measure(stage: LiftStage, frames: Sequence[PoseSample], way: str) -> float:
    """Return the MPJPE about the root, in the unit of the targets."""
    inputs = stream(stage, frames, way)
    lifted = []
    while chunk := list(islice(inputs, _FRAMES_AT_A_TIME)):
        lifted += [poses.keypoints_3d for poses in stage(chunk)]
    targets = np.concatenate([frame.meta["lifting_target"] for frame in frames])
    visible = np.concatenate([frame.meta["lifting_target_visible"] for frame in frames]) > 0
    found = np.concatenate([each for each in lifted if each is not None])
    return keypoint_mpjpe(found, targets - targets[:, :1], visible)


def main() -> None:
    """Print the errors, and the time of a frame."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("overrides", nargs="*")
    args = parser.parse_args()
    overrides = [*args.overrides, "model.test_cfg.stats_info=null"]
    config = load_config(args.config, overrides)
    one_frame = [f"data.val.dataset.{option}" for option in _ONE_FRAME]
    frames = list(build_dataset(load_config(args.config, [*overrides, *one_frame]), "val"))
    stage = load_lift_stage(config, config.skeleton or Skeleton.load("h36m"), args.checkpoint)
    print(f"{len(frames)} frames, windows of {stage.num_frames}, target {stage.target}")
    for way in ("single", "causal", "centred"):
        start = time.perf_counter()
        error = measure(stage, frames, way)
        elapsed = (time.perf_counter() - start) / len(frames) * 1e6
        print(f"{way:8}  MPJPE {1000 * error:8.4f} mm  {elapsed:6.0f} us/frame")
    metrics = evaluate_locally(config, args.checkpoint).numbers
    print(f"eval      MPJPE {metrics['MPJPE']:8.4f}")


if __name__ == "__main__":
    main()
