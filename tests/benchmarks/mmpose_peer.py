"""MMPose's training step and data path, measured by whoever starts this with MMPose's Python.

    PYTHON mmpose_peer.py step CONFIG --batch 16 --threads 2
    PYTHON mmpose_peer.py data CONFIG --annotations COCO.json --images FOLDER

It says `ready`, and answers each line `go SECONDS` with samples a second. CONFIG is a name below
MMPose's `configs`. Not part of raypose and without it: the peer has an environment of its own.
"""

# pyright: reportMissingImports=false, reportUnusedImport=false

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("step", "data"))
    parser.add_argument("config")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--annotations")
    parser.add_argument("--images", default="")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(1)
    # Its log goes to stdout as well, where the numbers go.
    stdout, sys.stdout = sys.stdout, sys.stderr
    config = _read(arguments.config)
    if arguments.what == "step":
        work, count = _step(config, arguments.batch), arguments.batch
    else:
        work, count = _data(config, arguments.annotations, arguments.images), 1
    work()
    print("ready", file=stdout, flush=True)
    for line in sys.stdin:
        seconds = float(line.split()[1])
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            work()
            done += count
        print(done / (time.perf_counter() - start), file=stdout, flush=True)


def _read(name: str) -> Any:
    import mmpose
    import mmpose.datasets
    import mmpose.models
    from mmengine import Config
    from mmengine.registry import init_default_scope

    init_default_scope("mmpose")
    folder = Path(mmpose.__path__[0]) / ".mim" / "configs"
    config = Config.fromfile(str(folder / f"{name}.py"))
    config.model.backbone.init_cfg = None
    return config


def _step(config: Any, batch: int) -> Callable[[], Any]:
    """Return the training step of its runner on one batch: images and targets in memory."""
    from mmengine.optim import build_optim_wrapper
    from mmengine.structures import InstanceData, PixelData
    from mmpose.registry import KEYPOINT_CODECS, MODELS
    from mmpose.structures import PoseDataSample

    model = MODELS.build(config.model).train()
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    codec = KEYPOINT_CODECS.build(config.codec)
    width, height = config.codec.input_size
    random = np.random.default_rng(0)
    joints = config.model.head.out_channels
    images, samples = [], []
    for _ in range(batch):
        images.append(torch.from_numpy(random.integers(0, 256, (3, height, width), np.uint8)))
        points = (random.random((1, joints, 2)) * (width, height)).astype(np.float32)
        encoded = codec.encode(points, np.ones((1, joints), np.float32))
        sample = PoseDataSample()
        labels, fields = InstanceData(), PixelData()
        for name in ("keypoint_x_labels", "keypoint_y_labels", "keypoint_weights"):
            if name in encoded:
                setattr(labels, name, torch.from_numpy(np.asarray(encoded[name])))
        if "heatmaps" in encoded:
            fields.heatmaps = torch.from_numpy(encoded["heatmaps"])
        sample.gt_instance_labels, sample.gt_fields = labels, fields
        samples.append(sample)
    data = {"inputs": images, "data_samples": samples}
    return lambda: model.train_step(data, optimizer)


def _data(config: Any, annotations: str, images: str) -> Callable[[], Any]:
    """Return the training transforms on one person after the other."""
    from mmengine.dataset import Compose
    from mmpose.registry import TRANSFORMS

    steps = [dict(step) for step in config.train_dataloader.dataset.pipeline]
    for step in steps:
        step.pop("backend_args", None)
    pipeline = Compose([TRANSFORMS.build(step) for step in steps])
    people = cycle(list(_people(annotations, images)))
    return lambda: pipeline(dict(next(people)))


def _people(annotations: str, images: str) -> Iterator[dict[str, Any]]:
    data = json.loads(Path(annotations).read_text())
    files = {image["id"]: str(Path(images) / image["file_name"]) for image in data["images"]}
    names = data["categories"][0]["keypoints"]
    mirror = list(range(len(names)))
    for label in data["annotations"]:
        points = np.array(label["keypoints"], np.float32).reshape(1, -1, 3)
        x, y, width, height = label["bbox"]
        yield {
            "img_path": files[label["image_id"]],
            "bbox": np.array([[x, y, x + width, y + height]], np.float32),
            "bbox_score": np.ones(1, np.float32),
            "keypoints": points[..., :2],
            "keypoints_visible": np.minimum(1, points[..., 2]),
            "flip_indices": mirror,
            "upper_body_ids": mirror[: len(mirror) // 2],
            "lower_body_ids": mirror[len(mirror) // 2 :],
            "dataset_keypoint_weights": np.ones(len(names), np.float32),
            "id": label["id"],
        }


if __name__ == "__main__":
    main()
