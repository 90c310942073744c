"""Evaluation: predictions of all processes, every sample once, into the metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from raypose.errors import ConfigError, did_you_mean
from raypose.evaluation.base import BaseMetric
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseBatch, Poses, PoseSample
from raypose.training.answers import Answer
from raypose.training.runtime import Runtime

_LOWER_IS_BETTER = ("EPE", "NME", "MPJPE", "LOSS", "ERROR")
_MAIN = ("coco/AP", "coco-wholebody/AP", "PCK", "AUC", "EPE", "NME", "MPJPE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        numbers: of all metrics, the same on every process.
        answers: to all samples, in the order of the dataset; None but on rank 0.
    """

    numbers: dict[str, float]
    answers: list[Answer] | None


def evaluate(
    estimator: BasePoseEstimator,
    batches: Iterable[PoseBatch],
    dataset: Sequence[PoseSample],
    metrics: Sequence[BaseMetric],
    runtime: Runtime,
) -> Evaluation:
    """Predict a dataset, each process its share, and measure the answers of all of them.

    Args:
        estimator: in evaluation mode afterwards.
        batches: this process's share of the dataset, after the transforms.
        dataset: the annotations; batches refer to them by position.
        metrics: reset before use.
        runtime: gathers the shares.
    """
    shares = runtime.gather(predict(estimator, batches, runtime.device))
    answers = None if shares is None else in_order(shares)
    numbers = {} if answers is None else measure(answers, dataset, metrics)
    return Evaluation(numbers=runtime.broadcast(numbers), answers=answers)


@torch.no_grad()
def predict(
    estimator: BasePoseEstimator, batches: Iterable[PoseBatch], device: torch.device
) -> list[Answer]:
    """Return the answers of an estimator, which is in evaluation mode afterwards, to batches."""
    estimator.eval()
    answers = []
    for batch in batches:
        poses = estimator.predict(batch.to(device))
        scales = batch.annotations.get("bbox_scale")
        answers += [
            Answer(
                index=index,
                poses=pose,
                bbox_scale=None if scales is None else scales[place].tolist(),
            )
            for place, (index, pose) in enumerate(zip(batch.indices, poses, strict=True))
        ]
    return answers


def in_order(shares: Iterable[Sequence[Answer]]) -> list[Answer]:
    """Return the answers of all shares in the order of the dataset, each sample once."""
    return sorted(
        {answer.index: answer for share in shares for answer in share}.values(),
        key=lambda answer: answer.index,
    )


def measure(
    answers: Sequence[Answer], dataset: Sequence[PoseSample], metrics: Sequence[BaseMetric]
) -> dict[str, float]:
    """Return the numbers of all metrics.

    Args:
        answers: to the samples of a dataset.
        dataset: the annotations.
        metrics: reset before use.
    """
    for metric in metrics:
        metric.reset()
    for sample, poses in judged(answers, dataset):
        for metric in metrics:
            metric.update(sample, poses)
    # Plain floats: numpy's would not be read back from a checkpoint.
    return {name: float(value) for metric in metrics for name, value in metric.compute().items()}


def judged(
    answers: Iterable[Answer], dataset: Sequence[PoseSample]
) -> Iterator[tuple[PoseSample, Poses]]:
    """Yield the annotations of samples with their answers."""
    for answer in answers:
        sample = dataset[answer.index]
        # OKS suppression weighs instances by the area of the crop they were found in.
        scale = answer.bbox_scale
        sample.bbox_scale = None if scale is None else np.asarray(scale, np.float32)
        yield sample, answer.poses


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
