"""Samples a second of the standard training pipelines, against what decoding and warping cost.

Run by hand, on any COCO-keypoints file:

    python tests/benchmarks/train_pipeline.py annotations.json --images folder [--seconds 5]

`limit` decodes an image and warps it once, nothing else; the pipelines are those of MMPose's
HRNet-W32 and RTMPose-m on COCO, up to the crop that goes to the model. One process, one thread.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np

from raypose.datasets import CocoDataset
from raypose.ops.warps import get_warp_matrix
from raypose.structures import PoseSample
from raypose.transforms import Compose

SIZE = (192, 256)
HRNET: list[dict[str, Any]] = [
    {"type": "LoadImage"},
    {"type": "GetBBoxCenterScale"},
    {"type": "RandomFlip", "direction": "horizontal"},
    {"type": "RandomHalfBody"},
    {"type": "RandomBBoxTransform"},
    {"type": "TopdownAffine", "input_size": SIZE},
]
DROPOUT = {"type": "CoarseDropout", "max_holes": 1, "max_height": 0.4, "max_width": 0.4}
RTMPOSE: list[dict[str, Any]] = [
    *HRNET[:4],
    {"type": "RandomBBoxTransform", "scale_factor": [0.6, 1.4], "rotate_factor": 80},
    HRNET[5],
    {"type": "YOLOXHSVRandomAug"},
    {
        "type": "Albumentation",
        "transforms": [
            {"type": "Blur", "p": 0.1},
            {"type": "MedianBlur", "p": 0.1},
            {**DROPOUT, "min_height": 0.2, "min_width": 0.2, "p": 1.0},
        ],
    },
]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("ann_file")
    parser.add_argument("--images", default="", help="folder of the images")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    dataset = CocoDataset(arguments.ann_file, data_prefix={"img": arguments.images})
    print(dataset)
    limit = rate(dataset, lambda sample, epoch: bare(sample), arguments.seconds)
    print(f"{'limit':8} {limit:7.0f} samples/s")
    for name, steps in (("hrnet", HRNET), ("rtmpose", RTMPOSE)):
        pipeline = Compose(steps)
        speed = rate(dataset, pipeline, arguments.seconds)
        print(f"{name:8} {speed:7.0f} samples/s, {speed / limit:.0%} of the limit; ", end="")
        print(", ".join(f"{step} {us:.0f} us" for step, us in shares(dataset, pipeline)))


def bare(sample: PoseSample) -> np.ndarray:
    """Decode and warp."""
    assert sample.img_path is not None
    assert sample.bboxes is not None
    image = cv2.imdecode(np.fromfile(sample.img_path, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    low, high = sample.bboxes[0, :2], sample.bboxes[0, 2:]
    height = max(high[1] - low[1], (high[0] - low[0]) * SIZE[1] / SIZE[0]) * 1.25
    scale = (height * SIZE[0] / SIZE[1], height)
    return cv2.warpAffine(image, get_warp_matrix((low + high) / 2, scale, 20.0, SIZE), SIZE)


def rate(dataset: CocoDataset, work: Callable[[PoseSample, int], Any], seconds: float) -> float:
    """Return samples a second; files are in the page cache after the first round."""
    for index in range(len(dataset)):
        work(dataset[index], 0)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        work(dataset[count % len(dataset)], count // len(dataset))
        count += 1
    return count / (time.perf_counter() - start)


def shares(dataset: CocoDataset, pipeline: Compose) -> list[tuple[str, float]]:
    """Return the microseconds of each step."""
    spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def clock(name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        spent[name] += time.perf_counter() - start

    for index in range(len(dataset)):
        with clock("record"):
            sample: PoseSample | None = dataset[index]
        for transform in pipeline.transforms:
            assert sample is not None
            with clock(type(transform).__name__):
                sample = transform(sample)
    return [(name, total / len(dataset) * 1e6) for name, total in spent.items()]


if __name__ == "__main__":
    main()
