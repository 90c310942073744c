"""Samples a second that a feed gives a training, and MMPose's transforms beside it.

    python -m tests.benchmarks.train_feed annotations.json --images FOLDER
        [--mmpose PYTHON] [--workers 0 1 2] [--seconds 5] [--rounds 3]

Ours is `LocalFeed` with MMPose's pipelines of HRNet-W32 and RTMPose-m on COCO: batches of 64 with
targets, one thread in each process; 0 workers load in the process that asks. MMPose's, where
PYTHON has it, is its training pipeline from file to packed sample in one process with one thread,
not collated. They take turns; the medians of all rounds are printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import cv2
import torch

from raypose.codecs.base import BaseKeypointCodec
from raypose.datasets import CocoDataset
from raypose.registry import CODECS
from raypose.training.feeds.feed import LocalFeed
from raypose.training.feeds.order import SampleOrder, SamplePool, image_numbers
from raypose.transforms import Compose
from tests.benchmarks.mmpose_client import mmpose_peer
from tests.benchmarks.train_pipeline import HRNET, RTMPOSE, SIZE

_BATCH = 64
_HEATMAPS: dict[str, Any] = {
    "type": "MSRAHeatmap",
    "input_size": SIZE,
    "heatmap_size": (48, 64),
    "sigma": 2,
}
_SIMCC: dict[str, Any] = {
    "type": "SimCCLabel",
    "input_size": SIZE,
    "sigma": (4.9, 5.66),
    "simcc_split_ratio": 2.0,
    "normalize": False,
    "use_dark": False,
}
_BODY = "body_2d_keypoint"
_RECIPES = {
    "hrnet": (
        HRNET,
        _HEATMAPS,
        f"{_BODY}/topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192",
    ),
    "rtmpose": (RTMPOSE, _SIMCC, f"{_BODY}/rtmpose/coco/rtmpose-m_8xb256-420e_coco-256x192"),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("ann_file")
    parser.add_argument("--images", default="", help="folder of the images")
    parser.add_argument("--mmpose", metavar="PYTHON", help="interpreter with MMPose")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    dataset = CocoDataset(arguments.ann_file, data_prefix={"img": arguments.images})
    for name, (steps, codec, config) in _RECIPES.items():
        found: dict[str, list[float]] = {}
        for _ in range(arguments.rounds):
            for workers in arguments.workers:
                speed = feed_rate(dataset, steps, codec, workers, arguments.seconds)
                found.setdefault(f"{workers} workers", []).append(speed)
            if arguments.mmpose:
                command = ["data", config, "--annotations", arguments.ann_file]
                command += ["--images", arguments.images]
                with mmpose_peer(arguments.mmpose, command) as peer:
                    peer.rate(arguments.seconds)  # files come into the page cache
                    found.setdefault("mmpose", []).append(peer.rate(arguments.seconds))
        peers = found.get("mmpose")
        for way, speeds in found.items():
            speed = statistics.median(speeds)
            beside = f", {speed / statistics.median(peers):.2f} times MMPose" if peers else ""
            print(f"{name:8} {way:10} {speed:7.0f} samples/s{beside}", flush=True)


def feed_rate(
    dataset: CocoDataset,
    steps: list[dict[str, Any]],
    codec: dict[str, Any],
    workers: int,
    seconds: float,
) -> float:
    """Return samples a second of a feed, after the first batches."""
    encoder: BaseKeypointCodec = CODECS.build(dict(codec))
    order = SampleOrder(
        pool=SamplePool(sizes=(len(dataset),)),
        batch_size=_BATCH,
        images=image_numbers(dataset),
    )
    feed = LocalFeed(
        order, (dataset, Compose(steps)), (dataset, Compose(steps)), _BATCH, num_workers=workers
    )
    batches = feed.train(0, 100_000)
    # What loader processes have made before the clock starts must be used up too.
    for _ in range(2 + 4 * workers):
        encoder.encode_batch(next(batches))
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        count += len(encoder.encode_batch(next(batches)))
    speed = count / (time.perf_counter() - start)
    batches.close()  # type: ignore[attr-defined]
    return speed


if __name__ == "__main__":
    main()
