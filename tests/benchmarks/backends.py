"""Measure pose models on a CPU: torch eager and channels_last, ONNX Runtime, OpenVINO.

    python tests/benchmarks/backends.py [CONFIG ...] [--batches 1 4 8 32] [--rounds 3] [--threads 1]

Weights are at random. All backends are measured in turn, `rounds` times over, in one process: the
best of each counts, since other processes only ever take time away. `forward` is images a second
of the network for normalised inputs; `people` is people a second from pictures and boxes to poses,
by `PoseStage` with the flip test that the config asks for. `error` is the largest difference from
torch eager, as a share of the largest output.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))

from raypose.config import build_model, load_config
from raypose.inference.backends import probe_poses, run_on_backend
from raypose.inference.backends.nested import flatten
from raypose.inference.loading import build_crop_stage
from raypose.inference.pose_stage import PoseStage
from raypose.models.detectors import Detections
from raypose.models.estimators.base import BasePoseEstimator

_CONFIGS = (
    "rtmpose-t_8xb256-420e_coco-256x192",
    "rtmpose-s_8xb256-420e_coco-256x192",
    "rtmpose-m_8xb256-420e_coco-256x192",
    "td-hm_res50_8xb64-210e_coco-256x192",
    "td-hm_hrnet-w32_8xb64-210e_coco-256x192",
)
_CPU = torch.device("cpu")
_PEOPLE = 8  # in each of two pictures, and crops of a batch


def build_stage(name: str, backend: str) -> PoseStage:
    """Return a stage whose network runs on a backend; `eager` and `channels_last` are torch."""
    config = load_config(name)
    torch.manual_seed(0)
    stage = PoseStage(build_model(config).eval(), build_crop_stage(config), _PEOPLE)
    if backend == "eager":
        stage.estimator.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    elif backend != "channels_last":
        run_on_backend(stage.estimator, lambda: probe_poses(stage), backend, _CPU, name)
    return stage


@torch.inference_mode()
def forward(estimator: BasePoseEstimator, inputs: Tensor) -> list[Tensor]:
    """Return the outputs of the network, wherever it runs."""
    return flatten(estimator.required_head().forward(estimator.extract_feat(inputs)))


def rate(call: Callable[[], Any], count: int) -> float:
    """Return how many of `count` things of a call are done in a second."""
    start = time.perf_counter()
    call()
    return count / (time.perf_counter() - start)


def difference(found: list[Tensor], expected: list[Tensor]) -> float:
    """Return the largest difference, as a share of the largest output."""
    return max(
        float((one - other).abs().max() / other.abs().max())
        for one, other in zip(found, expected, strict=True)
    )


def pictures() -> tuple[list[Any], list[Detections]]:
    """Return two pictures with a row of people each."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (480, 640, 3), np.uint8) for _ in range(2)]
    boxes = [[70 * i, 100, 70 * i + 100, 380] for i in range(_PEOPLE)]
    return images, [Detections.from_boxes(boxes)] * len(images)


def measure(name: str, backends: list[str], batches: list[int], rounds: int) -> None:
    """Print the lines of one model."""
    stages = {backend: build_stage(name, backend) for backend in backends}
    images, found = pictures()
    height, width = probe_poses(stages["eager"])[0].inputs[0].shape[-2:]  # type: ignore[index]
    inputs = {size: torch.randn(size, 3, height, width) for size in batches}
    expected = forward(stages["eager"].estimator, inputs[batches[0]])
    best: dict[tuple[str, int], float] = {}
    for _ in range(rounds):
        for backend, stage in stages.items():
            for size in batches:
                call = rate(lambda s=stage, x=inputs[size]: forward(s.estimator, x), size)
                best[backend, size] = max(best.get((backend, size), 0.0), call)
            people = rate(lambda s=stage: s(images, found), len(images) * _PEOPLE)
            best[backend, 0] = max(best.get((backend, 0), 0.0), people)
    for backend, stage in stages.items():
        cells = [f"{best[backend, size]:8.1f}" for size in [*batches, 0]]
        error = difference(forward(stage.estimator, inputs[batches[0]]), expected)
        print(f"{name.split('_8xb')[0]:20} {backend:14}{''.join(cells)}   {error:.1e}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("configs", nargs="*", default=_CONFIGS)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    backends = ["eager", "channels_last"]
    backends += [name for name in ("onnxruntime", "openvino") if find_spec(name)]
    sizes = "".join(f"{f'b{size}':>8}" for size in args.batches)
    print(f"{'':35}{sizes}  people   error, forward in images/s, {args.threads} thread(s)")
    for name in args.configs:
        measure(name, backends, args.batches, args.rounds)
    if hasattr(os, "getloadavg"):
        print(f"load of the machine (1, 5, 15 min): {os.getloadavg()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
