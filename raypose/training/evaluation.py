"""Evaluation: predictions of all processes, every sample once, into the metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
import torch

from raypose.errors import ConfigError, did_you_mean
from raypose.evaluation.base import BaseMetric
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseBatch, Poses, PoseSample
from raypose.training.runtime import Runtime

_LOWER_IS_BETTER = ("EPE", "NME", "MPJPE", "LOSS", "ERROR")
_MAIN = ("coco/AP", "coco-wholebody/AP", "PCK", "AUC", "EPE", "NME", "MPJPE")


@torch.no_grad()
def evaluate(
    estimator: BasePoseEstimator,
    batches: Iterable[PoseBatch],
    dataset: Sequence[PoseSample],
    metrics: Sequence[BaseMetric],
    runtime: Runtime,
) -> dict[str, float]:
    """Return the numbers of all metrics over a dataset, the same on every process.

    Args:
        estimator: in evaluation mode afterwards.
        batches: this process's share of the dataset, after the transforms.
        dataset: the annotations; batches refer to them by position.
        metrics: reset before use.
        runtime: gathers the shares.
    """
    estimator.eval()
    found: list[tuple[int, dict[str, Any], Any]] = []
    for batch in batches:
        poses = estimator.predict(batch.to(runtime.device))
        scales = batch.annotations.get("bbox_scale")
        for place, (index, pose) in enumerate(zip(batch.indices, poses, strict=True)):
            scale = None if scales is None else scales[place].tolist()
            found.append((index, pose.to_row(), scale))
    shares = runtime.gather(found)
    result: dict[str, float] = {}
    if shares is not None:
        for metric in metrics:
            metric.reset()
        for index, row, scale in sorted(chain.from_iterable(shares), key=itemgetter(0)):
            sample = dataset[index]
            # OKS suppression weighs instances by the area of the crop they were found in.
            sample.bbox_scale = None if scale is None else np.asarray(scale, np.float32)
            for metric in metrics:
                metric.update(sample, Poses.from_row(row))
        for metric in metrics:
            # Plain floats: numpy's would not be read back from a checkpoint.
            result.update({name: float(value) for name, value in metric.compute().items()})
    return runtime.broadcast(result)


def main_metric(metrics: dict[str, float], wanted: str | None) -> str | None:
    """Return the metric that decides which checkpoint is best.

    Args:
        metrics: numbers of an evaluation.
        wanted: the one asked for; without it the best known one of those there are.

    Returns:
        Its name, None if nothing was measured.

    Raises:
        ConfigError: if the one asked for is not there.
    """
    if not metrics:
        return None
    if wanted is not None:
        if wanted not in metrics:
            raise ConfigError(
                f"train.save_best: no metric is called '{wanted}'; there are "
                f"{', '.join(sorted(metrics))}.{did_you_mean(wanted, metrics)}"
            )
        return wanted
    return next((name for name in _MAIN if name in metrics), next(iter(metrics), None))


def is_better(name: str, value: float, best: float | None) -> bool:
    """Return whether a value of a metric beats the best so far (a NaN never does)."""
    if best is None or value != value:
        return value == value
    return value < best if lower_is_better(name) else value > best


def lower_is_better(name: str) -> bool:
    """Return whether a metric is an error, by its name."""
    return any(part in name.upper() for part in _LOWER_IS_BETTER)
