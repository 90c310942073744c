"""`Frame`: one picture and where it is from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One picture and where it is from.

    Attributes:
        source: path of the image or video, name of the camera; empty for arrays.
        index: number of the frame in the video or among the arrays; 0 for an image file. A camera
            counts those too that were skipped.
        time: seconds since the start of the video; None for pictures.
        image: (H, W, 3) uint8 BGR, None if it could not be read.
        error: why it could not be read.
    """

    source: str
    index: int = 0
    time: float | None = None
    image: Image | None = None
    error: str | None = None
