"""Training on Ray: `TorchTrainer` workers around the same loop that runs without Ray."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch
import torch.distributed
from torch import nn

from raypose.config import Config, build_dataset, build_metrics
from raypose.distributed.data import RayFeed, StoredSamples, put_samples
from raypose.distributed.relay import send_logs, show_worker_logs
from raypose.distributed.session import CpuBudget, enter_folder, ray_session, total_cpus, total_gpus
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
    write_config,
    write_metrics,
)
from raypose.training.loop import Experiment, fit
from raypose.training.runtime import LocalRuntime, Runtime, install

_SCORE = "checkpoint_score"


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
        budget = CpuBudget.plan(1, total_cpus(), None, feeds=True)
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


class RayRuntime:
    """One Ray Train worker.

    Args:
        work_dir: of the run; a checkpoint there is where a resumed run starts.
        resume: whether it does.
    """

    def __init__(self, work_dir: Path, resume: bool) -> None:
        context = ray.train.get_context()
        self.rank = context.get_world_rank()
        self.world_size = context.get_world_size()
        self.device = ray.train.torch.get_device()
        self._work_dir = work_dir
        self._resume = resume

    def prepare(self, step: nn.Module, sync_bn: bool) -> nn.Module:
        """Return the step in DDP, with batch statistics over all workers if wanted."""
        if self.world_size == 1:
            return step
        if sync_bn and self.device.type == "cuda":
            step = nn.SyncBatchNorm.convert_sync_batchnorm(step)
        ids = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(step, device_ids=ids)

    def gather(self, value: Any) -> list[Any] | None:
        """Collect a value of every worker on rank 0."""
        if self.world_size == 1:
            return [value]
        values: list[Any] | None = [None] * self.world_size if self.rank == 0 else None
        torch.distributed.gather_object(value, values)
        return values

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value."""
        if self.world_size == 1:
            return value
        values = [value]
        torch.distributed.broadcast_object_list(values)
        return values[0]

    def report(self, metrics: dict[str, float], checkpoint: Path | None, best: bool) -> None:
        """Report to Ray Train; it moves the checkpoint to the run's storage."""
        if checkpoint is None:
            ray.train.report(metrics)
            return
        with tempfile.TemporaryDirectory() as folder:
            install(checkpoint, Path(folder) / "last.pth")
            # Ray Train keeps the highest: the latest of those that were the best so far.
            score = metrics["epoch"] if best else -1.0
            ray.train.report(
                {**metrics, _SCORE: score},
                checkpoint=ray.train.Checkpoint.from_directory(folder),
            )

    def latest_checkpoint(self) -> Path | None:
        """Return the checkpoint that Ray Train kept for a restart, or that of a former run."""
        kept = ray.train.get_checkpoint()
        if kept is not None:
            folder = Path(tempfile.mkdtemp(prefix="raypose-"))
            return Path(kept.to_directory(str(folder))) / "last.pth"
        last = self._work_dir / "last.pth"
        return last if self._resume and last.is_file() else None


def _arguments(config: Config, work_dir: Path, resume: bool) -> dict[str, Any]:
    """Return what a worker needs: plain data and references, nothing built."""
    workers = config.cluster.num_workers
    streams = config.data_options.loader == "ray"
    wanted = config.cluster.resources_per_worker.get("CPU")
    budget = CpuBudget.plan(max(workers, 1), total_cpus(), wanted, feeds=streams)
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


def _train_worker(arguments: dict[str, Any]) -> dict[str, Any]:
    if ray.train.get_context().get_world_rank() == 0:
        send_logs(arguments["logs"])
    enter_folder(arguments["folder"])
    runtime = RayRuntime(Path(arguments["work_dir"]), arguments["resume"])
    problem = experiment = None
    try:
        experiment = _build(arguments, runtime)
    except RayposeError as error:
        problem = str(error)
    # A mistake of the user does not go away by a restart: all workers give up together.
    problems = runtime.broadcast(runtime.gather(problem))
    found = next((text for text in problems if text is not None), None)
    if found is not None:
        return {"problem": found}
    assert experiment is not None
    return {"metrics": fit(experiment, runtime)}


def _run_on_workers(arguments: dict[str, Any], work_dir: Path, resume: bool) -> dict[str, float]:
    config = Config.from_resolved(arguments["config"])
    cluster = config.cluster
    use_gpu = total_gpus() >= cluster.num_workers if cluster.use_gpu == "auto" else cluster.use_gpu
    if use_gpu and total_gpus() < cluster.num_workers:
        raise RayposeError(
            f"cluster.use_gpu: {cluster.num_workers} workers need a GPU each, the cluster has "
            f"{total_gpus():g}; lower cluster.num_workers or set cluster.use_gpu to false"
        )
    storage = Path(cluster.storage_path or work_dir / "ray")
    if not resume and storage.is_relative_to(work_dir):
        # Ray Train goes on with a run of the same name; a new run must not.
        shutil.rmtree(storage, ignore_errors=True)
    with show_worker_logs() as logs:
        result = _trainer({**arguments, "logs": logs}, config, use_gpu, storage).fit()
    answer = result.return_value
    if "problem" in answer:
        raise RayposeError(answer["problem"])
    _collect(result, work_dir)
    return answer["metrics"]


def _trainer(
    arguments: dict[str, Any], config: Config, use_gpu: bool, storage: Path
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
            name="train",
            storage_path=str(storage),
            failure_config=ray.train.FailureConfig(max_failures=cluster.max_failures),
            checkpoint_config=ray.train.CheckpointConfig(
                num_to_keep=config.train.max_checkpoints, checkpoint_score_attribute=_SCORE
            ),
        ),
    )


def _collect(result: ray.train.Result, work_dir: Path) -> None:
    """Copy the last and the best checkpoint from Ray Train's storage to the work folder."""
    kept = [item for item in result.best_checkpoints if item[1][_SCORE] >= 0]
    if kept:
        best, _ = max(kept, key=lambda item: item[1][_SCORE])
        _fetch(best, work_dir / "best.pth")
    if result.checkpoint is not None:
        _fetch(result.checkpoint, work_dir / "last.pth")


def _fetch(checkpoint: ray.train.Checkpoint, target: Path) -> None:
    with checkpoint.as_directory() as folder:
        install(Path(folder) / "last.pth", target)
