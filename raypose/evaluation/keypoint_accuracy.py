"""Distances of keypoints over a data set: `PCKAccuracy`, `AUC`, `EPE` and `NME`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raypose.errors import ConfigError, did_you_mean
from raypose.evaluation.base import SkeletonLike
from raypose.evaluation.paired import (
    PairedMetric,
    PairedPoses,
    annotated_size,
    bbox_size,
    join,
    per_axis,
)
from raypose.ops.pck import keypoint_auc, keypoint_epe, keypoint_nme, keypoint_pck_accuracy
from raypose.registry import METRICS
from raypose.structures import PoseSample

# Left shoulder and right hip of JHMDB, the data set that is measured by its torso.
_TORSO = (4, 5)
_NORM_ITEMS = {"bbox": "PCK", "head": "PCKh", "torso": "tPCK"}
# The outer corners of the eyes, or what a data set measures by instead.
_NME_KEYPOINTS = {
    "horse10": (0, 1),
    "300w": (36, 45),
    "coco_wholebody_face": (36, 45),
    "cofw": (8, 9),
    "wflw": (60, 72),
    "lapa": (66, 79),
}


@METRICS.register_module()
class PCKAccuracy(PairedMetric):
    """Share of keypoints nearer than a share of a body's size.

    The numbers are `PCK` (by the longer side of the box), `PCKh` (by `head_size` of the
    annotation) and `tPCK` (by the distance of keypoints 4 and 5, the torso of JHMDB, taken from the
    prediction where it is below one pixel in the annotation).

    Args:
        thr: share of the size; a keypoint is right if it is strictly nearer.
        norm_item: `bbox`, `head`, `torso` or several of them.
        prefix: put before the names of the numbers.
        skeleton: not needed.

    Raises:
        ConfigError: if a `norm_item` is unknown.

    Example:
        type: PCKAccuracy
        thr: 0.2
        norm_item: [bbox, torso]
    """

    def __init__(
        self,
        thr: float = 0.05,
        norm_item: str | Sequence[str] = "bbox",
        prefix: str | None = None,
        skeleton: SkeletonLike | None = None,
    ) -> None:
        super().__init__(prefix, skeleton)
        self.thr = thr
        self.norm_item = [norm_item] if isinstance(norm_item, str) else list(norm_item)
        for item in self.norm_item:
            if item not in _NORM_ITEMS:
                raise ConfigError(
                    f"norm_item is 'bbox', 'head' or 'torso', got {item!r}."
                    + did_you_mean(str(item), _NORM_ITEMS)
                )

    def sizes(self, sample: PoseSample) -> dict[str, np.ndarray]:
        """Return the sizes that the annotation has; the torso follows from the keypoints."""
        found: dict[str, np.ndarray] = {}
        if "bbox" in self.norm_item:
            found["bbox"] = bbox_size(sample)
        if "head" in self.norm_item:
            found["head"] = annotated_size(sample, "head_size")
        return found

    def compute_metrics(self, records: Sequence[PairedPoses]) -> dict[str, float]:
        """Return the mean accuracy for each way to measure."""
        poses = join(records)
        accuracies = {item: self.accuracy(poses, item, self.thr)[1] for item in self.norm_item}
        return {_NORM_ITEMS[item]: mean for item, mean in accuracies.items()}

    def accuracy(self, poses: PairedPoses, item: str, thr: float) -> tuple[np.ndarray, float, int]:
        """Return accuracies (K,), their mean and number, measured by one `norm_item`."""
        size = _torso_size(poses) if item == "torso" else poses.sizes[item]
        factor = per_axis(size, poses.gt.shape[-1])
        return keypoint_pck_accuracy(poses.pred, poses.gt, poses.mask, thr, factor)


@METRICS.register_module()
class AUC(PairedMetric):
    """Area under the curve of PCK over its threshold, as `AUC`.

    Args:
        norm_factor: distance in pixels that is threshold 1.
        num_thrs: number of thresholds from 0.
        prefix: put before the name of the number.
        skeleton: not needed.

    Example:
        type: AUC
        norm_factor: 30
    """

    def __init__(
        self,
        norm_factor: float = 30,
        num_thrs: int = 20,
        prefix: str | None = None,
        skeleton: SkeletonLike | None = None,
    ) -> None:
        super().__init__(prefix, skeleton)
        self.norm_factor = norm_factor
        self.num_thrs = num_thrs

    def compute_metrics(self, records: Sequence[PairedPoses]) -> dict[str, float]:
        """Return the area."""
        poses = join(records)
        area = keypoint_auc(poses.pred, poses.gt, poses.mask, self.norm_factor, self.num_thrs)
        return {"AUC": area}


@METRICS.register_module()
class EPE(PairedMetric):
    """Mean end-point error in pixels of the image, as `EPE`.

    Args:
        prefix: put before the name of the number.
        skeleton: not needed.

    Example:
        type: EPE
    """

    def compute_metrics(self, records: Sequence[PairedPoses]) -> dict[str, float]:
        """Return the error."""
        poses = join(records)
        return {"EPE": keypoint_epe(poses.pred, poses.gt, poses.mask)}


@METRICS.register_module()
class NME(PairedMetric):
    """Normalised mean error, as `NME`.

    Args:
        norm_mode: `use_norm_item`, measured by `norm_item`, or `keypoint_distance`, by the
            distance of two annotated keypoints.
        norm_item: `bbox_size`, the longer side of the box, or an item of the annotation.
        keypoint_indices: the two keypoints; by default those in use for the skeleton.
        prefix: put before the name of the number.
        skeleton: names the data set where `keypoint_indices` are left out.

    Raises:
        ConfigError: if the arguments do not say what to measure by.

    Example:
        type: NME
        norm_mode: keypoint_distance
        keypoint_indices: [36, 45]
    """

    def __init__(
        self,
        norm_mode: str,
        norm_item: str | None = None,
        keypoint_indices: Sequence[int] | None = None,
        prefix: str | None = None,
        skeleton: SkeletonLike | None = None,
    ) -> None:
        if norm_mode not in ("use_norm_item", "keypoint_distance"):
            raise ConfigError(
                f"norm_mode is 'use_norm_item' or 'keypoint_distance', got {norm_mode!r}"
            )
        if norm_mode == "use_norm_item" and not norm_item:
            raise ConfigError("norm_mode 'use_norm_item' needs norm_item, such as 'bbox_size'")
        if keypoint_indices is not None and len(keypoint_indices) != 2:
            raise ConfigError(f"keypoint_indices are two keypoints, got {list(keypoint_indices)}")
        self.norm_mode = norm_mode
        self.norm_item = norm_item
        self.keypoint_indices = keypoint_indices
        super().__init__(prefix, skeleton)

    def sizes(self, sample: PoseSample) -> dict[str, np.ndarray]:
        """Return `norm_item` of the annotation."""
        if self.norm_mode != "use_norm_item" or self.norm_item is None:
            return {}
        if self.norm_item == "bbox_size":
            return {self.norm_item: bbox_size(sample)}
        return {self.norm_item: annotated_size(sample, self.norm_item)}

    def compute_metrics(self, records: Sequence[PairedPoses]) -> dict[str, float]:
        """Return the error."""
        poses = join(records)
        if self.norm_mode == "use_norm_item" and self.norm_item is not None:
            size = poses.sizes[self.norm_item]
        else:
            first, second = self._pair(poses.gt.shape[1])
            size = np.linalg.norm(poses.gt[:, first] - poses.gt[:, second], axis=-1)
        factor = per_axis(size, poses.gt.shape[-1])
        return {"NME": keypoint_nme(poses.pred, poses.gt, poses.mask, factor)}

    def _pair(self, num_keypoints: int) -> tuple[int, int]:
        """The two keypoints whose distance is the unit."""
        if self.keypoint_indices is not None:
            first, second = self.keypoint_indices
            if max(first, second) >= num_keypoints:
                raise ConfigError(
                    f"keypoint_indices {first} and {second} are not both of the "
                    f"{num_keypoints} keypoints"
                )
            return first, second
        name = "" if self.skeleton is None else self.skeleton.name
        if name not in _NME_KEYPOINTS:
            raise ConfigError(
                f"keypoint_indices are needed for the skeleton '{name}'; they are known for "
                + ", ".join(sorted(_NME_KEYPOINTS))
            )
        return _NME_KEYPOINTS[name]


def _torso_size(poses: PairedPoses) -> np.ndarray:
    """Distance (N,) of two keypoints, of the prediction where the annotation's is degenerate."""
    first, second = _TORSO
    annotated = np.linalg.norm(poses.gt[:, first] - poses.gt[:, second], axis=-1)
    predicted = np.linalg.norm(poses.pred[:, first] - poses.pred[:, second], axis=-1)
    return np.where(annotated < 1, predicted, annotated)
