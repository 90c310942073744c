"""`KeypointPartitionMetric`: another metric on parts of the body, each by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from raypose.errors import ConfigError, DataError
from raypose.evaluation.base import BaseMetric, SkeletonLike
from raypose.registry import METRICS
from raypose.structures import Poses, PoseSample, Skeleton

_SUPPORTED = ("CocoMetric", "PCKAccuracy", "AUC", "EPE", "NME")


@METRICS.register_module()
class KeypointPartitionMetric(BaseMetric):
    """Compute a metric for each named part of the keypoints, as `body/PCK`.

    Args:
        metric: config of `CocoMetric` (without `ann_file`), `PCKAccuracy`, `AUC`, `EPE` or `NME`
            (with `norm_mode: use_norm_item`). An `outfile_prefix` gets the part's name appended.
        partitions: keypoint indices of each part by its name.
        skeleton: the whole body; each metric gets its part of it.

    Raises:
        ConfigError: if the metric cannot be computed in parts or a part is empty.

    Example:
        type: KeypointPartitionMetric
        metric: {type: PCKAccuracy, thr: 0.05}
        partitions: {head: [0, 1, 2, 3, 4], arms: [5, 6, 7, 8, 9, 10]}
    """

    def __init__(
        self,
        metric: Mapping[str, Any],
        partitions: Mapping[str, Sequence[int]],
        skeleton: SkeletonLike | None = None,
    ) -> None:
        kind = metric.get("type")
        if kind not in _SUPPORTED:
            raise ConfigError(f"metric is one of {', '.join(_SUPPORTED)}, got {kind!r}")
        if metric.get("ann_file") is not None:
            raise ConfigError("a CocoMetric of parts takes no ann_file: it is cut from the samples")
        if metric.get("norm_mode") == "keypoint_distance":
            raise ConfigError("an NME of parts needs norm_mode 'use_norm_item'")
        if not partitions or not all(len(ids) for ids in partitions.values()):
            raise ConfigError("partitions gives at least one keypoint for each part")
        self.partitions = {name: list(ids) for name, ids in partitions.items()}
        self.metrics: dict[str, BaseMetric] = {
            name: METRICS.build(_config_of_part(metric, name)) for name in partitions
        }
        super().__init__(skeleton=skeleton)

    def set_skeleton(self, skeleton: Skeleton) -> None:
        """Give each metric its part of the skeleton."""
        super().set_skeleton(skeleton)
        for name, ids in self.partitions.items():
            outside = [i for i in ids if i >= skeleton.num_keypoints]
            if outside:
                raise ConfigError(
                    f"partition '{name}' has keypoints {outside}, but the skeleton "
                    f"'{skeleton.name}' only {skeleton.num_keypoints}"
                )
            self.metrics[name].set_skeleton(_part_of_skeleton(skeleton, ids))

    def update(self, sample: PoseSample, poses: Poses) -> None:
        """Hand each metric its part of the sample and its prediction."""
        if sample.keypoints is None or sample.keypoints_visible is None:
            raise DataError(f"{type(self).__name__}: sample {sample.id} has no annotated keypoints")
        for name, ids in self.partitions.items():
            part = replace(
                sample,
                keypoints=sample.keypoints[:, ids],
                keypoints_visible=sample.keypoints_visible[:, ids],
            )
            predicted = poses.replace(
                keypoints=poses.keypoints[:, ids], keypoint_scores=poses.keypoint_scores[:, ids]
            )
            self.metrics[name].update(part, predicted)

    def merge(self, other: BaseMetric) -> None:
        """Take over what another metric with the same parts has seen."""
        if not isinstance(other, type(self)):
            raise TypeError(f"cannot merge {type(other).__name__} into {type(self).__name__}")
        for name, metric in self.metrics.items():
            metric.merge(other.metrics[name])

    def compute(self) -> dict[str, float]:
        """Return the numbers of every part, `<part>/<name>`."""
        return {
            f"{part}/{name}": value
            for part, metric in self.metrics.items()
            for name, value in metric.compute().items()
        }

    def reset(self) -> None:
        """Forget all samples."""
        for metric in self.metrics.values():
            metric.reset()


def _config_of_part(metric: Mapping[str, Any], name: str) -> dict[str, Any]:
    config = dict(metric)
    if config.get("outfile_prefix"):
        config["outfile_prefix"] = f"{config['outfile_prefix']}.{name}"
    return config


def _part_of_skeleton(skeleton: Skeleton, ids: Sequence[int]) -> Skeleton:
    """The skeleton of some keypoints; a mirror partner outside of them is left alone."""
    place = {index: new for new, index in enumerate(ids)}
    links = [
        (k, (place[i], place[j]))
        for k, (i, j) in enumerate(skeleton.links)
        if i in place and j in place
    ]
    flips = [place.get(skeleton.flip_indices[index], new) for index, new in place.items()]
    sigmas = skeleton.sigmas
    return replace(
        skeleton,
        keypoint_names=tuple(skeleton.keypoint_names[i] for i in ids),
        flip_indices=tuple(flips),
        links=tuple(link for _, link in links),
        upper_body_ids=tuple(place[i] for i in skeleton.upper_body_ids if i in place),
        lower_body_ids=tuple(place[i] for i in skeleton.lower_body_ids if i in place),
        keypoint_colors=tuple(skeleton.keypoint_colors[i] for i in ids),
        link_colors=tuple(skeleton.link_colors[k] for k, _ in links),
        sigmas=None if sigmas is None else tuple(sigmas[i] for i in ids),
        keypoint_weights=tuple(skeleton.keypoint_weights[i] for i in ids),
    )
