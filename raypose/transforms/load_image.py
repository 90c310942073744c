"""`LoadImage`: the pixels of a sample."""

from __future__ import annotations

import logging

import numpy as np

from raypose.errors import DataError
from raypose.ops.image_files import check_color_type, decode_reduced_image, read_reduced_image
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
        return self.reduced(sample, 1)

    def reduced(self, sample: PoseSample, reduction: int) -> PoseSample | None:
        """Fill `image`, from a JPEG of a known size with a half, a quarter or an eighth of it.

        What of the image its pixels are is in `pixels` then.

        Args:
            sample: with `img_shape`, where it is to be reduced.
            reduction: 1, 2, 4 or 8.

        Raises:
            DataError: if there is no readable image, or if it is turned against its annotation.
        """
        try:
            image, done = self._load(sample, reduction)
            if done > 1 and sample.pixels is None and not _fits(image, sample.img_shape, done):
                # It is not as large as its annotation says; what follows sees to that.
                image, done = self._load(sample, 1)
        except DataError as error:
            if not self.ignore_empty:
                raise
            logger.warning("sample %s is left out: %s", sample.id, error)
            return None
        if done > 1:
            # Pixel i is the mean of those from i n to i n + n - 1.
            place = np.diag([float(done), float(done), 1.0])
            place[:2, 2] = (done - 1) / 2
            sample.pixels = place if sample.pixels is None else sample.pixels @ place
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

    def _load(self, sample: PoseSample, reduction: int) -> tuple[np.ndarray, int]:
        """Return the pixels and by how much they are reduced."""
        image = sample.image
        if image is None:
            if sample.img_path is None:
                raise DataError(f"sample {sample.id}: neither 'img_path' nor 'image' is set")
            return read_reduced_image(sample.img_path, self.color_type, reduction)
        if image.dtype != np.uint8 or not (
            image.ndim == 1 or (image.ndim == 3 and image.shape[2] == 3)
        ):
            raise DataError(
                f"sample {sample.id}: 'image' is (H, W, 3) or the (n,) bytes of a file, uint8; "
                f"got {image.shape} {image.dtype}"
            )
        if image.ndim == 1:
            name = sample.img_path or sample.id
            return decode_reduced_image(image, self.color_type, name, reduction)
        return image, 1


def _fits(image: np.ndarray, shape: tuple[int, int] | None, reduction: int) -> bool:
    return shape is not None and image.shape[:2] == (
        -(-shape[0] // reduction),
        -(-shape[1] // reduction),
    )
