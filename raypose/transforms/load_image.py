"""`LoadImage`: the pixels of a sample."""

from __future__ import annotations

import logging

import numpy as np

from raypose.errors import DataError
from raypose.ops.image_files import check_color_type, decode_image, read_image
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample

logger = logging.getLogger(__name__)


@TRANSFORMS.register_module()
class LoadImage:
    """Read the file at `img_path`, decode the bytes in `image`, or take the pixels that are there.

    Args:
        color_type: `color` turns a photograph as its EXIF orientation says, as MMPose does;
            `color_ignore_orientation` is for annotations made on unturned pixels.
        ignore_empty: drop a sample whose image cannot be read instead of raising.

    Example:
        type: LoadImage
    """

    def __init__(self, color_type: str = "color", ignore_empty: bool = False) -> None:
        check_color_type(color_type)
        self.color_type = color_type
        self.ignore_empty = ignore_empty

    def __call__(self, sample: PoseSample) -> PoseSample | None:
        """Fill `image` and `img_shape`.

        Raises:
            DataError: if there is no readable image, or if it is turned against its annotation.
        """
        try:
            image = self._load(sample)
        except DataError as error:
            if not self.ignore_empty:
                raise
            logger.warning("sample %s is left out: %s", sample.id, error)
            return None
        if sample.pixels is not None:
            sample.image = image  # a part, whose sample knows the size of the whole
            return sample
        shape = (image.shape[0], image.shape[1])
        expected = sample.img_shape
        if expected is not None and shape != expected and shape == expected[::-1]:
            raise DataError(
                f"{sample.img_path or sample.id}: the image is {shape[1]} x {shape[0]}, its "
                f"annotation says {expected[1]} x {expected[0]}; if its EXIF orientation turned "
                "it, set color_type: color_ignore_orientation"
            )
        sample.image = image
        sample.img_shape = shape
        return sample

    def _load(self, sample: PoseSample) -> np.ndarray:
        image = sample.image
        if image is None:
            if sample.img_path is None:
                raise DataError(f"sample {sample.id}: neither 'img_path' nor 'image' is set")
            return read_image(sample.img_path, self.color_type)
        if image.dtype != np.uint8 or not (
            image.ndim == 1 or (image.ndim == 3 and image.shape[2] == 3)
        ):
            raise DataError(
                f"sample {sample.id}: 'image' is (H, W, 3) or the (n,) bytes of a file, uint8; "
                f"got {image.shape} {image.dtype}"
            )
        if image.ndim == 1:
            return decode_image(image, self.color_type, sample.img_path or sample.id)
        return image
