"""`BottomupResize`: a whole image to the network's input."""

from __future__ import annotations

from collections.abc import Sequence

from raypose.errors import ConfigError, DataError
from raypose.ops.warps import bottomup_resize_geometry
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.warping import move_annotations, record_transform, warp_pixels


@TRANSFORMS.register_module()
class BottomupResize:
    """Resize an image as a whole, keeping its aspect ratio; annotations go with it.

    Args:
        input_size: (w, h) asked for.
        size_factor: the sides of the input are multiples of it.
        resize_mode: `fit`, the whole image is inside of `input_size`; or `expand`, the image
            covers `input_size` and the input grows with it.
        pad_val: colour round the image, BGR.
        use_udp: measure between pixel centers, with the image at the top left.

    Example:
        type: BottomupResize
        input_size: [512, 512]
        resize_mode: expand
        size_factor: 64
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        size_factor: int = 32,
        resize_mode: str = "fit",
        pad_val: Sequence[float] = (0, 0, 0),
        use_udp: bool = False,
    ) -> None:
        if len(input_size) != 2 or min(input_size) < 1:
            raise ConfigError(f"input_size is width and height in pixels, got {input_size}")
        self.input_size = (int(input_size[0]), int(input_size[1]))
        self.size_factor = size_factor
        self.resize_mode = resize_mode
        self.pad_val = tuple(pad_val)
        self.use_udp = use_udp
        # Wrong sizes and modes are said here, not at the first image.
        bottomup_resize_geometry((1, 1), self.input_size, resize_mode, size_factor, use_udp)

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Replace `image`, move the annotations, fill `transform`.

        Raises:
            DataError: if the image is not loaded.
        """
        if sample.image is None or sample.image.ndim != 3:
            raise DataError(f"sample {sample.id}: its image is not loaded; LoadImage comes first")
        H, W = sample.image.shape[:2]
        matrix, size, center, scale = bottomup_resize_geometry(
            (W, H), self.input_size, self.resize_mode, self.size_factor, self.use_udp
        )
        warp_pixels(sample, matrix, size, self.pad_val)
        # With UDP the box's way back would be off by the padding.
        record_transform(sample, matrix, center, scale, size, upright=not self.use_udp)
        move_annotations(sample, matrix, size)
        return sample
