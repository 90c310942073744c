"""`train.batch_size: auto`: found once, before a run starts, and kept when it is resumed."""

from __future__ import annotations

import gc
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from raypose.config import Config
from raypose.errors import RayposeError
from raypose.training.batch_size.host_memory import free_memory
from raypose.training.batch_size.search import fastest_batch, largest_batch
from raypose.training.batch_size.trial import BatchTrial

logger = logging.getLogger(__name__)

# Of the free memory of a machine, what batches may take.
_FREE_SHARE = 0.8


def settle_batch_size(
    config: Config, work_dir: Path, resume: bool, find: Callable[[Config], int]
) -> Config:
    """Return the config with a number for `train.batch_size`.

    A run that is resumed keeps the number that its `config.yaml` has.

    Args:
        config: resolved.
        work_dir: of the run.
        resume: whether it is resumed.
        find: returns the samples of a batch of one worker.

    Raises:
        RayposeError: if not every worker gets a sample.
    """
    if config.train.batch_size != "auto":
        return config
    size = _written(work_dir / "config.yaml") if resume else None
    if size is not None:
        logger.info("train.batch_size: auto: %d, as the run has it so far", size)
        return _with_batch_size(config, size)
    # What is left of a range of workers must still be able to hold a batch.
    workers, most = max(config.cluster.min_workers, 1), config.cluster.max_workers
    each = find(config)
    size = each * workers
    if size < most:
        raise RayposeError(
            f"train.batch_size: auto: {each} samples fit into a worker, so {workers} of "
            f"cluster.num_workers hold {size}, which leaves some of {most} without a sample"
        )
    logger.info("train.batch_size: auto: %d, %d for each of %d workers", size, each, workers)
    return _with_batch_size(config, size)


@dataclass(frozen=True, kw_only=True)
class WorkerPlace:
    """Where a worker trains.

    Attributes:
        device: what it trains on.
        workers: how many there are, at least.
        on_machine: how many of them share the memory of a machine.
    """

    device: torch.device
    workers: int = 1
    on_machine: int = 1


def find_batch_size(config: Config, place: WorkerPlace) -> int:
    """Return the samples of a batch that one worker should have, by training with some.

    Args:
        config: resolved.
        place: where this process trains, as the workers will.

    Raises:
        RayposeError: if no batch fits, or a sample cannot be loaded.
    """
    on_cpu = place.device.type == "cpu"
    free = free_memory() * _FREE_SHARE / place.on_machine if on_cpu else math.inf
    trial = BatchTrial(config, place.device, place.workers > 1, free)
    # An epoch has a step at least.
    most = max(1, trial.num_samples // place.workers)
    if on_cpu:
        return fastest_batch(trial, most)
    found = largest_batch(trial, most)
    # What the run finds is memory in one piece.
    del trial
    gc.collect()
    torch.accelerator.empty_cache()
    return found


def _with_batch_size(config: Config, size: int) -> Config:
    train = {**config.data.get("train", {}), "batch_size": size}
    return Config.from_resolved({**config.data, "train": train})


def _written(path: Path) -> int | None:
    """Return the batch size of the config of a run, if it has one."""
    if not path.is_file():
        return None
    content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    size = content.get("train", {}).get("batch_size")
    return size if isinstance(size, int) else None
