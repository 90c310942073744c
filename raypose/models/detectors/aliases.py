"""Short names of detectors: those that MMPose's inferencers and MMDetection use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from raypose.models.detectors.class_names import Classes


class DetectorAlias(NamedTuple):
    """What a short name means.

    Attributes:
        config: name of the config.
        classes: which classes it finds; None for what the config says.
    """

    config: str
    classes: Classes | None = None


_PERSON = DetectorAlias("detectors/rtmdet_m_640-8xb32_coco-person")
_RTMDET = "detectors/rtmdet_m_8xb32-300e_coco"
_YOLOX = "detectors/yolox_s_8xb8-300e_coco"

DETECTOR_ALIASES: Mapping[str, DetectorAlias] = {
    "human": _PERSON,
    "body": _PERSON,
    "wholebody": _PERSON,
    "person": _PERSON,
    "face": DetectorAlias("detectors/yolox-s_8xb8-300e_coco-face"),
    "hand": DetectorAlias("detectors/rtmdet_nano_320-8xb32_hand"),
    "animal": DetectorAlias(_RTMDET, ("animal",)),
    "rtmdet": DetectorAlias(_RTMDET),
    "rtmdet-m": DetectorAlias(_RTMDET),
    "rtmdet-nano": DetectorAlias("detectors/rtmdet_nano_320-8xb32_coco-person"),
    "yolox": DetectorAlias(_YOLOX),
    "yolox-s": DetectorAlias(_YOLOX),
}
