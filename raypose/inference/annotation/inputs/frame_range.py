"""`FrameRange`: the part of a video that is wanted, in frames or seconds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from raypose.errors import DataError

_NUMBER = r"(\d+(?:\.\d+)?)?(s?)"
_RANGE = re.compile(rf"{_NUMBER}:{_NUMBER}")


@dataclass(frozen=True)
class FrameRange:
    """Frames from `start` up to, not including, `stop`.

    Attributes:
        start: first frame, or second.
        stop: frame or second before which it ends; None for the end of the video.
        in_seconds: whether these are seconds.
    """

    start: float = 0
    stop: float | None = None
    in_seconds: bool = False

    @classmethod
    def parse(cls, text: str) -> FrameRange:
        """Read `100:500`, `100:`, `:500`, or `10s:25.5s` in seconds.

        Raises:
            DataError: if this is none.
        """
        found = _RANGE.fullmatch(text.strip())
        if found is None:
            raise DataError(
                f"frames {text!r}: a range such as 100:500, 100: or 10s:25.5s is expected"
            )
        start, start_unit, stop, stop_unit = found.groups()
        units = {u for value, u in ((start, start_unit), (stop, stop_unit)) if value is not None}
        if len(units) > 1:
            raise DataError(f"frames {text!r}: both ends in frames, or both in seconds as 10s:25s")
        in_seconds = units == {"s"}
        ends = [None if value is None else float(value) for value in (start, stop)]
        if not in_seconds and any(end is not None and not end.is_integer() for end in ends):
            raise DataError(f"frames {text!r}: frames are whole numbers; seconds are 10.5s:25s")
        if ends[1] is not None and ends[1] <= (ends[0] or 0):
            raise DataError(f"frames {text!r}: the end lies before the start")
        return cls(ends[0] or 0, ends[1], in_seconds)

    def __str__(self) -> str:
        unit = "s" if self.in_seconds else ""
        ends = ["" if end is None else f"{end:g}{unit}" for end in (self.start, self.stop)]
        return ":".join(ends)

    def of(self, count: int, rate: float) -> tuple[int, int]:
        """Return first frame and the one after the last.

        Args:
            count: frames of the video.
            rate: of the video, frames a second.
        """
        scale = rate if self.in_seconds else 1.0
        # The frame at a second that a rate such as 29.97 misses by rounding belongs to it.
        start = math.ceil(self.start * scale - 1e-6)
        stop = count if self.stop is None else math.ceil(self.stop * scale - 1e-6)
        return min(start, count), min(stop, count)
