"""What an image file is: its size, a digest of its pixels and a small picture to compare by.

Every file is decoded once, in processes of their own where there are many.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from raypose.errors import DataError
from raypose.ops.image_files import read_image

THUMBNAIL = 32
# Files that take less time to read here than processes take to start.
_WORTH_PROCESSES = 500
_CHUNK = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageFacts:
    """An image file that was read, or why it was not.

    Attributes:
        path: of the file.
        problem: kind and text of what is wrong with it; the rest is then empty.
        size: (w, h) of the decoded image.
        digest: of size and pixels, the same for the same picture in another file.
        dhash: 64 bits that say where brightness grows from left to right.
        thumbnail: (32, 32) uint8 grey.
    """

    path: str
    problem: tuple[str, str] | None = None
    size: tuple[int, int] = (0, 0)
    digest: bytes = b""
    dhash: int = 0
    thumbnail: npt.NDArray[np.uint8] | None = None


def read_image_facts(path: str, color_type: str = "color") -> ImageFacts:
    """Read one image file; what is wrong with it is part of the answer."""
    if not os.path.isfile(path):
        return ImageFacts(path=path, problem=("missing-image", "no such file"))
    try:
        image = read_image(path, color_type)
    except DataError as error:
        reason = str(error).removeprefix(f"{path}: ")
        return ImageFacts(path=path, problem=("unreadable-image", reason))
    height, width = image.shape[:2]
    digest = hashlib.blake2b(f"{width}x{height}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return ImageFacts(
        path=path,
        size=(width, height),
        digest=digest.digest(),
        dhash=difference_hash(grey),
        thumbnail=cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA),  # type: ignore[arg-type]
    )


def difference_hash(grey: npt.NDArray[np.generic]) -> int:
    """Return 64 bits, one for each two neighbours of 9 x 8 cells: whether the right is brighter.

    They survive another size, quality and brightness (Krawetz, "Kind of Like That", 2013).
    """
    cells = cv2.resize(np.asarray(grey, np.uint8), (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.asarray(cells)[:, 1:] > np.asarray(cells)[:, :-1]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def read_all_image_facts(
    files: Sequence[tuple[str, str]],
    num_workers: int,
    show: Callable[[str], None] | None = None,
) -> list[ImageFacts]:
    """Read many image files.

    Args:
        files: path and color type of each.
        num_workers: processes; 0 or 1 reads in this one, as few files are read in any case.
        show: told how far it is.
    """
    paths = [path for path, _ in files]
    color_types = [color_type for _, color_type in files]
    if num_workers < 2 or len(files) < _WORTH_PROCESSES:
        return _told(map(read_image_facts, paths, color_types), len(files), show)
    with ProcessPoolExecutor(
        max_workers=num_workers,
        # Forked children of a process that has used threads can hang in cv2.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=cv2.setNumThreads,
        initargs=(1,),
    ) as pool:
        answers = pool.map(read_image_facts, paths, color_types, chunksize=_CHUNK)
        return _told(answers, len(files), show)


def _told(
    answers: Iterable[ImageFacts], total: int, show: Callable[[str], None] | None
) -> list[ImageFacts]:
    facts = []
    for answer in answers:
        facts.append(answer)
        if show is not None and len(facts) % 1000 == 0:
            show(f"{len(facts)} of {total} images read")
    return facts
