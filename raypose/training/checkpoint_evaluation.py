"""Evaluation of a checkpoint on the validation set of a config, without training anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from raypose.config import Config, build_dataset, build_metrics, build_model, build_pipeline
from raypose.errors import CheckpointError, DataError
from raypose.models.checkpoint import load_checkpoint
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseSample
from raypose.training.evaluation import Evaluation, evaluate
from raypose.training.feeds.feed import LocalFeed
from raypose.training.feeds.order import SampleOrder, SamplePool
from raypose.training.launch import val_batch_size, with_skeleton
from raypose.training.runtime import LocalRuntime, Runtime


def evaluate_locally(
    config: Config, checkpoint: Path, device: torch.device | str | None = None
) -> Evaluation:
    """Evaluate a checkpoint in this process.

    Args:
        config: what to build, and the data and metrics to measure with.
        checkpoint: its weights.
        device: where to compute; the first GPU if there is one by default.
    """
    config = with_skeleton(config)
    runtime = LocalRuntime(Path(), device)
    estimator = load_for_evaluation(config, checkpoint).to(runtime.device)
    val = validation_set(config)
    feed = validation_feed(config, val, runtime)
    return evaluate(estimator, feed.val(), val, build_metrics(config), runtime)


def validation_set(config: Config) -> Sequence[PoseSample]:
    """Return the samples to evaluate on.

    Raises:
        ConfigError: if the config has no validation set.
        DataError: if there is nothing in it.
    """
    val = build_dataset(config, "val")
    if len(val):
        return val
    section = config.data_options.val
    node = {} if section is None else section.dataset
    name = next((node[key] for key in ("bbox_file", "ann_file") if node.get(key)), "data.val")
    threshold = (node.get("filter_cfg") or {}).get("bbox_score_thr")
    above = (
        ""
        if threshold is None or "bbox_file" not in node
        else f" with a score of {threshold:g} or more"
    )
    what = "detection of a person that is evaluated" if node.get("bbox_file") else "sample"
    raise DataError(f"{name}: no {what}{above}, so there is nothing to evaluate")


def validation_order(count: int, runtime: Runtime) -> SampleOrder:
    """Return the order of a feed that nothing is trained from; it says whose share is whose."""
    return SampleOrder(
        pool=SamplePool(sizes=(count,)),
        batch_size=runtime.world_size,
        rank=runtime.rank,
        world_size=runtime.world_size,
    )


def validation_feed(config: Config, val: Sequence[PoseSample], runtime: Runtime) -> LocalFeed:
    """Return a feed of this process's share of the validation set, loaded beside it."""
    source = (val, build_pipeline(config, "val"))
    return LocalFeed(
        validation_order(len(val), runtime),
        source,
        source,
        val_batch_size=val_batch_size(config, runtime),
        num_workers=config.data_options.num_workers,
        pin_memory=runtime.device.type == "cuda",
    )


def load_for_evaluation(config: Config, checkpoint: Path) -> BasePoseEstimator:
    """Return the estimator of a config with the weights of a checkpoint.

    Raises:
        CheckpointError: if there is no such file or it does not fit.
    """
    if not checkpoint.is_file():
        raise CheckpointError(f"no checkpoint at {checkpoint}")
    estimator: BasePoseEstimator = build_model(config)
    load_checkpoint(estimator, checkpoint)
    return estimator.eval()
