"""Which pictures a model is trained on and which it is measured on."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from raypose.converters.labels import LabelledImage, LabelSet
from raypose.errors import RayposeError

SplitBy = Literal["picture", "video"]

DEFAULT_FRACTION = 0.2
"""Share of `val` where neither the source nor the user says."""


def choose_validation(
    count: int, fraction: float, seed: int
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return (count,) which items are for validation, at random.

    Args:
        count: number of items.
        fraction: share, from 0 to less than 1; above 0 it is one item at least and never all.
        seed: the same one chooses the same.

    Raises:
        RayposeError: if the fraction is out of range.
    """
    if not 0 <= fraction < 1:
        raise RayposeError(f"--val is a share from 0 to less than 1, such as 0.2, got {fraction:g}")
    number = min(max(round(count * fraction), 1), max(count - 1, 0)) if fraction else 0
    chosen = np.zeros(count, np.bool_)
    chosen[np.random.default_rng(seed).permutation(count)[:number]] = True
    return chosen


def split_labels(
    labels: LabelSet, fraction: float | None = None, seed: int = 0, by: SplitBy = "picture"
) -> LabelSet:
    """Return labels whose every image is in a split.

    Views of one moment go the same way.

    Args:
        labels: with or without splits.
        fraction: share of `val`; None keeps the splits of the source and, if it has none, takes
            `DEFAULT_FRACTION`.
        seed: of the choice.
        by: what is chosen at random: a picture, or a video with all its frames, which tells how
            well a model does on recordings that it has not seen.

    Raises:
        RayposeError: if the fraction is out of range, or nothing can be split by video.
    """
    if fraction is None and any(image.split is not None for image in labels.images):
        images = [replace(image, split=image.split or "train") for image in labels.images]
        return replace(labels, images=images)
    keys = [_video(image) if by == "video" else _moment(image) for image in labels.images]
    members = list(dict.fromkeys(keys))
    share = DEFAULT_FRACTION if fraction is None else fraction
    if by == "video" and share and len(members) < 2:
        raise RayposeError(f"there is one video only, so nothing can be split by video: {members}")
    chosen = choose_validation(len(members), share, seed)
    split = dict(zip(members, np.where(chosen, "val", "train").tolist(), strict=True))
    images = [
        replace(image, split=split[key]) for image, key in zip(labels.images, keys, strict=True)
    ]
    return replace(labels, images=images)


def _moment(image: LabelledImage) -> str:
    return image.moment or image.name


def _video(image: LabelledImage) -> str:
    """Return the video of a frame; its folder where the source does not say."""
    return image.video or image.name.rpartition("/")[0]
