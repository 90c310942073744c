"""Average precision and recall of keypoints by OKS, computed by hotcoco.

https://cocodataset.org/#keypoints-eval. M instances, K keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hotcoco
import numpy as np

from raypose.errors import DataError
from raypose.evaluation.coco_instances import Annotations, GroundTruth, Predictions, flat, labelled

_NAMES = (
    *("AP", "AP .5", "AP .75", "AP (M)", "AP (L)"),
    *("AR", "AR .5", "AR .75", "AR (M)", "AR (L)"),
)
_CROWD_NAMES = ("AP", "AP .5", "AP .75", "AR", "AR .5", "AR .75")
# Crowd index of CrowdPose (Li et al., CVPR 2019): below is easy, above is hard.
_CROWD_LIMITS = (0.2, 0.8)


def keypoint_ap(
    truth: GroundTruth, predictions: Predictions, sigmas: Sequence[float]
) -> dict[str, float]:
    """Compute COCO's ten numbers.

    Args:
        truth: with areas and boxes.
        predictions: at most 20 an image count, the best.
        sigmas: K spreads of OKS.

    Returns:
        `AP`, `AP .5`, `AP .75`, `AP (M)`, `AP (L)` and the same of `AR`; -1 where there is nothing
        to find.

    Raises:
        DataError: if a prediction is of an image that `truth` does not have.
    """
    return dict(zip(_NAMES, _evaluate(truth, predictions, sigmas).stats.tolist(), strict=True))


def crowd_keypoint_ap(
    truth: GroundTruth, predictions: Predictions, sigmas: Sequence[float]
) -> dict[str, float]:
    """Compute the nine numbers of CrowdPose, with the AP of easy, medium and hard images.

    Arguments and errors as for `keypoint_ap`; `truth` has the crowd index of every image. As in
    the reference, the three are rounded to four digits.
    """
    if np.isnan(truth.crowd_index).any():
        missing = truth.image_ids[np.isnan(truth.crowd_index)][0]
        raise DataError(f"image {missing} has no crowd index, which iou_type keypoints_crowd needs")
    numbers = keypoint_ap(truth, predictions, sigmas)
    chosen = {name: numbers[name] for name in _CROWD_NAMES}
    low, high = _CROWD_LIMITS
    for name, limits in (("E", (-np.inf, low)), ("M", (low, high)), ("H", (high, np.inf))):
        image_ids = truth.crowdedness(*limits)
        chosen[f"AP({name})"] = _mean_precision(truth, predictions, sigmas, image_ids)
    return chosen


def _mean_precision(
    truth: GroundTruth, predictions: Predictions, sigmas: Sequence[float], image_ids: np.ndarray
) -> float:
    """Mean precision over all thresholds for some images; -1 if there are none."""
    if not len(image_ids):
        return -1.0
    part = GroundTruth(
        image_ids=image_ids,
        crowd_index=truth.crowd_index[np.isin(truth.image_ids, image_ids)],
        annotations=truth.annotations.of_images(image_ids),
    )
    evaluator = _evaluate(part, predictions.of_images(image_ids), sigmas)
    return round(float(evaluator.eval["precision"][:, :, :, 0, :].mean()), 4)


def _evaluate(truth: GroundTruth, predictions: Predictions, sigmas: Sequence[float]) -> Any:
    """The evaluator after all its steps."""
    unknown = np.setdiff1d(predictions.image_ids, truth.image_ids)
    if len(unknown):
        raise DataError(
            f"predictions of {len(unknown)} images that are not in the annotations, "
            f"such as image {unknown[0]}"
        )
    if truth.annotations.keypoints.shape[1] != len(sigmas):
        raise DataError(
            f"annotations have {truth.annotations.keypoints.shape[1]} keypoints, "
            f"the skeleton has {len(sigmas)} sigmas"
        )
    # As in the reference, a pose without one sure keypoint is not there.
    found = predictions.take(labelled(predictions.keypoints) > 0)
    header = {
        "images": [{"id": image} for image in truth.image_ids.tolist()],
        "categories": [
            {"id": category, "name": str(category)}
            for category in np.unique(truth.annotations.category_ids).tolist()
        ],
    }
    # Not through `load_res`, which would put areas of its own in the place of ours.
    gt = hotcoco.COCO({**header, "annotations": _annotation_entries(truth.annotations)})
    dt = hotcoco.COCO({**header, "annotations": _prediction_entries(found)})
    evaluator = hotcoco.COCOeval(gt, dt, "keypoints")
    evaluator.params.kpt_oks_sigmas = [float(sigma) for sigma in sigmas]
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summary_lines()  # fills `stats` as `summarize` does, which would print
    return evaluator


def _annotation_entries(annotations: Annotations) -> list[dict[str, Any]]:
    """The annotations as a COCO file has them."""
    return _entries(
        image_id=annotations.image_ids,
        category_id=annotations.category_ids,
        keypoints=flat(annotations.keypoints),
        bbox=annotations.bboxes,
        area=annotations.areas,
        iscrowd=annotations.iscrowd.astype(int),
        num_keypoints=annotations.num_keypoints,
    )


def _prediction_entries(predictions: Predictions) -> list[dict[str, Any]]:
    """The predictions as annotations with a score."""
    return _entries(
        image_id=predictions.image_ids,
        category_id=predictions.category_ids,
        keypoints=flat(predictions.keypoints),
        area=predictions.evaluated_areas,
        score=predictions.scores,
    )


def _entries(**columns: np.ndarray) -> list[dict[str, Any]]:
    """A mapping with an id from 1 for each row of the columns."""
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [
        {"id": number, **dict(zip(columns, row, strict=True))}
        for number, row in enumerate(rows, start=1)
    ]
