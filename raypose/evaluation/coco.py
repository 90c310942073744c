"""`CocoMetric`: average precision and recall of keypoints by OKS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from raypose.errors import ConfigError, DataError, did_you_mean
from raypose.evaluation.base import SampleMetric, SkeletonLike
from raypose.evaluation.coco_instances import (
    Annotations,
    GroundTruth,
    Predictions,
    join,
    labelled,
    read_annotations,
)
from raypose.evaluation.keypoint_ap import crowd_keypoint_ap, keypoint_ap
from raypose.ops.boxes import bbox_xyxy2xywh
from raypose.ops.keypoint_mapping import map_sigmas
from raypose.ops.nms import oks_nms_of_groups, soft_oks_nms
from raypose.registry import METRICS
from raypose.structures import Poses, PoseSample, Skeleton

_SCORE_MODES = ("bbox", "keypoint", "bbox_keypoint", "bbox_rle")
_NMS_MODES = ("oks_nms", "soft_oks_nms", "none")
_IOU_TYPES = ("keypoints", "keypoints_crowd")


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoRecord:
    """What is kept of one sample.

    Attributes:
        predictions: its predicted instances; their `scores` are not known yet.
        annotations: its annotated instances, where there is no annotation file.
        image_id: of its image.
        crowd_index: of its image, NaN where not annotated.
    """

    predictions: Predictions
    annotations: Annotations | None
    image_id: int
    crowd_index: float


@METRICS.register_module()
class CocoMetric(SampleMetric):
    """Average precision and recall as COCO defines them for keypoints.

    The numbers are `AP`, `AP .5`, `AP .75`, `AP (M)`, `AP (L)` and the same of `AR`; with
    `keypoints_crowd` those of CrowdPose, `AP(E)`, `AP(M)` and `AP(H)` instead of the sizes.

    Args:
        ann_file: COCO file to hold the predictions against; the samples' own annotations by
            default.
        use_area: measure by the annotated area; otherwise by 0.53 of the box, for data sets
            without areas (CrowdPose, AIC).
        iou_type: `keypoints` or `keypoints_crowd`.
        score_mode: an instance is ranked by the score of its box (`bbox`), the mean of its
            keypoints' scores (`keypoint`), their product (`bbox_keypoint`), or the sum of both and
            the best keypoint's (`bbox_rle`).
        keypoint_score_thr: scores that count in `bbox_keypoint` are above it.
        nms_mode: `oks_nms`, `soft_oks_nms` or `none`.
        nms_thr: OKS above which of two poses only one is kept, or the variance of soft NMS.
        format_only: write the results and compute nothing.
        pred_converter: `num_keypoints` and `mapping` from the predicted keypoints to those of
            the metric.
        gt_converter: the same for annotations and the skeleton's sigmas.
        outfile_prefix: write the results, as COCO has them, to `<outfile_prefix>.keypoints.json`.
        prefix: put before the names of the numbers.
        skeleton: its `sigmas` are needed.

    Raises:
        ConfigError: if an argument is not among its choices, the skeleton has no sigmas, or
            `format_only` comes without `outfile_prefix`.

    Example:
        type: CocoMetric
        score_mode: bbox_keypoint
        nms_mode: oks_nms
        nms_thr: 0.9
    """

    default_prefix = "coco"
    # Entries of an annotation that make up its keypoints.
    annotation_parts: ClassVar[tuple[str, ...]] = ("keypoints",)

    def __init__(
        self,
        ann_file: str | None = None,
        use_area: bool = True,
        iou_type: str = "keypoints",
        score_mode: str = "bbox_keypoint",
        keypoint_score_thr: float = 0.2,
        nms_mode: str = "oks_nms",
        nms_thr: float = 0.9,
        format_only: bool = False,
        pred_converter: Mapping[str, Any] | None = None,
        gt_converter: Mapping[str, Any] | None = None,
        outfile_prefix: str | None = None,
        prefix: str | None = None,
        skeleton: SkeletonLike | None = None,
    ) -> None:
        _check_choice("iou_type", iou_type, _IOU_TYPES)
        _check_choice("score_mode", score_mode, _SCORE_MODES)
        _check_choice("nms_mode", nms_mode, _NMS_MODES)
        if format_only and outfile_prefix is None:
            raise ConfigError("format_only writes results, so it needs outfile_prefix")
        self.ann_file = ann_file
        self.use_area = use_area
        self.iou_type = iou_type
        self.score_mode = score_mode
        self.keypoint_score_thr = keypoint_score_thr
        self.nms_mode = nms_mode
        self.nms_thr = nms_thr
        self.format_only = format_only
        self.pred_converter = pred_converter
        self.gt_converter = gt_converter
        self.outfile_prefix = outfile_prefix
        super().__init__(prefix, skeleton)

    def set_skeleton(self, skeleton: Skeleton) -> None:
        """Say what the keypoints are.

        Raises:
            ConfigError: if the skeleton has no sigmas.
        """
        if skeleton.sigmas is None:
            raise ConfigError(
                f"{type(self).__name__} needs the OKS sigmas of the skeleton '{skeleton.name}': "
                "give 'sigmas', one number or one for each keypoint (COCO's are 0.025 to 0.107)"
            )
        super().set_skeleton(skeleton)

    def process(self, sample: PoseSample, poses: Poses) -> CocoRecord:
        """Return the instances of one sample."""
        return CocoRecord(
            predictions=predicted_instances(sample, poses),
            annotations=None if self.ann_file else _annotated(sample, self.iou_type),
            image_id=sample.img_id,
            crowd_index=float(sample.meta.get("crowd_index", np.nan)),
        )

    def compute_metrics(self, records: Sequence[CocoRecord]) -> dict[str, float]:
        """Rank, suppress and evaluate all instances; write them if asked to."""
        predictions = self.results(records)
        if self.format_only:
            return {}
        return self.evaluate(self._ground_truth(records), predictions, self._sigmas())

    def results(self, records: Sequence[CocoRecord]) -> Predictions:
        """Return all predicted instances that are left, with their ranks; write them if asked to.

        Raises:
            DataError: if the predictions are not of the skeleton.
        """
        sigmas = self._sigmas()
        predictions = join([record.predictions for record in records])
        if self.pred_converter is not None:
            predictions = predictions.mapped(**_mapping_of(self.pred_converter))
        if predictions.keypoints.shape[1] != len(sigmas):
            raise DataError(
                f"{predictions.keypoints.shape[1]} keypoints are predicted, "
                f"the skeleton has {len(sigmas)}"
            )
        predictions = replace(predictions, scores=self._ranks(predictions))
        predictions = self._suppress(predictions, sigmas)
        if self.outfile_prefix is not None:
            path = Path(f"{self.outfile_prefix}.keypoints.json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(self.result_entries(predictions)), encoding="utf-8")
        return predictions

    def evaluate(
        self, truth: GroundTruth, predictions: Predictions, sigmas: Sequence[float]
    ) -> dict[str, float]:
        """Return the numbers of all instances."""
        compute = crowd_keypoint_ap if self.iou_type == "keypoints_crowd" else keypoint_ap
        return compute(truth, predictions, sigmas)

    def result_entries(self, predictions: Predictions) -> list[dict[str, Any]]:
        """Return what is written to the results file."""
        return predictions.to_coco()

    def _sigmas(self) -> list[float]:
        if self.skeleton is None or self.skeleton.sigmas is None:
            raise ConfigError(f"{type(self).__name__} needs a skeleton with sigmas")
        if self.gt_converter is None:
            return list(self.skeleton.sigmas)
        return map_sigmas(self.skeleton.sigmas, **_mapping_of(self.gt_converter)).tolist()

    def _ranks(self, predictions: Predictions) -> np.ndarray:
        """Confidence (M,) in whole instances."""
        boxes, keypoints = predictions.bbox_scores, predictions.keypoints[..., 2]
        if self.score_mode == "bbox":
            return boxes
        if self.score_mode == "keypoint":
            return keypoints.mean(axis=1)
        if self.score_mode == "bbox_rle":
            return boxes + keypoints.mean(axis=1) + keypoints.max(axis=1)
        counted = keypoints > self.keypoint_score_thr
        total = np.where(counted, keypoints, 0).sum(axis=1)
        return boxes * total / np.maximum(counted.sum(axis=1), 1)

    def _suppress(self, predictions: Predictions, sigmas: Sequence[float]) -> Predictions:
        """Instances that are left of each image, best first."""
        if self.nms_mode == "none":
            return predictions
        if self.nms_mode == "oks_nms":
            kept_rows = oks_nms_of_groups(
                predictions.keypoints,
                predictions.scores,
                predictions.areas,
                predictions.image_ids,
                self.nms_thr,
                sigmas,
            )
            return predictions.take(kept_rows)
        order = np.argsort(predictions.image_ids, kind="stable")
        starts = np.unique(predictions.image_ids[order], return_index=True)[1]
        kept = [
            rows[
                soft_oks_nms(
                    predictions.keypoints[rows],
                    predictions.scores[rows],
                    predictions.areas[rows],
                    self.nms_thr,
                    sigmas=sigmas,
                )
            ]
            for rows in np.split(order, starts[1:])
            if len(rows)
        ]
        return predictions.take(np.concatenate([*kept, np.empty(0, np.intp)]))

    def _ground_truth(self, records: Sequence[CocoRecord]) -> GroundTruth:
        """Annotations of the file or of the samples, with their areas."""
        if self.ann_file:
            crowd = self.iou_type == "keypoints_crowd"
            truth = read_annotations(self.ann_file, self.annotation_parts, trust_counts=crowd)
        else:
            truth = _from_samples(records)
        annotations = truth.annotations
        if self.gt_converter is not None:
            annotations = annotations.mapped(**_mapping_of(self.gt_converter))
        if not self.use_area:
            annotations = annotations.with_areas_of_boxes()
        elif np.isnan(annotations.areas).any():
            image = annotations.image_ids[np.isnan(annotations.areas)][0]
            raise DataError(
                f"an annotation of image {image} has no area; with use_area: false it is "
                "estimated from the box"
            )
        return replace(truth, annotations=annotations)


def predicted_instances(sample: PoseSample, poses: Poses) -> Predictions:
    """Return the predicted instances of one sample; they have no rank yet."""
    N = len(poses)
    points = poses.keypoints[..., :2].astype(np.float64)
    scores = poses.keypoint_scores[..., None].astype(np.float64)
    extent = np.ptp(points, axis=1) if points.size else np.zeros((N, 2))
    areas = evaluated = extent.prod(axis=1)
    bboxes = np.full((N, 4), np.nan)
    if poses.bboxes is not None:
        bboxes = bbox_xyxy2xywh(poses.bboxes[:, :4].astype(np.float64))
        evaluated = bboxes[:, 2] * bboxes[:, 3]
    # The crop, not the box: it is what the reference suppresses by.
    if sample.bbox_scale is not None and len(sample.bbox_scale) == N:
        areas = sample.bbox_scale.prod(axis=1).astype(np.float64)
    # A bottom-up model finds other instances than are annotated.
    if poses.bbox_scores is not None:
        bbox_scores = poses.bbox_scores
    elif sample.bbox_scores is not None and len(sample.bbox_scores) == N:
        bbox_scores = sample.bbox_scores
    else:
        bbox_scores = np.ones(N)
    categories = np.atleast_1d(np.asarray(sample.meta.get("category_id", 1)))
    return Predictions(
        image_ids=np.full(N, sample.img_id, np.int64),
        category_ids=np.full(N, categories[0] if len(categories) else 1, np.int64),
        keypoints=np.concatenate([points, scores], axis=-1),
        bbox_scores=np.asarray(bbox_scores, np.float64).reshape(N),
        areas=areas,
        evaluated_areas=evaluated,
        bboxes=bboxes,
        scores=np.full(N, np.nan),
    )


def _annotated(sample: PoseSample, iou_type: str) -> Annotations:
    """Annotated instances of one sample."""
    if sample.keypoints is None or sample.keypoints_visible is None or sample.bboxes is None:
        raise DataError(
            f"sample {sample.id} has no annotated keypoints and boxes; give CocoMetric an ann_file"
        )
    N = len(sample.keypoints)
    visible = sample.keypoints_visible
    visible = (visible if visible.ndim == 2 else visible[..., 0]).astype(np.float64)
    keypoints = np.concatenate([sample.keypoints[..., :2], visible[..., None]], axis=-1)
    counts = labelled(keypoints)
    if iou_type == "keypoints_crowd" and "num_keypoints" in sample.meta:
        counts = np.broadcast_to(np.asarray(sample.meta["num_keypoints"]), (N,))
    areas = np.full(N, np.nan) if sample.areas is None else sample.areas.astype(np.float64)
    return Annotations(
        image_ids=np.full(N, sample.img_id, np.int64),
        category_ids=np.broadcast_to(np.asarray(sample.meta.get("category_id", 1)), (N,)),
        keypoints=keypoints,
        bboxes=bbox_xyxy2xywh(sample.bboxes[:, :4].astype(np.float64)),
        areas=areas,
        iscrowd=np.broadcast_to(np.asarray(sample.meta.get("iscrowd", 0), bool), (N,)),
        num_keypoints=counts,
    )


def _from_samples(records: Sequence[CocoRecord]) -> GroundTruth:
    """The annotations of all samples; several samples may show one image."""
    crowd_index = {record.image_id: record.crowd_index for record in records}
    return GroundTruth(
        image_ids=np.array(list(crowd_index), np.int64),
        crowd_index=np.array(list(crowd_index.values()), np.float64),
        annotations=join([r.annotations for r in records if r.annotations is not None]),
    )


def _mapping_of(converter: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the functions that map keypoints."""
    return {"num_keypoints": converter["num_keypoints"], "mapping": converter["mapping"]}


def _check_choice(name: str, given: str, choices: Sequence[str]) -> None:
    if given not in choices:
        raise ConfigError(
            f"{name} is one of {', '.join(choices)}, got {given!r}."
            + did_you_mean(str(given), choices)
        )
