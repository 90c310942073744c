"""`Answers`: finished annotations, as every sink reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from raypose.converters.pictures import picture_of_frame
from raypose.errors import RayposeError
from raypose.inference.annotation.parts import Place, read_annotations
from raypose.inference.annotation.table import Row
from raypose.structures import Skeleton

Reader = Callable[[], Iterable[Row]]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Annotations that can be gone through any number of times, in the order of the input.

    Attributes:
        read: yields the rows from the first on.
        skeleton: of the poses.
        category: what an instance is called where the rows do not say.
        score_thr: keypoints of a lower score are marked as not seen; they stay where they are, for
            a person to correct.
    """

    read: Reader
    skeleton: Skeleton
    category: str = "person"
    score_thr: float = field(default=0.3)

    @classmethod
    def of(cls, folder: Place, skeleton: Skeleton) -> Answers:
        """Return the annotations in a folder."""
        return cls(read=lambda: read_annotations(folder), skeleton=skeleton)

    def readable(self) -> Iterator[Row]:
        """Yield the rows of images that could be read.

        Raises:
            RayposeError: if poses are not of the skeleton.
        """
        for row in self.read():
            if row["error"] is None:
                self._check(row)
                yield row

    def by_source(self) -> Iterator[tuple[str, Iterator[Row]]]:
        """Yield each image or video with its rows, those that could not be read among them."""
        yield from groupby(self.read(), key=lambda row: row["source"])

    def categories(self) -> list[str]:
        """Return the names of what was found, in the order of the alphabet."""
        names = {
            instance["category"] or self.category
            for row in self.read()
            for instance in row["instances"]
        }
        return sorted(names) or [self.category]

    def _check(self, row: Row) -> None:
        for instance in row["instances"]:
            count = len(instance["keypoints"])
            if count != self.skeleton.num_keypoints:
                raise RayposeError(
                    f"{row['source']}: poses of {count} keypoints, but the skeleton "
                    f"{self.skeleton.name!r} has {self.skeleton.num_keypoints}"
                )


def is_frame(row: Row) -> bool:
    """Return whether a row is a frame of a video."""
    return row["time"] is not None


def frame_name(row: Row) -> str:
    """Return what the picture of a row is called; frames of a video are numbered files below it."""
    return picture_of_frame(row["source"], row["frame"]) if is_frame(row) else row["source"]
