"""`PoseErrors`: how far each keypoint of each annotated pose is from its prediction.

Metrics boil a data set down to a few numbers; these are what the numbers are made of, for reports
that show where a model fails. M annotated poses, K keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from raypose.evaluation.position_error import SimpleMPJPE
from raypose.structures import Poses, PoseSample

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# A COCO sigma in the middle of the body, for pairing where a skeleton has none of its own.
_USUAL_SIGMA = 0.08
# Of two poses that are paired at least this OKS, or the annotated one counts as not found.
_LEAST_OKS = 0.1
# COCO's share of a box that a person covers, where an annotation has no area.
_AREA_OF_BOX = 0.53


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoseErrors:
    """Errors of M annotated poses.

    Attributes:
        samples: (M,) position of the sample that each pose is of.
        instances: (M,) which annotated instance of the sample it is; a frame of a lifter.
        matches: (M,) which predicted instance it was compared with, -1 for a pose not found.
        labelled: (M, K) bool, which keypoints are annotated.
        distances: (M, K) in pixels of the image, or the unit of 3D poses; NaN for keypoints that
            are not annotated and poses that are not found.
        parts: (M, K) what each keypoint adds to the OKS of its pose, 0 to 1; NaN where it is not
            annotated or OKS not defined.
        sizes: (M,) longer side of the annotated box, pixels; NaN for 3D poses.
    """

    samples: Integers
    instances: Integers
    matches: Integers
    labelled: npt.NDArray[np.bool_]
    distances: Floats
    parts: Floats
    sizes: Floats

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def oks(self) -> Floats:
        """Return the OKS (M,) of each pose, NaN where it is not defined."""
        return mean_of_rows(self.parts)

    @property
    def means(self) -> Floats:
        """Return the mean distance (M,) of each pose, infinite for one that was not found."""
        return np.where(self.matches < 0, np.inf, mean_of_rows(self.distances))

    def worst(self, count: int, apart: int = 0) -> list[int]:
        """Return the rows of the poses with the lowest OKS, or else the largest errors by size.

        Args:
            count: how many.
            apart: samples between those chosen, for frames of a video that are all wrong alike;
                fewer rows come back where there are not as many that far apart.
        """
        errors = self.means / np.where(np.isfinite(self.sizes), np.maximum(self.sizes, 1.0), 1.0)
        order = np.lexsort((-errors, np.nan_to_num(self.oks, nan=0.0)))
        if not apart:
            return order[:count].tolist()
        chosen: list[int] = []
        taken = np.zeros(0, np.int64)
        for row in order.tolist():
            if len(chosen) == count:
                break
            if (np.abs(taken - self.samples[row]) > apart).all():
                chosen.append(row)
                taken = self.samples[chosen]
        return chosen

    @classmethod
    def join(cls, several: Sequence[PoseErrors], num_keypoints: int) -> PoseErrors:
        """Return the poses of several records as one."""
        empty = cls(
            samples=np.zeros(0, np.int64),
            instances=np.zeros(0, np.int64),
            matches=np.zeros(0, np.int64),
            labelled=np.zeros((0, num_keypoints), np.bool_),
            distances=np.zeros((0, num_keypoints)),
            parts=np.zeros((0, num_keypoints)),
            sizes=np.zeros(0),
        )
        records = [empty, *several]
        return cls(
            samples=np.concatenate([record.samples for record in records]),
            instances=np.concatenate([record.instances for record in records]),
            matches=np.concatenate([record.matches for record in records]),
            labelled=np.concatenate([record.labelled for record in records]),
            distances=np.concatenate([record.distances for record in records]),
            parts=np.concatenate([record.parts for record in records]),
            sizes=np.concatenate([record.sizes for record in records]),
        )


def errors_of_sample(
    position: int,
    sample: PoseSample,
    poses: Poses,
    sigmas: Sequence[float] | None,
    paired: bool,
) -> PoseErrors | None:
    """Compare the keypoints of a sample with what was predicted for it.

    Args:
        position: of the sample in its dataset.
        sample: the annotation, in image space.
        poses: the prediction, in image space.
        sigmas: K spreads of OKS, None where it is not defined.
        paired: the i-th prediction is about the i-th instance; otherwise those are paired that
            are most alike by OKS.

    Returns:
        The instances with at least one annotated keypoint; None if there are none.
    """
    if sample.keypoints is None or sample.keypoints_visible is None:
        return None
    visible = sample.keypoints_visible
    labelled = (visible if visible.ndim == 2 else visible[..., 0]) > 0
    rows = np.flatnonzero(labelled.any(axis=1))
    if not len(rows):
        return None
    truth, labelled = sample.keypoints[rows, :, :2].astype(np.float64), labelled[rows]
    found = poses.keypoints[..., :2].astype(np.float64)
    sizes, areas = _extents(sample, rows, truth, labelled)
    if paired:
        matches = np.where(rows < len(found), rows, -1)
    else:
        matches = _match(truth, labelled, found, areas, sigmas)
    distances = np.full(labelled.shape, np.nan)
    hit = matches >= 0
    distances[hit] = np.linalg.norm(found[matches[hit]] - truth[hit], axis=-1)
    distances[~labelled] = np.nan
    parts = np.full(labelled.shape, np.nan)
    if sigmas is not None:
        parts = np.where(hit[:, None], _similarity(distances, areas, sigmas), 0.0)
        parts[~labelled] = np.nan
    return PoseErrors(
        samples=np.full(len(rows), position, np.int64),
        instances=rows.astype(np.int64),
        matches=matches.astype(np.int64),
        labelled=labelled,
        distances=distances,
        parts=parts,
        sizes=sizes,
    )


def errors_in_space(
    position: int, sample: PoseSample, poses: Poses, scale: float = 1.0
) -> PoseErrors | None:
    """Compare the 3D poses of a sample, `lifting_target` in its `meta`, with those predicted.

    Args:
        position: of the sample in its dataset.
        sample: the annotation.
        poses: the prediction.
        scale: put on every distance; 1000 gives millimetres for poses in metres.

    Returns:
        A pose for each target frame; None if nothing is annotated.
    """
    record = SimpleMPJPE().process(sample, poses)
    assert record is not None, "nothing is on the skip list"
    rows = np.flatnonzero(record.mask.any(axis=1))
    if not len(rows):
        return None
    distances = scale * np.linalg.norm(record.pred - record.gt, axis=-1).astype(np.float64)
    distances[~record.mask] = np.nan
    return PoseErrors(
        samples=np.full(len(rows), position, np.int64),
        instances=rows.astype(np.int64),
        matches=rows.astype(np.int64),
        labelled=record.mask[rows],
        distances=distances[rows],
        parts=np.full((len(rows), distances.shape[1]), np.nan),
        sizes=np.full(len(rows), np.nan),
    )


def mean_of_rows(values: Floats) -> Floats:
    """Return the mean (M,) of what is not NaN in each row; NaN for a row of nothing else."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)


