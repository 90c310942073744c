"""Predictions as the entries of a COCO results file, whatever metrics a config has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from raypose.errors import DataError
from raypose.evaluation.base import BaseMetric
from raypose.evaluation.coco import CocoMetric, predicted_instances
from raypose.evaluation.coco_instances import join
from raypose.structures import Poses, PoseSample


def coco_results(
    pairs: Iterable[tuple[PoseSample, Poses]], metrics: Sequence[BaseMetric]
) -> list[dict[str, Any]]:
    """Return an entry for each predicted instance: `image_id`, `category_id`, `keypoints`, `score`.

    Where a `CocoMetric` is among the metrics, the instances are those that it counts, suppressed
    and scored as it says. Otherwise all are there, scored by the product of their box's score and
    the mean of their keypoints'.

    Args:
        pairs: samples of images and what was predicted for them, in image space.
        metrics: of the config.

    Raises:
        DataError: for samples that are of no image, or of several data sets whose images may have
            the same ids.
    """
    samples = list(pairs)
    for sample, _ in samples:
        if "lifting_target" in sample.meta:
            raise DataError(f"sample {sample.id} has poses in space, for which COCO has no results")
        if "dataset" in sample.meta:
            raise DataError(
                "COCO results are about the images of one data set, this one combines several; "
                "evaluate each by itself"
            )
    judge: Any = next((metric for metric in metrics if isinstance(metric, CocoMetric)), None)
    if judge is not None:
        records = [judge.process(sample, poses) for sample, poses in samples]
        return judge.result_entries(judge.results(records))
    found = join([predicted_instances(sample, poses) for sample, poses in samples])
    scores = found.bbox_scores * found.keypoints[..., 2].mean(axis=1)
    return replace(found, scores=scores).to_coco()
