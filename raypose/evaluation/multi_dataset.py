"""`MultiDatasetEvaluator`: metrics of each of several data sets by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raypose.errors import ConfigError, DataError
from raypose.evaluation.base import BaseMetric, SkeletonLike
from raypose.registry import METRICS
from raypose.structures import Poses, PoseSample, Skeleton


@METRICS.register_module()
class MultiDatasetEvaluator(BaseMetric):
    """Compute metrics for each part of a `CombinedDataset`, as `crowdpose/coco/AP`.

    Args:
        datasets: a name for each part, in the order of `data.val.dataset.datasets`; it comes
            before the names of the part's numbers.
        metrics: a metric for each part, or a list of metrics for each.
        skeleton: given to metrics that do not have one of their own.

    Raises:
        ConfigError: if names repeat or there are not as many metrics as data sets.

    Example:
        type: MultiDatasetEvaluator
        datasets: [coco, crowdpose]
        metrics:
          - {type: CocoMetric, ann_file: data/coco/annotations/person_keypoints_val2017.json}
          - [{type: CocoMetric, use_area: false}, {type: EPE}]
    """

    def __init__(
        self,
        datasets: Sequence[str],
        metrics: Sequence[Mapping[str, Any] | Sequence[Mapping[str, Any]]],
        skeleton: SkeletonLike | None = None,
    ) -> None:
        if len(datasets) != len(metrics):
            raise ConfigError(
                f"metrics has an entry for each of the {len(datasets)} datasets, got {len(metrics)}"
            )
        if len(set(datasets)) != len(datasets):
            raise ConfigError(f"datasets are names that do not repeat, got {list(datasets)}")
        self.datasets = list(datasets)
        self.metrics: list[list[BaseMetric]] = [
            [METRICS.build(metric) for metric in ([part] if isinstance(part, Mapping) else part)]
            for part in metrics
        ]
        super().__init__(skeleton)

    def set_skeleton(self, skeleton: Skeleton) -> None:
        """Give the skeleton to all metrics that have none yet."""
        super().set_skeleton(skeleton)
        for metric in (metric for part in self.metrics for metric in part):
            if metric.skeleton is None:
                metric.set_skeleton(skeleton)

    def update(self, sample: PoseSample, poses: Poses) -> None:
        """Hand the prediction to the metrics of the sample's data set.

        Raises:
            DataError: if the sample is not of one of them.
        """
        number = sample.meta.get("dataset", -1)
        if not 0 <= number < len(self.metrics):
            raise DataError(
                f"{type(self).__name__} has metrics for {len(self.metrics)} parts of a "
                f"CombinedDataset, sample {sample.id} is of part {sample.meta.get('dataset')}"
            )
        for metric in self.metrics[number]:
            metric.update(sample, poses)

    def merge(self, other: BaseMetric) -> None:
        """Take over what another evaluator of the same data sets has seen."""
        if not isinstance(other, type(self)):
            raise TypeError(f"cannot merge {type(other).__name__} into {type(self).__name__}")
        for part, others in zip(self.metrics, other.metrics, strict=True):
            for metric, more in zip(part, others, strict=True):
                metric.merge(more)

    def compute(self) -> dict[str, float]:
        """Return the numbers of every data set, `<dataset>/<name>`."""
        return {
            f"{name}/{key}": value
            for name, part in zip(self.datasets, self.metrics, strict=True)
            for metric in part
            for key, value in metric.compute().items()
        }

    def reset(self) -> None:
        """Forget all samples."""
        for part in self.metrics:
            for metric in part:
                metric.reset()
