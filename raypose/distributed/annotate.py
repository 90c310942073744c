"""Annotation on Ray Data: one row is one task, one actor holds the models of one device."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator
from typing import Any

import cv2
import ray
import ray.data
import torch

from raypose.config.sections import AnnotateSection
from raypose.distributed.budget import CpuBudget
from raypose.distributed.mistakes import mistakes_as_they_are
from raypose.distributed.pacing import Paced
from raypose.distributed.session import ClusterSize, enter_folder, ray_session
from raypose.distributed.task_pool import TaskPool
from raypose.errors import RayposeError
from raypose.inference.annotation.annotator import Annotator, Report
from raypose.inference.annotation.job import AnnotationJob, run_in_process
from raypose.inference.annotation.output import finish_output, prepare_output
from raypose.inference.annotation.progress import Progress
from raypose.inference.annotation.sinks import check_sinks
from raypose.inference.annotation.tasks import Task

# What one of two processes does in about the time in which Ray and its actors start.
_FEW_TASKS = 2


def annotate(
    job: AnnotationJob,
    overwrite: bool = False,
    show: Callable[[str], None] | None = None,
) -> Progress:
    """Annotate images or a video to a folder of Parquet files.

    A job that was interrupted goes on where it stopped; one that is complete does nothing.

    Args:
        job: what is asked.
        overwrite: replace what the folder holds.
        show: is given a line of progress after every task.

    Returns:
        The counts of this run.

    Raises:
        RayposeError: if the folder holds the answers of another job.
        DataError: if the input cannot be used, or too many images cannot be read.
    """
    plan = job.plan()
    if job.sinks:
        check_sinks(job.sinks, plan.has_videos)
        job.skeleton  # noqa: B018  what is wrong with it is better known now than in the end
    tasks = prepare_output(job, plan, overwrite)
    left = sum(len(task.shard) for task in tasks if task.shard is not None)
    progress = Progress(total=len(plan), resumed=len(plan) - left)
    if tasks:
        run = run_in_process if is_small(job, tasks) else _run_on_actors
        # Closed at once when the job is stopped, or Ray would go on in the background.
        with contextlib.closing(run(job, tasks)) as reports:
            for report in reports:
                progress.add(report)
                if show is not None:
                    show(str(progress))
                progress.check(job.options.max_errors)
    finish_output(job, plan, progress)
    return progress


def is_small(job: AnnotationJob, tasks: list[Task]) -> bool:
    """Return whether this process does a job sooner than Ray would start.

    Where nobody says how many actors there are to be and no cluster is there, that is so for a
    task or two, or on a machine with one device.
    """
    options = job.options
    if options.num_actors is not None or options.split_decode:
        return options.num_actors == 0
    if ray.is_initialized() or os.environ.get("RAY_ADDRESS"):
        return False
    devices = torch.cuda.device_count() or os.cpu_count() or 1
    return devices == 1 or len(tasks) <= _FEW_TASKS


class _PacedForTasks(Paced):
    """Tasks take seconds, so Ray Data's loop may leave the cores to the actors for longer."""

    PAUSE = 0.1


def _run_on_actors(job: AnnotationJob, tasks: list[Task]) -> Generator[Report, None, None]:
    with ray_session(), mistakes_as_they_are():
        options, cluster = job.options, ClusterSize.current()
        devices = int(cluster.gpus or cluster.cpus)
        pool, actors = _actor_pool(options, devices, len(tasks))
        budget = CpuBudget.plan(
            actors, cluster.cpus, setting="annotate.num_cpus", wanted=options.num_cpus
        )
        per_actor = options.num_gpus
        if per_actor is None:
            per_actor = min(1.0, cluster.gpus / actors)
        rows = [{"task": task.to_json()} for task in tasks]
        stream = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            _task_actor(job),
            batch_size=1,
            compute=pool,
            num_cpus=budget.worker_cpus,
            num_gpus=per_actor,
        )
        stream.context.raise_original_map_exception = True
        callbacks: list[Any] = [_PacedForTasks]
        stream.context.custom_execution_callback_classes = callbacks
        for batch in stream.iter_batches(batch_size=None, prefetch_batches=0):
            for text in batch["report"]:
                yield Report.from_json(str(text))


def _actor_pool(
    options: AnnotateSection, devices: int, tasks: int
) -> tuple[ray.data.ActorPoolStrategy, int]:
    """Return the actors of a job, and how many of them the cluster has to hold at first."""
    if isinstance(options.num_actors, list):
        least, most = (min(bound, tasks) for bound in options.num_actors)
        first = min(max(devices, least), most)
        return ray.data.ActorPoolStrategy(min_size=least, max_size=most, initial_size=first), first
    size = min(options.num_actors or devices, tasks)
    return ray.data.ActorPoolStrategy(size=size), size


def _task_actor(job: AnnotationJob) -> type:
    """Return the class of an actor that holds the models of one device and does tasks.

    Ray Data starts a dead actor again and repeats its task; what a task writes is the same each
    time and appears whole, so that does no harm. The job is part of the class, since constructor
    arguments may be gone when an actor is started again.
    """
    folder = os.getcwd()

    class TaskActor:
        def __init__(self) -> None:
            enter_folder(folder)
            # Actors share the cores of their node; threads of several would fight over them.
            torch.set_num_threads(1)
            cv2.setNumThreads(1)
            # A mistake that an actor fails to start with would come back as text only.
            self._annotator: Annotator | RayposeError
            try:
                self._annotator = job.build(TaskPool() if job.options.split_decode else None)
            except RayposeError as error:
                self._annotator = error

        def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
            if isinstance(self._annotator, RayposeError):
                raise self._annotator
            tasks = [Task.from_json(str(text)) for text in batch["task"]]
            reports = [self._annotator(task) for task in tasks]
            return {"report": [report.to_json() for report in reports]}

    return TaskActor
