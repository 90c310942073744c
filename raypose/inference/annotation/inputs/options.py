"""`InputOptions`: how the input of an annotation is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from raypose.errors import DataError
from raypose.inference.annotation.inputs.frame_range import FrameRange


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """How the input of an annotation is read.

    Attributes:
        every: of a video, every n-th frame.
        frames: of a video, the part that is wanted.
        image_column: of a Parquet file, the column with the bytes of images; None for the only
            one that holds bytes.
        id_column: of a Parquet file, the column with the names of images; None for the first of
            `source`, `path`, `file_name`, `id` and `key` there is.
        images: folder of the pictures that a list or COCO json names; None for that of the list.
        use_boxes: whether boxes that a list, COCO json or Parquet file has are used.

    Raises:
        DataError: if `every` is not above 0.
    """

    every: int = 1
    frames: FrameRange = field(default_factory=FrameRange)
    image_column: str | None = None
    id_column: str | None = None
    images: str | None = None
    use_boxes: bool = True

    def __post_init__(self) -> None:
        if self.every < 1:
            raise DataError(f"every n-th frame: n is above 0, got {self.every}")
