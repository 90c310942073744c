"""`ValidationErrors`: what a model got wrong on its validation set, pose by pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.config import Config, build_dataset
from raypose.evaluation.pose_errors import PoseErrors, errors_in_space, errors_of_sample
from raypose.structures import Poses, PoseSample, Skeleton
from raypose.training.answers import Answer
from raypose.training.reports.sample_views import color_type_of

Floats = npt.NDArray[np.float64]

_METRICS_3D = ("MPJPE", "SimpleMPJPE")


@dataclass(frozen=True, kw_only=True)
class ValidationErrors:
    """Errors of a model on the samples of a dataset.

    Attributes:
        dataset: the annotated samples.
        answers: what was predicted for each of them, by its position.
        errors: of every annotated pose.
        skeleton: what the keypoints are.
        unit: of the distances, such as `px`.
        spatial: the poses are in space; otherwise in the pixels of images.
        color_type: how images are decoded.
    """

    dataset: Sequence[PoseSample]
    answers: Mapping[int, Poses]
    errors: PoseErrors
    skeleton: Skeleton
    unit: str
    spatial: bool
    color_type: str

    @property
    def has_oks(self) -> bool:
        """Return whether OKS is defined for the keypoints."""
        return bool(np.isfinite(self.errors.parts).any())

    @property
    def lengths(self) -> Floats:
        """Return the longer side (M,) of each annotated box, at least a pixel."""
        return np.maximum(self.errors.sizes, 1.0)

    @classmethod
    def measure(
        cls,
        config: Config,
        dataset: Sequence[PoseSample],
        answers: Sequence[Answer],
    ) -> ValidationErrors | None:
        """Compare answers with what is annotated.

        Args:
            config: of the run.
            dataset: that the answers are about.
            answers: to its samples.

        Returns:
            None for data that is not of single keypoints in an image or in space, and for
            predictions of other keypoints.
        """
        skeleton = config.skeleton or getattr(dataset, "skeleton", None)
        if skeleton is None or not answers:
            return None
        if answers[0].poses.keypoints.shape[-2] != skeleton.num_keypoints:
            return None
        spatial = "lifting_target" in dataset[answers[0].index].meta
        scale = _scale_of_metric(config) if spatial else 1.0
        truth, found, paired = _by_truth(config, dataset, answers)
        records = [
            errors_in_space(position, truth[position], poses, scale)
            if spatial
            else errors_of_sample(position, truth[position], poses, skeleton.sigmas, paired)
            for position, poses in found.items()
        ]
        errors = PoseErrors.join(
            [record for record in records if record is not None], skeleton.num_keypoints
        )
        if not len(errors):
            return None
        return cls(
            dataset=truth,
            answers=found,
            errors=errors,
            skeleton=skeleton,
            unit="mm" if scale == 1000 else "" if spatial else "px",
            spatial=spatial,
            color_type=color_type_of(config),
        )


def _by_truth(
    config: Config, dataset: Sequence[PoseSample], answers: Sequence[Answer]
) -> tuple[Sequence[PoseSample], dict[int, Poses], bool]:
    """Return annotated samples, the answers by their positions, and whether these are in pairs."""
    section = config.data_options.val
    if section is None or section.dataset.get("bbox_file") is None:
        # A crop is of one instance; who sees a whole image finds them in an order of its own.
        paired = answers[0].bbox_scale is not None
        return dataset, {answer.index: answer.poses for answer in answers}, paired
    images = _annotated_images(config, section.dataset)
    by_image: dict[int, list[Poses]] = {}
    for answer in answers:
        by_image.setdefault(dataset[answer.index].img_id, []).append(answer.poses)
    num_keypoints = answers[0].poses.keypoints.shape[1]
    found = {
        position: Poses.concatenate(by_image[sample.img_id])
        if sample.img_id in by_image
        else Poses.empty(num_keypoints)
        for position, sample in enumerate(images)
    }
    return images, found, False


def _annotated_images(config: Config, dataset: Mapping[str, Any]) -> Sequence[PoseSample]:
    """Return the images of a validation set that goes by detections, with their labels."""
    node = {**dataset, "data_mode": "bottomup"}
    for name in ("bbox_file", "filter_cfg", "indices"):
        node.pop(name, None)
    whole = {**config.data, "data": {**config.data["data"], "val": {"dataset": node}}}
    return build_dataset(Config.from_resolved(whole), "val")


def _scale_of_metric(config: Config) -> float:
    for node in config.data.get("metrics", []):
        if str(node["type"]).rsplit(".", 1)[-1] in _METRICS_3D:
            return float(node.get("scale", 1.0))
    return 1.0
