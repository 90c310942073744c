"""Limbs that are too long to be: a keypoint of them is in the wrong place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raypose.inspection.finding import Finding
from raypose.inspection.pose_table import MANY, PoseTable, distances, upper_fence

# Ranges between the quartiles above the third one, and the least factor over what is usual.
_REACH = 4.0
_FACTOR = 2.0
_LEAST_LIMBS = 3


def check_limb_lengths(table: PoseTable) -> Iterator[Finding]:
    """Yield poses with a limb that is far longer than in all others.

    Lengths are counted in the usual length of that limb (its median share of the extent of a
    pose), and then in the size of the body, the median over the limbs of a pose, which one
    misplaced keypoint does not change. Seen from the front a limb may be short, but never long.
    """
    links = sorted({tuple(sorted(link)) for link in table.skeleton.links})
    if len(table.rows) < MANY or len(links) < _LEAST_LIMBS:
        return
    lengths = np.stack([distances(table.keypoints, *link) for link in links], axis=1)
    known = np.isfinite(lengths)
    measured = known.sum(axis=0) >= MANY
    lengths, links = (
        lengths[:, measured],
        [k for k, use in zip(links, measured, strict=True) if use],
    )
    enough = np.isfinite(lengths).sum(axis=1) >= _LEAST_LIMBS
    if not enough.any():
        return
    usual = np.nanmedian(lengths[enough] / table.sizes[enough, None], axis=0)
    ratios = lengths / np.where(usual > 0, usual, np.nan)
    body = np.full(len(lengths), np.nan)
    body[enough] = np.nanmedian(ratios[enough], axis=1)
    ratios = ratios / np.where(body > 0, body, np.nan)[:, None]
    fences = [max(upper_fence(column, _REACH), _FACTOR) for column in ratios.T]
    excess = np.nan_to_num(ratios / fences)
    for pose in np.flatnonzero(excess.max(axis=1, initial=0) > 1):
        limb = int(excess[pose].argmax())
        first, second = (table.skeleton.keypoint_names[end] for end in links[limb])
        message = (
            f"{first} to {second} is {ratios[pose, limb]:.1f} times as long as the other limbs "
            f"of this pose suggest; elsewhere it is at most {fences[limb]:.1f} times"
        )
        yield table.finding("limb-length", int(pose), message)
