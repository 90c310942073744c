"""Lanes: an order of samples in which an image is decoded once for all its people.

A batch has B places. The samples of one image stand in the same place of batches that are a few
batches apart: one lane. Whoever loads a lane decodes the image when its first sample is due and
keeps the crops of the others until theirs is. A process of training owns places, a loader process
every n-th batch, so lanes stay whole for any number of the former and for 1, 2, 4 or 8 of the
latter; and a batch, or two that follow each other, never hold the same image twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]

# Batches from one sample of an image to the next, at most. Further apart, more crops wait; closer,
# fewer numbers of loader processes keep lanes whole.
_SPACING = 8
# A lane as short as this would cut too many images in two.
_DEPTH = 8
# Batches that crops wait at most for the next of their image.
_REACH = 4 * _SPACING
# Most crops that one decoded image is used for: those of a crowd would take too much memory.
_MOST = 8


def lay_in_lanes(
    positions: Indices, images: Indices, steps: int, batch_size: int, rng: np.random.Generator
) -> Indices:
    """Arrange the samples of an epoch.

    Args:
        positions: (S,) samples of the epoch in the dataset, in random order.
        images: for each sample of the dataset the number of its image.
        steps: batches of the epoch; with `batch_size` places they hold S or a few more samples,
            which then come from the beginning.
        batch_size: samples of a batch.
        rng: shuffles the images.

    Returns:
        (steps, batch_size) positions.
    """
    _, image = np.unique(images[positions], return_inverse=True)
    turn = rng.permutation(image.max() + 1)[image]
    sequence = np.resize(positions[np.argsort(turn, kind="stable")], steps * batch_size)
    spacing = _spacing(steps)
    batches = np.empty((steps, batch_size), np.int64)
    start = 0
    for first in range(spacing):
        rows = np.arange(first, steps, spacing)
        end = start + len(rows) * batch_size
        batches[rows] = sequence[start:end].reshape(batch_size, len(rows)).T
        start = end
    return batches


def companions(
    batches: Sequence[Indices], images: Indices, num_loaders: int, first: int = 0
) -> dict[tuple[int, int], tuple[int, ...]]:
    """Say which later samples to load together with a sample, since they are of its image.

    Args:
        batches: positions of the samples of each batch, for one process of training.
        images: for each sample of the dataset the number of its image.
        num_loaders: processes that load batches in turn.
        first: batches that they have loaded before these.

    Returns:
        (batch, place in it) -> positions that the same loader needs later; only of those that
        have some.
    """
    if not len(batches):
        return {}
    sizes = [len(batch) for batch in batches]
    flat = np.concatenate(batches)
    step = np.repeat(np.arange(len(sizes)), sizes)
    place = np.concatenate([np.arange(size) for size in sizes])
    image, loader = images[flat], (step + first) % num_loaders
    order = np.lexsort((place, step, loader, image))
    # What is in one lane is near; the rest of an image that a lane's end cuts off is far.
    joined = (
        (np.diff(image[order]) == 0)
        & (np.diff(loader[order]) == 0)
        & (np.diff(step[order]) <= _REACH)
    )
    ahead: dict[tuple[int, int], tuple[int, ...]] = {}
    for run in np.split(order, np.flatnonzero(~joined) + 1):
        for begin in range(0, len(run) - 1, _MOST):
            leader, *others = run[begin : begin + _MOST]
            ahead[int(step[leader]), int(place[leader])] = tuple(flat[others].tolist())
    return {key: others for key, others in ahead.items() if others}


def _spacing(steps: int) -> int:
    spacing = _SPACING
    while spacing > 1 and steps < spacing * _DEPTH:
        spacing //= 2
    return spacing
