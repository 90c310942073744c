"""The instances of a sample: some of them, or those of several samples together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from raypose.structures import PoseSample

# What a sample has of each instance, as attributes and in `meta`.
_FIELDS = (
    "bboxes",
    "bbox_scores",
    "bbox_center",
    "bbox_scale",
    "bbox_rotation",
    "keypoints",
    "keypoints_visible",
    "areas",
    "transformed_keypoints",
)
_META = ("id", "category_id", "iscrowd", "track_id", "keypoints_visible_weights")


def keep_instances(sample: PoseSample, keep: np.ndarray) -> None:
    """Leave out the instances where `keep`, (N,) bool, is false."""
    for name in _FIELDS:
        value = getattr(sample, name)
        if value is not None:
            setattr(sample, name, value[keep])
    for name in _META:
        if isinstance(sample.meta.get(name), np.ndarray):
            sample.meta[name] = sample.meta[name][keep]


def join_instances(parts: Sequence[PoseSample]) -> None:
    """Give the first sample the instances of all; what one of them lacks is dropped.

    Args:
        parts: samples whose annotations are in the same space.
    """
    first = parts[0]
    for name in _FIELDS:
        setattr(first, name, _joined([getattr(part, name) for part in parts]))
    for name in _META:
        if name in first.meta:
            joined = _joined([part.meta.get(name) for part in parts])
            if joined is None:
                del first.meta[name]
            else:
                first.meta[name] = joined


def _joined(values: Sequence[Any]) -> np.ndarray | None:
    if not all(isinstance(value, np.ndarray) for value in values):
        return None
    return np.concatenate(values)
