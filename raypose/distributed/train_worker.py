"""What one training process does on Ray: build its part, train, hand mistakes to the driver."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray.train
import torch
from ray.util.queue import Queue

from raypose.config import Config
from raypose.distributed.budget import CpuBudget
from raypose.distributed.data import RayFeed, StoredSamples, StoredSplits
from raypose.distributed.mistakes import find_mistake
from raypose.distributed.relay import send_logs, watch_for_stop
from raypose.distributed.runtime import RayRuntime
from raypose.distributed.session import ClusterSize, enter_folder
from raypose.errors import RayposeError, RunStoppedError
from raypose.training.launch import (
    build_experiment,
    local_experiment,
    sample_order,
    val_batch_size,
)
from raypose.training.loop import fit
from raypose.training.runtime import Runtime
from raypose.training.setup import Experiment

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainTask:
    """What every process of a run is given: plain data and references, nothing built.

    Attributes:
        config: resolved.
        work_dir: folder of the results.
        resume: go on from the last checkpoint.
        budget: CPUs of each process and of the tasks that feed it.
        folder: where relative paths start.
        splits: annotations in the object store; None if each process reads them itself.
    """

    config: dict[str, Any]
    work_dir: str
    resume: bool
    budget: CpuBudget
    folder: str
    splits: StoredSplits | None


def build_task(task: TrainTask, runtime: Runtime) -> Experiment:
    """Build what one process trains with."""
    config = Config.from_resolved(task.config)
    if task.splits is None:
        return local_experiment(config, runtime)
    feed = RayFeed(
        config,
        sample_order(config, task.splits.train_sizes, runtime, task.splits.train_images),
        task.splits,
        val_batch_size(config, runtime),
        task.budget.data_cpus,
    )
    return build_experiment(config, StoredSamples(task.splits.val), feed)


def train_worker(arguments: dict[str, Any]) -> dict[str, float] | None:
    """Train in a worker of Ray Train.

    Args:
        arguments: `task`, the queues `logs` and `mistakes` to the driver, and `stop` from it.

    Returns:
        The numbers of the run; None if it was given up because of a mistake of the user, or since
        it was to stop; the error is in the queue then.
    """
    task: TrainTask = arguments["task"]
    mistakes: Queue = arguments["mistakes"]
    if not mistakes.empty():
        return None  # Ray Train has started the workers again all the same.
    stop = None
    context = ray.train.get_context()
    if context.get_world_rank() == 0:
        send_logs(arguments["logs"])
        stop = watch_for_stop(arguments["stop"])
        logger.info("workers: %d", context.get_world_size())
    enter_folder(task.folder)
    strategy = Config.from_resolved(task.config).cluster.strategy
    runtime = RayRuntime(Path(task.work_dir), task.resume, stop, strategy)
    # The cluster need not be the one that was planned for, nor the number of workers.
    budget = task.budget.spread_over(runtime.world_size, ClusterSize.current().cpus)
    task = replace(task, budget=budget)
    if runtime.device.type == "cpu":
        torch.set_num_threads(task.budget.threads)
    experiment = mistake = None
    try:
        experiment = build_task(task, runtime)
    except RayposeError as error:
        mistake = error
    if _give_up_together(mistake, runtime, mistakes):
        return None
    assert experiment is not None
    try:
        return fit(experiment, runtime)
    except RunStoppedError as error:  # on all workers
        if runtime.rank == 0:
            mistakes.put(error)
        return None
    except Exception as error:
        mistake = find_mistake(error)
        if mistake is None:
            raise
        mistakes.put(mistake)
        if runtime.world_size == 1:
            return None
        raise  # The other workers wait for this one; only a failure ends that.


def _give_up_together(mistake: RayposeError | None, runtime: Runtime, mistakes: Queue) -> bool:
    """Return whether any worker could not build its part; the mistake is then in the queue."""
    found = [each for each in runtime.gather(mistake) or [] if each is not None]
    if found:
        mistakes.put(found[0])
    return runtime.broadcast(bool(found))
