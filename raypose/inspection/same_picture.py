"""Pictures that are in the data twice: pixel by pixel, or saved anew in another size or quality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from raypose.inspection.finding import Finding
from raypose.inspection.image_facts import ImageFacts
from raypose.inspection.labels import LabelledImage, Labels

Place = tuple[Labels, LabelledImage]

# Of the 64 bits of a hash; up to 3 leave one of its four parts of 16 bits as it is.
_BITS = 3
# Grey levels of thumbnails, the most at any cell; a small animal that moved changes more.
_GREY = 10
_MEAN_GREY = 2.0
# Neighbours that a picture is compared with: frames of a camera that stands still are so alike
# that a few of them join all, where all pairs would take hours.
_MOST_NEIGHBOURS = 30
_BATCH = 4096
_SHOWN = 5


def check_same_pictures(
    all_labels: Sequence[Labels], facts: Mapping[str, ImageFacts]
) -> Iterator[Finding]:
    """Yield groups of images that show the same, each once.

    The same pixels in two splits are an error: a model is measured on what it was trained on.
    Where a camera stands still, neighbouring frames in which nothing moves count as nearly the
    same.

    Args:
        all_labels: of all splits.
        facts: what is known of each image file by its path.
    """
    places: list[Place] = [
        (labels, image)
        for labels in all_labels
        for image in labels.images
        if facts[image.path].problem is None
    ]
    digests: dict[bytes, list[Place]] = {}
    for labels, image in places:
        digests.setdefault(facts[image.path].digest, []).append((labels, image))
    for group in digests.values():
        if _is_of_two_splits(group):
            yield _finding("split-overlap", group, "the same pixels")
        elif len(group) > 1 and not _is_shared(group):
            yield _finding("same-picture", group, "the same pixels")
    # One of each picture is enough to compare with the others.
    different = [group[0] for group in digests.values()]
    pictures = [facts[image.path] for _, image in different]
    for members in _similar(pictures):
        group = [different[index] for index in members]
        kind = "split-similar" if _is_of_two_splits(group) else "similar-picture"
        yield _finding(kind, group, "nearly the same picture")


def _is_of_two_splits(group: Sequence[Place]) -> bool:
    return len({labels.split.split(".")[0] for labels, _ in group}) > 1


def _is_shared(group: Sequence[Place]) -> bool:
    """Whether several parts of a split use the same image file, each once, as they may."""
    parts = {labels.split for labels, _ in group}
    return len(parts) == len(group) and len({image.path for _, image in group}) == 1


def _finding(kind: str, group: Sequence[Place], what: str) -> Finding:
    (_, first), *others = group
    named = [f"{image.path} ({labels.split}, image {image.id})" for labels, image in others]
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    message = f"{what} as {', '.join(named[:_SHOWN])}{more}"
    return Finding(kind=kind, file=first.path, id=f"image {first.id}", message=message)


def _similar(pictures: Sequence[ImageFacts]) -> Iterator[list[int]]:
    """Yield groups of pictures that are nearly the same, by position."""
    if not pictures:
        return
    hashes = np.array([picture.dhash for picture in pictures], np.uint64)
    thumbnails = np.stack([p.thumbnail for p in pictures if p.thumbnail is not None])
    brightness = thumbnails.mean(axis=(1, 2))
    firsts, seconds = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for part in range(4):
        key = (hashes >> np.uint64(16 * part)) & np.uint64(0xFFFF)
        order = np.lexsort((brightness, key))
        for i, j in _neighbours(key[order], brightness[order]):
            one, other = order[i], order[j]
            near = _bit_count(hashes[one] ^ hashes[other]) <= _BITS
            one, other = one[near], other[near]
            same = _look_same(thumbnails, one, other)
            firsts.append(one[same])
            seconds.append(other[same])
    rows, columns = np.concatenate(firsts), np.concatenate(seconds)
    size = (len(pictures), len(pictures))
    graph = coo_matrix((np.ones(len(rows), np.bool_), (rows, columns)), shape=size)
    _, names = connected_components(graph, directed=False)
    order = np.argsort(names, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(names[order])) + 1):
        if len(members) > 1:
            yield members.tolist()


def _neighbours(
    key: npt.NDArray[np.uint64], brightness: npt.NDArray[np.float64]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield pairs of the same key and about the same brightness, sorted by both, in batches.

    A batch is every position with the one `step` behind it, so memory stays that of the list.
    """
    positions = np.arange(len(key))
    for step in range(1, _MOST_NEIGHBOURS + 1):
        positions = positions[positions + step < len(key)]
        behind = positions + step
        # Sorted: what is too far away now stays so.
        positions = positions[
            (key[positions] == key[behind])
            & (brightness[behind] - brightness[positions] <= _MEAN_GREY)
        ]
        if len(positions):
            yield positions, positions + step


def _look_same(
    thumbnails: npt.NDArray[np.uint8], one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return for each pair of pictures whether no cell of them differs much."""
    same = [np.zeros(0, np.bool_)]
    for start in range(0, len(one), _BATCH):
        part = slice(start, start + _BATCH)
        gaps = np.abs(thumbnails[one[part]].astype(np.int16) - thumbnails[other[part]])
        same.append(gaps.max(axis=(1, 2)) <= _GREY)
    return np.concatenate(same)


def _bit_count(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return the number of ones in each 64-bit word."""
    bits = np.unpackbits(words.view(np.uint8).reshape(-1, 8), axis=1)
    return bits.sum(axis=1, dtype=np.int64)
