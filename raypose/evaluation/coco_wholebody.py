"""`CocoWholeBodyMetric`: `CocoMetric` on body, feet, face and hands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from raypose.evaluation.coco import CocoMetric
from raypose.evaluation.coco_instances import Annotations, GroundTruth, Predictions, labelled
from raypose.evaluation.keypoint_ap import keypoint_ap
from raypose.registry import METRICS

# Part -> its entry in an annotation and its keypoints among the 133.
_PARTS = {
    "body": ("keypoints", slice(0, 17)),
    "foot": ("foot_kpts", slice(17, 23)),
    "face": ("face_kpts", slice(23, 91)),
    "lefthand": ("lefthand_kpts", slice(91, 112)),
    "righthand": ("righthand_kpts", slice(112, 133)),
}


@METRICS.register_module()
class CocoWholeBodyMetric(CocoMetric):
    """Average precision and recall on COCO-WholeBody (Jin et al., ECCV 2020).

    The ten numbers of `CocoMetric` are those of all 133 keypoints; `AP (body)` and `AR (body)`,
    and the same of `foot`, `face`, `lefthand` and `righthand`, are those of a part. Arguments are
    those of `CocoMetric`.

    Example:
        type: CocoWholeBodyMetric
        nms_mode: none
    """

    default_prefix = "coco-wholebody"
    annotation_parts: ClassVar[tuple[str, ...]] = tuple(name for name, _ in _PARTS.values())

    def evaluate(
        self, truth: GroundTruth, predictions: Predictions, sigmas: Sequence[float]
    ) -> dict[str, float]:
        """Return the numbers of the whole body and of its parts."""
        body = _PARTS["body"][1]
        # The reference has no category but persons, and tells sizes by the body alone.
        predictions = replace(
            predictions,
            category_ids=np.ones_like(predictions.category_ids),
            evaluated_areas=np.ptp(predictions.keypoints[:, body, :2], axis=1).prod(axis=-1),
        )
        numbers = super().evaluate(truth, predictions, sigmas)
        for part, (_, ids) in _PARTS.items():
            found = keypoint_ap(
                replace(truth, annotations=_part_of(truth.annotations, ids)),
                replace(predictions, keypoints=predictions.keypoints[:, ids]),
                sigmas[ids],
            )
            numbers[f"AP ({part})"] = found["AP"]
            numbers[f"AR ({part})"] = found["AR"]
        return numbers

    def result_entries(self, predictions: Predictions) -> list[dict[str, Any]]:
        """Return entries with the keypoints of each part by themselves."""
        entries = predictions.to_coco()
        for entry in entries:
            values = entry["keypoints"]
            entry.update(
                {name: values[ids.start * 3 : ids.stop * 3] for name, ids in _PARTS.values()}
            )
        return entries


def _part_of(annotations: Annotations, ids: slice) -> Annotations:
    keypoints = annotations.keypoints[:, ids]
    return replace(annotations, keypoints=keypoints, num_keypoints=labelled(keypoints))
