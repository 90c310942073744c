"""`PoseFilter`: what every filter over the frames of a video is."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from raypose.errors import RayposeError
from raypose.structures import Poses


class PoseFilter(ABC):
    """A filter over a stream of tracked frames.

    Every frame that is pushed comes out once, in order, some frames later. Instances without an
    identity (`track_ids` of -1) come out as they went in. How much a filter remembers depends on
    its window and on who was seen lately, not on the length of the stream.
    """

    def __init__(self) -> None:
        self._time: float | None = None

    @abstractmethod
    def push(self, poses: Poses, time: float) -> list[Poses]:
        """Take the next frame.

        Args:
            poses: N instances with `track_ids`, also none.
            time: seconds, from any start; later than the frame before.

        Returns:
            The frames that are finished, in order: none yet, one, or several.

        Raises:
            RayposeError: if there are no identities, one is there twice, or time stands still.
        """

    @abstractmethod
    def flush(self) -> list[Poses]:
        """Return the rest at the end of the stream; the filter is as new afterwards."""

    def _check(self, poses: Poses, time: float) -> npt.NDArray[np.int64]:
        """Return the identities (N,) of a frame that can be next."""
        name = type(self).__name__
        ids = poses.track_ids
        if ids is None:
            raise RayposeError(f"{name}: the poses have no track_ids; a Tracker gives them")
        named = np.sort(ids[ids >= 0])
        if (named[1:] == named[:-1]).any():
            twice = named[:-1][named[1:] == named[:-1]][0]
            raise RayposeError(f"{name}: identity {twice} is in one frame twice")
        if self._time is not None and not time > self._time:
            raise RayposeError(
                f"{name}: frames come in order of time, got {time} s after {self._time} s"
            )
        self._time = time
        return ids
