"""What passes between the deployments, by value: encoded images, boxes and poses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.models.detectors import Detections
from raypose.structures import Poses

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is wrong with one request, so that the others of its batch get their answers.

    Attributes:
        status: of HTTP.
        reason: for the one who asked.
    """

    status: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class PoseQuery:
    """An image and whose poses are wanted.

    Attributes:
        image: encoded.
        model: name of the pose model.
        found: boxes to look in, None for the whole image or for the detector to say.
    """

    image: bytes
    model: str
    found: Detections | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """The poses of an image.

    Attributes:
        poses: in image space.
        size: (w, h) of the image.
        timings: milliseconds of each stage, waiting for its turn included.
    """

    poses: Poses
    size: tuple[int, int]
    timings: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What is served, for whoever has no model at hand.

    Attributes:
        models: for each pose model by name its `skeleton` as a plain mapping (empty if the model
            does not know it) and `whole_image`, whether it finds the people itself.
        detector: whether there is one.
        lifter: None, or `skeleton`, `unit`, and `num_frames`, `target` and `step` of its windows.
        topology: chain or fused.
    """

    models: dict[str, dict[str, Any]]
    detector: bool
    lifter: dict[str, Any] | None
    topology: str

    @property
    def default(self) -> str:
        """Return the name of the model for those who do not ask for one."""
        return next(iter(self.models))

    def to_answer(self) -> dict[str, Any]:
        """Return it as `GET /v1/models` tells it."""
        return {
            "models": [{"name": name, **about} for name, about in self.models.items()],
            "default": self.default,
            "detector": self.detector,
            "lifter": self.lifter,
            "topology": self.topology,
        }
