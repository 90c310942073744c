"""Steady skeletons: filters over the tracked frames of a video, live or with a delay."""

from raypose.inference.smoothing.base import PoseFilter
from raypose.inference.smoothing.gap_filler import GapFiller
from raypose.inference.smoothing.one_euro import OneEuroFilter
from raypose.inference.smoothing.savitzky_golay import SavitzkyGolayFilter

__all__ = ["GapFiller", "OneEuroFilter", "PoseFilter", "SavitzkyGolayFilter"]
