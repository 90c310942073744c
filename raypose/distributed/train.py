"""Training on Ray: `TorchTrainer` workers around the same loop that runs without Ray."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
from ray.util.queue import Queue

from raypose.config import Config, build_dataset, build_metrics
from raypose.distributed.budget import CpuBudget
from raypose.distributed.data import RayFeed, StoredSamples, put_samples
from raypose.distributed.mistakes import find_mistake
from raypose.distributed.relay import send_logs, show_worker_logs
from raypose.distributed.runtime import SCORE, RayRuntime
from raypose.distributed.session import ClusterSize, enter_folder, ray_session
from raypose.errors import RayposeError
from raypose.structures import PoseSample
from raypose.training.evaluation import evaluate
from raypose.training.feed import Feed
from raypose.training.launch import (
    build_experiment,
    evaluate_locally,
    load_for_evaluation,
    local_feed,
    sample_order,
    train_locally,
    val_batch_size,
    with_skeleton,
    write_config,
    write_metrics,
)
from raypose.training.loop import Experiment, fit
from raypose.training.runtime import LocalRuntime, Runtime, install

_CPUS = "cluster.resources_per_worker.CPU"


def train(config: Config, work_dir: Path, resume: bool = False) -> dict[str, float]:
    """Train as the config's `cluster` section says; 0 workers is this process, without Ray Train.

    Args:
        config: resolved and checked.
        work_dir: gets `config.yaml`, `last.pth`, `best.pth` and `metrics.json`.
        resume: go on from the last checkpoint of `work_dir`.

    Returns:
        The numbers of the run, those of `metrics.json`.
    """
    cluster = config.cluster
    work_dir = work_dir.resolve()
    if cluster.num_workers == 0 and config.data_options.loader == "local":
        return train_locally(config, work_dir, resume)
    config = with_skeleton(config)
    write_config(config, work_dir)
    with ray_session():
        arguments = _arguments(config, work_dir, resume)
        if cluster.num_workers == 0:
            runtime = LocalRuntime(work_dir, resume=resume)
            metrics = fit(_build(arguments, runtime), runtime)
        else:
            metrics = _run_on_workers(arguments, work_dir, resume)
    write_metrics(metrics, work_dir)
    return metrics


def evaluate_checkpoint(config: Config, checkpoint: Path) -> dict[str, float]:
    """Return the validation metrics of a checkpoint; data goes the way the config says."""
    if config.data_options.loader == "local":
        return evaluate_locally(config, checkpoint)
    runtime = LocalRuntime(Path())
    estimator = load_for_evaluation(config, checkpoint).to(runtime.device)
    with ray_session():
        val = build_dataset(config, "val")
        rows = put_samples(val)
        budget = CpuBudget.plan(1, ClusterSize.current().cpus, setting=_CPUS)
        order = sample_order(config, max(len(val), 1), runtime)
        feed = RayFeed(
            config,
            order,
            rows,
            rows,
            len(val),
            val_batch_size(config, runtime),
            budget.data_cpus,
        )
        return evaluate(estimator, feed.val(), val, build_metrics(config), runtime)


def _arguments(config: Config, work_dir: Path, resume: bool) -> dict[str, Any]:
    """Return what a worker needs: plain data and references, nothing built."""
    workers = config.cluster.num_workers
    streams = config.data_options.loader == "ray"
    wanted = config.cluster.resources_per_worker.get("CPU")
    budget = CpuBudget.plan(
        max(workers, 1),
        ClusterSize.current().cpus,
        setting=_CPUS,
        wanted=wanted,
        feeds=streams,
    )
    arguments: dict[str, Any] = {
        "config": config.data,
        "work_dir": str(work_dir),
        "resume": resume,
        "budget": budget,
        "folder": os.getcwd(),
    }
    if streams:
        train_set, val_set = build_dataset(config, "train"), build_dataset(config, "val")
        # In a dict, or Ray would resolve the references before the workers see them.
        arguments["rows"] = {"train": put_samples(train_set), "val": put_samples(val_set)}
        arguments["sizes"] = {"train": len(train_set), "val": len(val_set)}
    return arguments


def _build(arguments: dict[str, Any], runtime: Runtime) -> Experiment:
    """Build what one process trains with, a Ray Train worker or this one."""
    config = Config.from_resolved(arguments["config"])
    budget: CpuBudget = arguments["budget"]
    if runtime.device.type == "cpu":
        torch.set_num_threads(budget.threads)
    feed: Feed
    val: Sequence[PoseSample]
    if "rows" in arguments:
        rows, sizes = arguments["rows"], arguments["sizes"]
        val = StoredSamples(rows["val"])
        order = sample_order(config, sizes["train"], runtime)
        feed = RayFeed(
            config,
            order,
            rows["train"],
            rows["val"],
            sizes["val"],
            val_batch_size(config, runtime),
            budget.data_cpus,
        )
    else:
        val = build_dataset(config, "val")
        feed = local_feed(config, build_dataset(config, "train"), val, runtime)
    return build_experiment(config, val, feed)


def _train_worker(arguments: dict[str, Any]) -> dict[str, float] | None:
    """Train in one worker; None if the run was given up because of a mistake of the user."""
    mistakes: Queue = arguments["mistakes"]
    if not mistakes.empty():
        return None  # Ray Train has started the workers again all the same.
    if ray.train.get_context().get_world_rank() == 0:
        send_logs(arguments["logs"])
    enter_folder(arguments["folder"])
    runtime = RayRuntime(Path(arguments["work_dir"]), arguments["resume"])
    experiment = mistake = None
    try:
        experiment = _build(arguments, runtime)
    except RayposeError as error:
        mistake = error
    if _give_up_together(mistake, runtime, mistakes):
        return None
    assert experiment is not None
    try:
        return fit(experiment, runtime)
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


def _run_on_workers(arguments: dict[str, Any], work_dir: Path, resume: bool) -> dict[str, float]:
    config = Config.from_resolved(arguments["config"])
    use_gpu = _use_gpu(config)
    mistakes = Queue(actor_options={"num_cpus": 0})
    try:
        with show_worker_logs() as logs:
            arguments = {**arguments, "logs": logs, "mistakes": mistakes}
            result = _trainer(arguments, config, use_gpu, work_dir, resume).fit()
    except ray.train.TrainingFailedError:
        if mistakes.empty():
            raise
    else:
        if result.return_value is not None:
            _collect(result, work_dir)
            return result.return_value
    mistake: RayposeError = mistakes.get()
    raise mistake from None


def _use_gpu(config: Config) -> bool:
    cluster, gpus = config.cluster, ClusterSize.current().gpus
    if cluster.use_gpu == "auto":
        return gpus >= cluster.num_workers
    if cluster.use_gpu and gpus < cluster.num_workers:
        raise RayposeError(
            f"cluster.use_gpu: {cluster.num_workers} workers need a GPU each, the cluster has "
            f"{gpus:g}; lower cluster.num_workers or set cluster.use_gpu to false"
        )
    return cluster.use_gpu


def _trainer(
    arguments: dict[str, Any], config: Config, use_gpu: bool, work_dir: Path, resume: bool
) -> ray.train.torch.TorchTrainer:
    cluster, budget = config.cluster, arguments["budget"]
    return ray.train.torch.TorchTrainer(
        _train_worker,
        train_loop_config=arguments,
        scaling_config=ray.train.ScalingConfig(
            num_workers=cluster.num_workers,
            use_gpu=use_gpu,
            resources_per_worker={**cluster.resources_per_worker, "CPU": budget.worker_cpus},
            placement_strategy=cluster.placement_strategy,
        ),
        run_config=ray.train.RunConfig(
            name=_run_name(work_dir, resume),
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
