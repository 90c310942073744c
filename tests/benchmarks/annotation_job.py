"""Jobs that the benchmarks of annotation time: models with random weights, rates after start-up."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from raypose.config import Config, build_model, load_config
from raypose.distributed.annotate import annotate
from raypose.inference.annotation.job import AnnotationJob
from raypose.inference.backends import probe_poses, run_on_backend
from raypose.inference.loading import build_crop_stage, read_config
from raypose.inference.pose_stage import PoseStage
from raypose.models.checkpoint import load_checkpoint
from raypose.weights.cache import weights_folder


@dataclass(frozen=True)
class Timing:
    """How long a job took.

    Attributes:
        rows: images or frames.
        instances: people in them.
        seconds: from its start to its end.
        rate: images or frames a second once every actor had done its first shard.
    """

    rows: int
    instances: int
    seconds: float
    rate: float


def random_model(name: str, folder: Path, overrides: Sequence[str] = ()) -> tuple[Config, Path]:
    """Return a config without flip test, and a checkpoint of weights drawn for it."""
    overrides = ("model.test_cfg.flip_test=false", *overrides)
    target = folder / f"{name}.pth"
    config = load_config(name, list(overrides))
    torch.manual_seed(0)
    torch.save({"state_dict": build_model(config).state_dict()}, target)
    return read_config(name, str(target), list(overrides))


def exported(model: tuple[Config, Path]) -> str:
    """Return the ONNX file that raypose runs of a model, exported if it was not yet."""
    config, weights = model
    estimator = build_model(config).eval()
    load_checkpoint(estimator, weights)
    stage = PoseStage(estimator, build_crop_stage(config))
    run_on_backend(estimator, lambda: probe_poses(stage), "onnxruntime", stage.device, "pose")
    files = (weights_folder() / "exported").glob("*.onnx")
    return str(max(files, key=lambda file: file.stat().st_mtime))


def run(
    source: str | Sequence[str],
    out: Path,
    model: tuple[Config, Path],
    detector: str | None = None,
    boxes: str | None = None,
) -> Timing:
    """Run a job as the command does, on actors or in this process as its config says."""
    config, weights = model
    job = AnnotationJob(
        source=source,
        out=out,
        config=config.data,
        weights=weights,
        detector=detector,
        boxes=boxes,
    )
    done: list[float] = []
    start = time.perf_counter()
    progress = annotate(job, overwrite=True, show=lambda _: done.append(time.perf_counter()))
    seconds = time.perf_counter() - start
    first = min(os.cpu_count() or 1, len(done))  # each actor is on its second shard then
    left = progress.total - first * job.options.shard_size
    rate = left / (done[-1] - done[first - 1]) if left > 0 else progress.total / seconds
    return Timing(progress.total, progress.instances, seconds, rate)


class ActorMemory:
    """The most memory that any process below this one takes in itself, in MB, while it is open."""

    def __enter__(self) -> ActorMemory:
        self.most = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        import psutil

        me = psutil.Process()
        while not self._done.wait(0.5):
            for process in [me, *me.children(recursive=True)]:
                try:
                    name = " ".join(process.cmdline())
                    if "TaskActor" in name or process == me:
                        used = process.memory_info()
                        self.most = max(self.most, (used.rss - used.shared) / 2**20)
                except psutil.Error:
                    continue
