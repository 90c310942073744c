"""`GetBBoxCenterScale`: boxes as center and scale."""

from __future__ import annotations

from raypose.errors import DataError
from raypose.ops.boxes import bbox_xyxy2cs
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample


@TRANSFORMS.register_module()
class GetBBoxCenterScale:
    """Turn boxes into centers and padded scales, the form that crops are described in.

    Args:
        padding: factor on the extent of a box.

    Example:
        type: GetBBoxCenterScale
        padding: 1.25
    """

    def __init__(self, padding: float = 1.25) -> None:
        self.padding = padding

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Fill `bbox_center` and `bbox_scale`; where they are there already, pad the scale.

        Raises:
            DataError: if the sample has no boxes.
        """
        if sample.bbox_center is not None and sample.bbox_scale is not None:
            sample.bbox_scale = sample.bbox_scale * self.padding
            return sample
        if sample.bboxes is None:
            raise DataError(f"sample {sample.id}: GetBBoxCenterScale needs 'bboxes'")
        sample.bbox_center, sample.bbox_scale = bbox_xyxy2cs(sample.bboxes, self.padding)
        return sample
