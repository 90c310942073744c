"""From a config to a finished run in this process, and the files a run leaves behind."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch

from raypose.config import (
    Config,
    build_codec,
    build_dataset,
    build_metrics,
    build_model,
    build_pipeline,
    sample_shares,
)
from raypose.structures import PoseSample
from raypose.training.batch_size.settling import WorkerPlace, find_batch_size, settle_batch_size
from raypose.training.feeds.feed import Feed, LocalFeed
from raypose.training.feeds.order import (
    Indices,
    SampleOrder,
    SamplePool,
    image_numbers,
    part_sizes,
)
from raypose.training.interruption import stop_on_sigterm
from raypose.training.loop import fit
from raypose.training.runtime import LocalRuntime, Runtime
from raypose.training.setup import Experiment


def with_skeleton(config: Config) -> Config:
    """Return the config with a skeleton: where it names none, that of its data.

    A checkpoint holds its config, and should say what its keypoints are.
    """
    if config.skeleton is not None:
        return config
    skeleton = getattr(build_dataset(config, "val"), "skeleton", None)
    if skeleton is None:
        return config
    return Config.from_resolved({**config.data, "skeleton": skeleton.to_dict()})


def build_experiment(
    config: Config,
    val_dataset: Sequence[PoseSample],
    feed: Feed,
) -> Experiment:
    """Build model, codec and metrics of a config around a feed."""
    # Layers that `init_weights` knows nothing of keep what their constructors draw.
    torch.manual_seed(config.train.seed)
    return Experiment(
        config=config,
        estimator=build_model(config),
        codec=build_codec(config),
        feed=feed,
        val_dataset=val_dataset,
        metrics=build_metrics(config),
    )


def sample_order(
    config: Config, sizes: Sequence[int], runtime: Runtime, images: Indices | None = None
) -> SampleOrder:
    """Return which samples form which batch for one process of a run.

    Args:
        config: the experiment.
        sizes: of the parts of the training dataset.
        runtime: which process of how many.
        images: for each sample of that dataset the number of its image, see `SampleOrder`.
    """
    return SampleOrder(
        pool=SamplePool(sizes=tuple(sizes), shares=sample_shares(config), seed=config.train.seed),
        batch_size=config.train.settled_batch_size,
        rank=runtime.rank,
        world_size=runtime.world_size,
        images=images,
    )


def val_batch_size(config: Config, runtime: Runtime) -> int:
    """Return the samples of one process's validation batch."""
    return max(1, config.train.val_batch_size // runtime.world_size)


def local_feed(
    config: Config,
    order: SampleOrder,
    train: Sequence[PoseSample],
    val: Sequence[PoseSample],
    runtime: Runtime,
) -> LocalFeed:
    """Return a feed that loads in this process or in torch's loader processes."""
    return LocalFeed(
        order,
        (train, build_pipeline(config, "train")),
        (val, build_pipeline(config, "val")),
        val_batch_size=val_batch_size(config, runtime),
        num_workers=config.data_options.num_workers,
        pin_memory=runtime.device.type == "cuda",
        skip_broken=config.data_options.on_error == "skip",
    )


def local_experiment(config: Config, runtime: Runtime) -> Experiment:
    """Build what one process trains with, which reads and loads its data itself."""
    val = build_dataset(config, "val")
    train = build_dataset(config, "train")
    order = sample_order(config, part_sizes(train), runtime, image_numbers(train))
    return build_experiment(config, val, local_feed(config, order, train, val, runtime))


def train_locally(
    config: Config,
    work_dir: Path,
    resume: bool = False,
    device: torch.device | str | None = None,
) -> dict[str, float]:
    """Train in this process, without Ray.

    Returns:
        What `fit` returns; the same is in `metrics.json` of the work folder.

    Raises:
        RunStoppedError: after SIGTERM, once a checkpoint is written.
    """
    config = with_skeleton(config)
    with stop_on_sigterm() as stop:
        runtime = LocalRuntime(work_dir, device, resume, stop)
        place = WorkerPlace(device=runtime.device)
        config = settle_batch_size(config, work_dir, resume, lambda c: find_batch_size(c, place))
        write_config(config, work_dir)
        metrics = fit(local_experiment(config, runtime), runtime)
    write_metrics(metrics, work_dir)
    return metrics


def write_config(config: Config, work_dir: Path) -> None:
    """Write the resolved config of a run to `config.yaml`."""
    work_dir.mkdir(parents=True, exist_ok=True)
    (work_dir / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")


def write_metrics(metrics: dict[str, float], work_dir: Path) -> None:
    """Write the numbers of a run to `metrics.json`, one flat object."""
    (work_dir / "metrics.json").write_text(metrics_to_json(metrics) + "\n", encoding="utf-8")


def metrics_to_json(metrics: dict[str, float]) -> str:
    """Return numbers as JSON, which has no word for NaN: it is null there."""
    numbers = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
    return json.dumps(numbers, indent=2, sort_keys=True)
