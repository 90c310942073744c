"""Identities in video: who of this frame is who of the frames before."""

from raypose.inference.tracking.extent import box_areas, boxes_of, known_keypoints
from raypose.inference.tracking.tracker import Tracker

__all__ = ["Tracker", "box_areas", "boxes_of", "known_keypoints"]
