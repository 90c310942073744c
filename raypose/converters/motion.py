"""`MotionSet`: poses in space, what readers of motion capture return and `lifting` writes.

F frames of a take, K keypoints. Places are in metres.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from raypose.errors import DataError, did_you_mean
from raypose.structures import Skeleton

Floats = npt.NDArray[np.float64]
Axis = Literal["x", "y", "z"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Take:
    """A recording.

    Attributes:
        name: unique in its set.
        points: (F, K, 3) metres; NaN where not known.
        rate: frames a second, None where the source does not say.
        is_video: whether its frames follow on each other in time.
        views: by camera, keypoints (F, K, 2) in pixels as people have labelled them; without
            them they are where the cameras see the points.
    """

    name: str
    points: Floats
    rate: float | None = None
    is_video: bool = True
    views: dict[str, Floats] | None = None

    def at_rate(self, wanted: float) -> Take:
        """Return every n-th frame, for about as many a second as wanted."""
        step = max(round(self.rate / wanted), 1) if self.rate else 1
        views = None if self.views is None else {k: v[::step] for k, v in self.views.items()}
        rate = None if self.rate is None else self.rate / step
        return replace(self, points=self.points[::step], rate=rate, views=views)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionSet:
    """Recordings of one kind of body.

    Attributes:
        skeleton: of all takes.
        takes: the recordings.
        up: the axis of the world that points up.
        notes: what a reader has left out, for a person to know.
    """

    skeleton: Skeleton
    takes: list[Take]
    up: Axis = "z"
    notes: list[str] = field(default_factory=list)

    def with_skeleton(self, skeleton: Skeleton) -> MotionSet:
        """Return the keypoints that another skeleton has, by name and in its order.

        Raises:
            DataError: if there is no keypoint of one of its names.
        """
        ours = self.skeleton.keypoint_names
        strange = [name for name in skeleton.keypoint_names if name not in ours]
        if strange:
            raise DataError(
                f"the poses have no keypoint {strange[0]!r} of the skeleton {skeleton.name!r}."
                f"{did_you_mean(strange[0], ours)} They have {', '.join(ours)}"
            )
        place = [ours.index(name) for name in skeleton.keypoint_names]
        takes = [
            replace(
                take,
                points=take.points[:, place],
                views=None
                if take.views is None
                else {k: v[:, place] for k, v in take.views.items()},
            )
            for take in self.takes
        ]
        return replace(self, skeleton=skeleton, takes=takes)


UNITS = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "in": 0.0254}
"""Metres of a unit of length."""
