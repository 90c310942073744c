"""`CropStage`: an image and its boxes to what the pose model sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from raypose.errors import DataError
from raypose.models.detectors import Detections
from raypose.structures import PoseSample

Pipeline = Callable[[PoseSample, int], "PoseSample | None"]


class CropStage:
    """Cut one crop for each box, or take the image as a whole.

    The pipeline is that of validation, so that a model sees what it was measured on.

    Args:
        pipeline: transforms, called as `pipeline(sample, epoch)` on a sample whose `image` is
            there already and, for crops, whose `bboxes` hold the one box.
        whole_image: one sample for each image, for models that find the instances themselves.
    """

    def __init__(self, pipeline: Pipeline, whole_image: bool = False) -> None:
        self.pipeline = pipeline
        self.whole_image = whole_image

    def __call__(
        self, image: npt.NDArray[np.uint8], found: Detections, source: str = ""
    ) -> Iterator[PoseSample]:
        """Yield the samples of one image, in the order of its boxes.

        Args:
            image: (H, W, 3) uint8 BGR.
            found: boxes in image space; those of less than a pixel are cropped as one pixel.
            source: name of the image, for messages.

        Raises:
            DataError: for boxes that are not finite numbers, or if the pipeline drops a sample.
        """
        height, width = image.shape[:2]
        if self.whole_image:
            yield self._transform(PoseSample(id=source, image=image, img_shape=(height, width)))
            return
        if not np.isfinite(found.boxes).all():
            raise DataError(f"{source or 'image'}: boxes are finite numbers, got {found.boxes}")
        for index, (box, score) in enumerate(zip(found.boxes, found.scores, strict=True)):
            yield self._transform(
                PoseSample(
                    id=f"{source}:{index}",
                    index=index,
                    image=image,
                    img_shape=(height, width),
                    bboxes=_at_least_a_pixel(box)[None],
                    bbox_scores=score[None],
                )
            )

    def _transform(self, sample: PoseSample) -> PoseSample:
        result = self.pipeline(sample, 0)
        if result is None:
            raise DataError(
                f"{sample.id}: the validation pipeline drops it, which prediction cannot do"
            )
        return result


def _at_least_a_pixel(box: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    low, high = np.minimum(box[:2], box[2:]), np.maximum(box[:2], box[2:])
    grow = np.maximum(1 - (high - low), 0) / 2
    return np.concatenate([low - grow, high + grow]).astype(np.float32)
