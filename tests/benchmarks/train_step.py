"""Samples a second of the training step, of the bare model, and of MMPose's step.

    python -m tests.benchmarks.train_step [CONFIG] [--batch 16] [--threads 2] [--mmpose PYTHON]
        [--also train.channels_last=true,train.amp=bf16]

`bare` is forward, loss, backward and optimizer of the model on normalised images and targets that
are ready; `step` is what the training loop does with a batch in memory: the same from bytes and
keypoints, with encoding, autocast, accumulation, the check for numbers that are none. Each with
and without `channels_last`; `--also` adds the step with other settings. They take turns; the
medians of all rounds are printed. Weights and images are random.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from raypose.config import Config, build_codec, build_model, load_config
from raypose.structures import CropTransform, PoseBatch
from raypose.training.checkpoints import TrainingState
from raypose.training.not_finite import FiniteCheck
from raypose.training.optimizer import build_optimizer
from raypose.training.runtime import LocalRuntime
from raypose.training.train_step import TrainStep
from raypose.training.update import Updater
from tests.benchmarks.mmpose_client import mmpose_peer

_CONFIG = "body_2d_keypoint/rtmpose/coco/rtmpose-t_8xb256-420e_coco-256x192"
Work = Callable[[], object]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", nargs="?", default=_CONFIG, help="below configs, of both")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--mmpose", metavar="PYTHON", help="interpreter with MMPose")
    parser.add_argument("--also", action="append", default=[], metavar="KEY=VALUE,...")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    ways: dict[str, Work] = {}
    for layout, last in (("", False), (" channels_last", True)):
        config = load_config(arguments.config, [f"train.channels_last={str(last).lower()}"])
        batch = random_batch(config, arguments.batch)
        ways[f"bare{layout}"] = bare_work(config, batch)
        ways[f"step{layout}"] = step_work(config, batch)
    for settings in arguments.also:
        config = load_config(arguments.config, settings.split(","))
        ways[settings] = step_work(config, random_batch(config, arguments.batch))
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        peer = None
        if arguments.mmpose:
            command = ["step", arguments.config, "--batch", str(arguments.batch)]
            command += ["--threads", str(arguments.threads)]
            peer = stack.enter_context(mmpose_peer(arguments.mmpose, command))
        for work in ways.values():
            work()
        for _ in range(arguments.rounds):
            for name, work in ways.items():
                speed = rate(work, arguments.batch, arguments.seconds)
                found.setdefault(name, []).append(speed)
            if peer is not None:
                found.setdefault("mmpose", []).append(peer.rate(arguments.seconds))
    middle = {name: statistics.median(speeds) for name, speeds in found.items()}
    for name, speed in middle.items():
        notes = []
        if name.startswith("step"):
            notes.append(f"{speed / middle[name.replace('step', 'bare')]:.3f} of bare")
        if "mmpose" in middle:
            notes.append(f"{speed / middle['mmpose']:.2f} times MMPose")
        print(f"{name:34} {speed:7.2f} samples/s  {', '.join(notes)}")


def random_batch(config: Config, size: int) -> PoseBatch:
    """Return a batch as a feed of crops makes it."""
    assert config.skeleton is not None
    width, height = config.data["codec"]["input_size"]
    joints = config.skeleton.num_keypoints
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (size, 3, height, width), np.uint8)
    points = (random.random((size, 1, joints, 2)) * (width, height)).astype(np.float32)
    box = CropTransform.from_box(
        np.array([width / 2, height / 2]),
        np.array([width, height]),
        (width, height),
        np.eye(2, 3),
    )
    return PoseBatch(
        inputs=torch.from_numpy(images),
        keypoints=torch.from_numpy(points),
        keypoints_visible=torch.ones(size, 1, joints),
        num_instances=torch.ones(size, dtype=torch.int64),
        transforms=[box] * size,
        flip_indices=tuple(config.skeleton.flip_indices),
        ids=[str(i) for i in range(size)],
        indices=list(range(size)),
        files=[None] * size,
    )


def bare_work(config: Config, batch: PoseBatch) -> Work:
    """Return a step of plain PyTorch on what is ready for the model."""
    model, codec = build_model(config).train(), build_codec(config)
    assert codec is not None
    assert isinstance(batch.inputs, torch.Tensor)
    layout = torch.channels_last if config.train.channels_last else torch.contiguous_format
    model.to(memory_format=layout)  # type: ignore[call-overload]
    ready = codec.encode_batch(batch)
    inputs = batch.inputs.float().sub(116.0).div(58.0).contiguous(memory_format=layout)
    ready = ready.replace(inputs=inputs)
    optimizer = build_optimizer(config.experiment.optimizer, model)

    def work() -> None:
        parts = model.loss(ready)
        losses = [value for name, value in parts.items() if name.startswith("loss")]
        torch.stack(losses).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return work


def step_work(config: Config, batch: PoseBatch) -> Work:
    """Return a step of the training loop."""
    model = build_model(config).train()
    layout = torch.channels_last if config.train.channels_last else torch.contiguous_format
    model.to(memory_format=layout)  # type: ignore[call-overload]
    runtime = LocalRuntime(Path("."), "cpu")
    state = TrainingState(
        model=model,
        optimizer=build_optimizer(config.experiment.optimizer, model),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
        ema=None,
        config="",
    )
    check = FiniteCheck(config.train.on_nan, config.train.max_nan_skips, model, runtime)
    step = TrainStep(model, build_codec(config))
    if config.train.compile:
        step.compile()
    updater = Updater(config.train, step, state, check, runtime)

    def work() -> None:
        updater.add(batch, "benchmark", 1)
        updater.finish()
        check.look()

    return work


def rate(work: Work, batch: int, seconds: float) -> float:
    """Return samples a second."""
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        work()
        done += batch
    return done / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
