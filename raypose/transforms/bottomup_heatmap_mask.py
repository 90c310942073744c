"""`BottomupGetHeatmapMask`: where the heatmaps of a bottom-up model can be trusted."""

from __future__ import annotations

import cv2
import numpy as np

from raypose.errors import ConfigError, DataError
from raypose.ops.warps import warp_image
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.segmentation import segmentations_to_mask


@TRANSFORMS.register_module()
class BottomupGetHeatmapMask:
    """Mark the pixels of people that are not annotated: crowds and people without keypoints.

    It comes after the warp to input space and any flip.

    Args:
        get_invalid: the mask is true on such people; by default on everything in the image but
            them.
        heatmap_size: (w, h) of the mask; that of the input by default.

    Example:
        type: BottomupGetHeatmapMask
        heatmap_size: [128, 128]
    """

    def __init__(
        self, get_invalid: bool = False, heatmap_size: tuple[int, int] | None = None
    ) -> None:
        if heatmap_size is not None and (len(heatmap_size) != 2 or min(heatmap_size) < 1):
            raise ConfigError(f"heatmap_size is width and height in cells, got {heatmap_size}")
        self.get_invalid = get_invalid
        self.heatmap_size = heatmap_size

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Fill `meta["heatmap_mask"]`, (h, w) bool.

        Raises:
            DataError: if the size of the image is not known or an outline is broken.
        """
        if sample.img_shape is None:
            raise DataError(f"sample {sample.id}: the mask needs 'img_shape'; LoadImage sets it")
        h, w = sample.img_shape
        try:
            mask = segmentations_to_mask(sample.meta.get("invalid_segs", []), (w, h))
        except DataError as error:
            raise DataError(f"sample {sample.id}: {error}") from error
        mask = (mask if self.get_invalid else 1 - mask).astype(np.float32)
        if sample.transform is not None:
            mask = warp_image(mask, sample.transform.matrix, sample.transform.input_size)
        if self.heatmap_size is not None:
            size = (int(self.heatmap_size[0]), int(self.heatmap_size[1]))
            mask = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)
        sample.meta["heatmap_mask"] = mask > 0.5
        return sample
