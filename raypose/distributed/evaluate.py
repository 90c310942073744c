"""Evaluation on Ray: each worker predicts its share of the validation set, the driver measures.

Shares are tasks, so one that dies with its node runs again elsewhere. They do not overlap and have
no padding: the numbers are those of one process.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch

from raypose.config import Config, build_metrics
from raypose.distributed.budget import CpuBudget
from raypose.distributed.data import RayFeed, StoredSplits
from raypose.distributed.mistakes import mistakes_as_they_are
from raypose.distributed.session import ClusterSize, enter_folder, ray_session
from raypose.errors import CheckpointError
from raypose.training.answers import Answer
from raypose.training.checkpoint_evaluation import (
    evaluate_locally,
    load_for_evaluation,
    validation_feed,
    validation_order,
    validation_set,
)
from raypose.training.evaluation import Evaluation, in_order, measure, predict
from raypose.training.launch import val_batch_size, with_skeleton
from raypose.training.runtime import LocalRuntime

_CPUS = "cluster.resources_per_worker.CPU"
# What `resources_per_worker` says of these is about training.
_OWN = ("CPU", "GPU")
_RETRIES = 3


@dataclass(frozen=True, kw_only=True)
class EvaluationTask:
    """What every worker is given: plain data and references, nothing built.

    Attributes:
        config: resolved.
        checkpoint: its weights.
        world_size: number of shares.
        budget: CPUs of each worker and of the tasks that feed it.
        folder: where relative paths start.
        splits: annotations in the object store; None if each worker reads them itself.
    """

    config: dict[str, Any]
    checkpoint: str
    world_size: int
    budget: CpuBudget
    folder: str
    splits: StoredSplits | None


def evaluate_checkpoint(config: Config, checkpoint: Path) -> Evaluation:
    """Evaluate a checkpoint on as many workers as `cluster.num_workers` says and there is room for.

    Args:
        config: what to build, and the data and metrics to measure with.
        checkpoint: its weights, in a place that all nodes see.

    Raises:
        RayposeError: for a mistake of the user, wherever it showed up.
    """
    if not checkpoint.is_file():
        raise CheckpointError(f"no checkpoint at {checkpoint}")
    streams = config.data_options.loader == "ray"
    if config.cluster.max_workers < 2 and not streams:
        return evaluate_locally(config, checkpoint)
    config = with_skeleton(config)
    val = validation_set(config)
    with ray_session():
        size = ClusterSize.current()
        on_gpus = config.cluster.use_gpu is not False and size.gpus >= 1
        room = int(size.gpus if on_gpus else size.cpus)
        workers = max(1, min(config.cluster.max_workers, room, len(val)))
        task = EvaluationTask(
            config=config.data,
            checkpoint=str(checkpoint.resolve()),
            world_size=workers,
            budget=CpuBudget.plan(workers, size.cpus, setting=_CPUS, feeds=streams),
            folder=os.getcwd(),
            splits=StoredSplits.put(train=val, val=val) if streams else None,
        )
        if workers == 1:
            shares = [predict_share(task, 0)]
        else:
            others = {k: v for k, v in config.cluster.resources_per_worker.items() if k not in _OWN}
            remote = _predict_share.options(
                num_cpus=task.budget.worker_cpus,
                num_gpus=1 if on_gpus else 0,
                resources=others,
                scheduling_strategy="SPREAD",
            )
            with mistakes_as_they_are():
                shares = ray.get([remote.remote(task, rank) for rank in range(workers)])
    answers = in_order(shares)
    return Evaluation(numbers=measure(answers, val, build_metrics(config)), answers=answers)


def predict_share(task: EvaluationTask, rank: int) -> list[Answer]:
    """Return the answers to one share of the validation set."""
    config = Config.from_resolved(task.config)
    runtime = _Share(rank, task.world_size)
    estimator = load_for_evaluation(config, Path(task.checkpoint)).to(runtime.device)
    if task.splits is None:
        feed = validation_feed(config, validation_set(config), runtime)
    else:
        feed = RayFeed(
            config,
            validation_order(task.splits.num_val, runtime),
            task.splits,
            val_batch_size(config, runtime),
            task.budget.data_cpus,
        )
    return predict(estimator, feed.val(), runtime.device)


@ray.remote(max_retries=_RETRIES)
def _predict_share(task: EvaluationTask, rank: int) -> list[Answer]:
    enter_folder(task.folder)
    torch.set_num_threads(task.budget.threads)
    return predict_share(task, rank)


class _Share(LocalRuntime):
    """One of several processes that predict and do not talk to each other."""

    def __init__(self, rank: int, world_size: int) -> None:
        super().__init__(Path())
        self.rank = rank
        self.world_size = world_size
