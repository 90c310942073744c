"""Frames a second of `raypose annotate` on a video and of rtmlib's loop, with the same ONNX files.

    pip install rtmlib
    python tests/benchmarks/annotate_video.py VIDEO --detector yolox_nano_coco_416.onnx \\
        [--pose rtmpose-s_8xb256-420e_coco-256x192] [--frames 400] [--rounds 2]

rtmlib reads a frame, finds boxes and poses one person after the other, with the threads that ONNX
Runtime takes by default. raypose does what the command does: one actor on each core, a detector
and a pose model in each. Both look for people with the same least score of a box;
pose weights are random, so keypoints mean nothing, but the boxes are those of the detector. `total`
is with start-up and end of the job, `rate` without. `--memory` (needs psutil) prints the largest
memory of an actor for a hundredth of the frames and for all of them, with tracking.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import cv2

sys.path.insert(0, str(Path(__file__).parents[2]))

from rtmlib import YOLOX, RTMPose  # pyright: ignore[reportMissingImports]

from tests.benchmarks.annotation_job import ActorMemory, Timing, exported, random_model, run

_SCORE = 0.3
_NMS = 0.45
_PERSON = 0


def rtmlib_loop(video: str, frames: int, detector: str, pose: str, size: tuple[int, int]) -> Timing:
    """Time rtmlib, one frame after the other."""
    start = time.perf_counter()
    side = _side(detector)
    find = YOLOX(detector, (side, side), "multiclass", nms_thr=_NMS, score_thr=_SCORE)
    estimate = RTMPose(pose, size)
    reader, rows, people = cv2.VideoCapture(video), 0, 0
    begun = time.perf_counter()
    while rows < frames:
        there, frame = reader.read()
        if not there:
            break
        boxes, classes = find(frame)
        boxes = boxes[classes == _PERSON]
        if len(boxes):
            people += len(estimate(frame, list(boxes))[0])
        rows += 1
    end = time.perf_counter()
    return Timing(rows, people, end - start, rows / (end - begun))


def _side(detector: str) -> int:
    import onnxruntime

    session = onnxruntime.InferenceSession(detector, providers=["CPUExecutionProvider"])
    return session.get_inputs()[0].shape[-1]


def first_frames(video: str, frames: int, target: Path) -> str:
    """Write the beginning of a video to a file of its own; one that is too short comes again."""
    reader = cv2.VideoCapture(video)
    size = int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, size)
    for _ in range(frames):
        there, frame = reader.read()
        if not there:
            reader.set(cv2.CAP_PROP_POS_FRAMES, 0)
            _, frame = reader.read()
        writer.write(frame)
    writer.release()
    return str(target)


def main() -> None:
    """Print a line for each loop and round."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video")
    parser.add_argument("--detector", required=True, help="YOLOX as ONNX, outputs not decoded")
    parser.add_argument("--pose", default="rtmpose-s_8xb256-420e_coco-256x192")
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--shard", type=int, default=40)
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        overrides = (
            f"annotate.shard_size={arguments.shard}",
            *(() if arguments.memory else ("annotate.tracking=null",)),
            f"annotate.num_actors={os.cpu_count() or 1}",
        )
        model = random_model(arguments.pose, folder, overrides)
        pose = exported(model)
        width, height = model[0].data["codec"]["input_size"]
        if arguments.memory:
            for count in (arguments.frames // 100, arguments.frames):
                video = first_frames(arguments.video, count, folder / f"{count}.mp4")
                with ActorMemory() as memory:
                    took = run(video, folder / "out", model, detector=arguments.detector)
                print(f"{took.rows:6} frames: {memory.most:.0f} MB", flush=True)
            return
        video = first_frames(arguments.video, arguments.frames, folder / "video.mp4")
        print(f"{'':10}{'frames':>8}{'people':>8}{'seconds':>9}{'total/s':>9}{'rate/s':>9}")
        for _ in range(arguments.rounds):
            peer = rtmlib_loop(video, arguments.frames, arguments.detector, pose, (width, height))
            ours = run(video, folder / "out", model, detector=arguments.detector)
            for label, took in (("rtmlib", peer), ("raypose", ours)):
                print(
                    f"{label:10}{took.rows:8}{took.instances:8}{took.seconds:9.1f}"
                    f"{took.rows / took.seconds:9.2f}{took.rate:9.2f}",
                    flush=True,
                )
            print(f"{'':10}{ours.rate / peer.rate:.2f} times rtmlib's rate", flush=True)


if __name__ == "__main__":
    main()
