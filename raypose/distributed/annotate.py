"""Annotation on Ray Data: one row is one shard, one actor holds the models of one device."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator
from typing import Any

import cv2
import ray
import ray.data
import torch

from raypose.distributed.budget import CpuBudget
from raypose.distributed.mistakes import mistakes_as_they_are
from raypose.distributed.session import ClusterSize, enter_folder, ray_session
from raypose.errors import RayposeError
from raypose.inference.annotation.annotator import Annotator, ShardReport
from raypose.inference.annotation.job import AnnotationJob, run_in_process
from raypose.inference.annotation.output import prepare_output, write_manifest
from raypose.inference.annotation.progress import Progress
from raypose.inference.annotation.shards import Shard


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
        show: is given a line of progress after every shard.

    Returns:
        The counts of this run.

    Raises:
        RayposeError: if the folder holds the answers of another job.
        DataError: if the input cannot be used, or too many images cannot be read.
    """
    shards = job.shards()
    todo = prepare_output(job, shards, overwrite)
    progress = Progress(total=sum(len(shard) for shard in shards))
    missing = {shard.index for shard in todo}
    for shard in shards:
        if shard.index not in missing:
            progress.skip(shard)
    if todo:
        in_process = job.options.num_actors == 0
        run = run_in_process if in_process else _run_on_actors
        # Closed at once when the job is stopped, or Ray would go on in the background.
        with contextlib.closing(run(job, todo)) as reports:
            for report in reports:
                progress.add(report)
                if show is not None:
                    show(str(progress))
                progress.check(job.options.max_errors)
    write_manifest(job, progress)
    return progress


def _run_on_actors(job: AnnotationJob, shards: list[Shard]) -> Generator[ShardReport, None, None]:
    with ray_session(), mistakes_as_they_are():
        options, cluster = job.options, ClusterSize.current()
        devices = int(cluster.gpus or cluster.cpus)
        actors = min(options.num_actors or devices, len(shards))
        budget = CpuBudget.plan(
            actors, cluster.cpus, setting="annotate.num_cpus", wanted=options.num_cpus
        )
        per_actor = options.num_gpus
        if per_actor is None:
            per_actor = min(1.0, cluster.gpus / actors)
        rows = [{"shard": shard.to_json()} for shard in shards]
        stream = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            _shard_actor(job),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=actors),
            num_cpus=budget.worker_cpus,
            num_gpus=per_actor,
        )
        stream.context.raise_original_map_exception = True
        for batch in stream.iter_batches(batch_size=None, prefetch_batches=0):
            for text in batch["report"]:
                yield ShardReport.from_json(str(text))


def _shard_actor(job: AnnotationJob) -> type:
    """Return the class of an actor that holds the models of one device and does shards.

    Ray Data starts a dead actor again and repeats its shard; a shard is written whole or not at
    all, so that does no harm. The job is part of the class, since constructor arguments may be
    gone when an actor is started again.
    """
    folder = os.getcwd()

    class ShardActor:
        def __init__(self) -> None:
            enter_folder(folder)
            # Actors share the cores of their node; threads of several would fight over them.
            torch.set_num_threads(1)
            cv2.setNumThreads(1)
            # A mistake that an actor fails to start with would come back as text only.
            self._annotator: Annotator | RayposeError
            try:
                self._annotator = job.build()
            except RayposeError as error:
                self._annotator = error

        def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
            if isinstance(self._annotator, RayposeError):
                raise self._annotator
            shards = [Shard.from_json(str(text)) for text in batch["shard"]]
            reports = [self._annotator(shard, job.out) for shard in shards]
            return {"report": [report.to_json() for report in reports]}

    return ShardActor
