"""`PoseStage`: images and their boxes to poses, the crops of all images in full batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch

from raypose.errors import DataError
from raypose.inference.crop_stage import CropStage
from raypose.models.detectors import Detections
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseBatch, Poses, PoseSample

Image = npt.NDArray[np.uint8]


class PoseStage:
    """Estimate the poses of several images at a time.

    Args:
        estimator: the pose model, in evaluation mode.
        crop: makes its samples.
        batch_size: samples of one call of the model, from as many images as it takes.
        device: where the model runs.

    Attributes:
        backend: what runs the network of the model: `torch`, `onnxruntime` or `openvino`.
    """

    def __init__(
        self,
        estimator: BasePoseEstimator,
        crop: CropStage,
        batch_size: int = 8,
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        # torch.nn declares no overload for a memory format alone.
        self.estimator = estimator.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.crop = crop
        self.batch_size = batch_size
        self.backend = "torch"

    def __call__(
        self, images: Sequence[Image], detections: Sequence[Detections] | None = None
    ) -> list[Poses]:
        """Return the poses of each image, in image space.

        Args:
            images: B arrays (H_i, W_i, 3) uint8 BGR.
            detections: the boxes of each image, for top-down models: one instance comes back for
                each of them, in their order, and nobody where there is none.

        Returns:
            B `Poses`.

        Raises:
            DataError: if the numbers of images and detections differ or a top-down model gets no
                boxes.
        """
        if self.crop.whole_image:
            boxes = [Detections.empty()] * len(images)
        elif detections is None:
            raise DataError("a top-down model needs the boxes of each image")
        else:
            boxes = list(detections)
        if len(boxes) != len(images):
            raise DataError(f"got {len(images)} images and the boxes of {len(boxes)}")
        samples = (
            sample
            for number, (image, found) in enumerate(zip(images, boxes, strict=True))
            for sample in self.crop(image, found, source=str(number))
        )
        results = self._predict(samples)
        if self.crop.whole_image:
            return list(results)
        return [self._gather(list(islice(results, len(found))), found) for found in boxes]

    @torch.inference_mode()
    def _predict(self, samples: Iterable[PoseSample]) -> Iterator[Poses]:
        remaining = iter(samples)
        while batch := list(islice(remaining, self.batch_size)):
            yield from self.estimator.predict(PoseBatch.collate(batch).to(self.device))

    def _gather(self, parts: list[Poses], found: Detections) -> Poses:
        """Join the answers for the boxes of one image."""
        if not parts:
            return Poses.empty(self.num_keypoints)
        each = [len(part) for part in parts]
        return Poses.concatenate(parts).replace(
            bboxes=np.repeat(found.boxes, each, axis=0),
            bbox_scores=np.repeat(found.scores, each),
        )

    @property
    def num_keypoints(self) -> int:
        """Number of keypoints of a pose, 0 if the model does not know its skeleton."""
        kept = self.estimator.test_cfg.get("output_keypoint_indices")
        if kept is not None:
            return len(kept)
        skeleton = self.estimator.skeleton
        return 0 if skeleton is None else skeleton.num_keypoints
