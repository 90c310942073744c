"""Training on Ray: `TorchTrainer` workers around the same loop that runs without Ray."""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from pathlib import Path

import ray.train
import ray.train.torch
from ray.util.queue import Queue

from raypose.config import Config, build_dataset
from raypose.distributed.batch_probe import probe_batch_size
from raypose.distributed.data import StoredSplits
from raypose.distributed.relay import driver_queue, show_worker_logs, stop_workers_on_sigterm
from raypose.distributed.runtime import SCORE
from raypose.distributed.session import ClusterSize, ray_session
from raypose.distributed.train_worker import TrainTask, build_task, train_worker
from raypose.distributed.worker_plan import WorkerPlan, plan_workers
from raypose.errors import RayposeError
from raypose.training.batch_size.settling import settle_batch_size
from raypose.training.interruption import stop_on_sigterm
from raypose.training.launch import (
    train_locally,
    with_skeleton,
    write_config,
    write_metrics,
)
from raypose.training.loop import fit
from raypose.training.runtime import LocalRuntime, install

logger = logging.getLogger(__name__)


def train(config: Config, work_dir: Path, resume: bool = False) -> dict[str, float]:
    """Train as the config's `cluster` section says; 0 workers is this process, without Ray Train.

    Args:
        config: resolved and checked.
        work_dir: gets `config.yaml`, `last.pth`, `best.pth` and `metrics.json`.
        resume: go on from the last checkpoint of `work_dir`.

    Returns:
        The numbers of the run, those of `metrics.json`.

    Raises:
        RayposeError: for a mistake of the user, wherever it showed up.
        RunStoppedError: after SIGTERM, once a checkpoint is written.
    """
    work_dir = work_dir.resolve()
    alone = config.cluster.max_workers == 0
    if alone and config.data_options.loader == "local":
        return train_locally(config, work_dir, resume)
    config = with_skeleton(config)
    with ray_session():
        streams = config.data_options.loader == "ray"
        plan = plan_workers(config.cluster, ClusterSize.current(), feeds=streams)
        config = settle_batch_size(config, work_dir, resume, lambda c: probe_batch_size(c, plan))
        write_config(config, work_dir)
        task = _task(config, work_dir, resume, plan)
        if alone:
            with stop_on_sigterm() as stop:
                runtime = LocalRuntime(work_dir, resume=resume, stop=stop)
                metrics = fit(build_task(task, runtime), runtime)
        else:
            metrics = _run_on_workers(config, task, plan, work_dir)
    write_metrics(metrics, work_dir)
    return metrics


def _task(config: Config, work_dir: Path, resume: bool, plan: WorkerPlan) -> TrainTask:
    splits = None
    if config.data_options.loader == "ray":
        splits = StoredSplits.put(
            train=build_dataset(config, "train"), val=build_dataset(config, "val")
        )
    return TrainTask(
        config=config.data,
        work_dir=str(work_dir),
        resume=resume,
        budget=plan.budget,
        folder=os.getcwd(),
        splits=splits,
    )


def _run_on_workers(
    config: Config, task: TrainTask, plan: WorkerPlan, work_dir: Path
) -> dict[str, float]:
    cluster = config.cluster
    if cluster.is_elastic and config.train.save_every_steps is None:
        logger.info(
            "when the number of workers changes, the run goes back to its last validation; "
            "train.save_every_steps saves more often"
        )
    mistakes = driver_queue()
    try:
        with show_worker_logs() as logs, stop_workers_on_sigterm() as stop:
            queues = {"logs": logs, "mistakes": mistakes, "stop": stop}
            result = _trainer(config, task, plan, queues).fit()
    except ray.train.TrainingFailedError:
        if mistakes.empty():
            raise
    else:
        _collect(result, work_dir)
        if result.return_value is not None:
            return result.return_value
    mistake: RayposeError = mistakes.get()
    raise mistake from None


def _trainer(
    config: Config, task: TrainTask, plan: WorkerPlan, queues: dict[str, Queue]
) -> ray.train.torch.TorchTrainer:
    cluster, work_dir = config.cluster, Path(task.work_dir)
    return ray.train.torch.TorchTrainer(
        train_worker,
        train_loop_config={"task": task, **queues},
        scaling_config=ray.train.ScalingConfig(
            num_workers=(cluster.min_workers, cluster.max_workers)
            if cluster.is_elastic
            else cluster.max_workers,
            elastic_resize_monitor_interval_s=cluster.elastic_resize_monitor_interval_s,
            use_gpu=plan.use_gpu,
            resources_per_worker=dict(plan.resources),
            placement_strategy=cluster.placement_strategy,
        ),
        run_config=ray.train.RunConfig(
            name=_run_name(work_dir, task.resume),
            storage_path=cluster.storage_path or str(work_dir / "ray"),
            failure_config=ray.train.FailureConfig(max_failures=cluster.max_failures),
            checkpoint_config=ray.train.CheckpointConfig(
                num_to_keep=config.train.max_checkpoints, checkpoint_score_attribute=SCORE
            ),
        ),
    )


def _run_name(work_dir: Path, resume: bool) -> str:
    """Return the name under which Ray Train files the run, a new one unless it is resumed.

    Ray Train goes on with a run of the same name; a new run must not, also not in a storage that
    several runs share.
    """
    note = work_dir / "ray_run"
    if resume and note.is_file():
        return note.read_text(encoding="utf-8").strip()
    shutil.rmtree(work_dir / "ray", ignore_errors=True)
    name = f"{work_dir.name}-{uuid.uuid4().hex[:8]}"
    note.write_text(f"{name}\n", encoding="utf-8")
    return name


def _collect(result: ray.train.Result, work_dir: Path) -> None:
    """Copy the last and the best checkpoint from Ray Train's storage to the work folder."""
    kept = [item for item in result.best_checkpoints or [] if item[1][SCORE] >= 0]
    if kept:
        best, _ = max(kept, key=lambda item: item[1][SCORE])
        _fetch(best, work_dir / "best.pth")
    if result.checkpoint is not None:
        _fetch(result.checkpoint, work_dir / "last.pth")


def _fetch(checkpoint: ray.train.Checkpoint, target: Path) -> None:
    with checkpoint.as_directory() as folder:
        install(Path(folder) / "last.pth", target)