def _extents(
    sample: PoseSample, rows: Integers, truth: Floats, labelled: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return the longer side (N,) and the area (N,) of each instance."""
    if sample.bboxes is not None and sample.bboxes.ndim == 2:
        sides = (sample.bboxes[rows, 2:4] - sample.bboxes[rows, :2]).astype(np.float64)
    else:
        low = np.where(labelled[..., None], truth, np.inf).min(axis=1)
        sides = np.where(labelled[..., None], truth, -np.inf).max(axis=1) - low
    areas = _AREA_OF_BOX * sides.prod(axis=1)
    if sample.areas is not None:
        given = sample.areas[rows].astype(np.float64)
        areas = np.where(np.isfinite(given) & (given > 0), given, areas)
    return sides.max(axis=1), areas


def _similarity(distances: Floats, areas: Floats, sigmas: Sequence[float]) -> Floats:
    variances = (2 * np.asarray(sigmas, np.float64)) ** 2
    return np.exp(-(distances**2) / (2 * variances * (areas[:, None] + np.spacing(1))))


def _match(
    truth: Floats,
    labelled: npt.NDArray[np.bool_],
    found: Floats,
    areas: Floats,
    sigmas: Sequence[float] | None,
) -> Integers:
    """Return for each annotated pose the predicted one that it is paired with, -1 for none."""
    matches = np.full(len(truth), -1, np.int64)
    if not len(found):
        return matches
    spreads = [_USUAL_SIGMA] * truth.shape[1] if sigmas is None else sigmas
    oks = np.empty((len(truth), len(found)))
    for row in range(len(truth)):
        known = labelled[row]
        distances = np.linalg.norm(found - truth[row], axis=-1)
        similarity = _similarity(distances, np.full(len(found), areas[row]), spreads)
        oks[row] = similarity[:, known].mean(axis=1)
    for row, column in zip(*linear_sum_assignment(-oks), strict=True):
        if oks[row, column] >= _LEAST_OKS:
            matches[row] = column
    return matches
