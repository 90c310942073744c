"""`BaseDataset`: an annotation file as a sequence of `PoseSample` records."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np

from raypose.errors import DataError, RayposeError
from raypose.structures import PoseSample, Skeleton

MAX_PROBLEMS = 20


class BaseDataset(Sequence[PoseSample], ABC):
    """What every dataset is: its length, its samples by index and its skeleton.

    A subclass reads its annotation file in the constructor into arrays, says how many samples
    they hold by `select_samples`, and makes one of them in `make_sample` when it is asked for.
    Images are left to the transforms.

    Attributes:
        skeleton: what the keypoints are.
        ann_file: path of the annotation file, joined to `data_root`.
        data_root: folder that relative paths start from.
        test_mode: whether samples are for evaluation.
    """

    skeleton: Skeleton

    def __init__(self, ann_file: str, data_root: str | None, test_mode: bool) -> None:
        self.data_root = data_root or ""
        self.ann_file = self.resolve(ann_file)
        self.test_mode = test_mode
        self._positions = np.zeros(0, np.int64)

    @abstractmethod
    def make_sample(self, position: int) -> PoseSample:
        """Make the sample at a position of the annotation file, without its index and skeleton."""

    def image_numbers(self) -> np.ndarray | None:
        """Return for each sample the number of its image, or None if each has one of its own.

        Training then decodes an image once for all samples of it.
        """
        return None

    def resolve(self, path: str) -> str:
        """Join a relative path to `data_root`."""
        return os.path.join(self.data_root, path)

    def select_samples(self, positions: np.ndarray, indices: int | Sequence[int] | None) -> None:
        """Choose what the dataset consists of.

        Args:
            positions: positions of the annotation file, in the order of the dataset.
            indices: take only the first so many of them, or only these.

        Raises:
            RayposeError: if an index is out of range.
        """
        if isinstance(indices, int):
            positions = positions[:indices]
        elif indices is not None:
            wrong = [i for i in indices if not -len(positions) <= i < len(positions)]
            if wrong:
                raise RayposeError(
                    f"indices: {wrong[0]} is out of range, {self.ann_file} has "
                    f"{len(positions)} samples"
                )
            positions = positions[np.asarray(indices, np.int64)]
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> PoseSample: ...

    @overload
    def __getitem__(self, index: slice) -> list[PoseSample]: ...

    def __getitem__(self, index: int | slice) -> PoseSample | list[PoseSample]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        sample = self.make_sample(int(self._positions[index]))
        sample.index = index
        sample.flip_indices = self.skeleton.flip_indices
        sample.upper_body_ids = self.skeleton.upper_body_ids
        sample.lower_body_ids = self.skeleton.lower_body_ids
        return sample

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.ann_file!r}, {len(self)} samples, "
            f"{self.skeleton.num_keypoints} keypoints)"
        )


def check_problems(path: str, problems: Sequence[str]) -> None:
    """Report everything that is wrong with a file at once.

    Raises:
        DataError: if there are problems; a long list is cut.
    """
    if not problems:
        return
    lines = [f"{path}: {problem}" for problem in problems[:MAX_PROBLEMS]]
    if len(problems) > MAX_PROBLEMS:
        lines.append(f"{path}: and {len(problems) - MAX_PROBLEMS} more")
    raise DataError("\n".join(lines))


def skeleton_or(
    given: str | Mapping[str, Any] | Skeleton | None, default: str | Mapping[str, Any]
) -> Skeleton:
    """Return the skeleton given, or the default one."""
    return Skeleton.load(default if given is None else given)
