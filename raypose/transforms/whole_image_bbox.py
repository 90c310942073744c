"""`WholeImageBBox`: the image itself as the box, for one animal that no detector finds."""

from __future__ import annotations

import numpy as np

from raypose.errors import DataError
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample


@TRANSFORMS.register_module()
class WholeImageBBox:
    """Put the whole image in the place of the box, in training and wherever the model is used.

    A model of one animal then needs no detector: it looks for the animal itself, as models that
    were trained with boxes cannot.

    Example:
        type: WholeImageBBox
    """

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Set `bboxes` to the corners of the image, for every instance.

        Raises:
            DataError: if the image is not loaded yet.
        """
        if sample.image is None:
            raise DataError(f"sample {sample.id}: WholeImageBBox needs the image; LoadImage first")
        height, width = sample.image.shape[:2]
        count = 1 if sample.bboxes is None else len(sample.bboxes)
        sample.bboxes = np.tile(np.array([0, 0, width, height], np.float32), (count, 1))
        return sample
