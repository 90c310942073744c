"""`LabelSet`: labelled pictures in memory, what every reader returns and every writer takes.

K keypoints of one skeleton. Keypoints are in pixels of their picture, x to the right and y down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from raypose.converters.pictures import Picture
from raypose.errors import DataError, did_you_mean
from raypose.structures import Skeleton

Box = tuple[float, float, float, float]

# Of the box round keypoints, on each side: share of its longer side, and of the picture's shorter.
_MARGIN = 0.3
_LEAST_MARGIN = 0.02


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Instance:
    """One labelled animal, person or thing.

    Attributes:
        keypoints: (K, 2) float64; NaN where not labelled.
        visibility: (K,) int64: 0 not labelled, 1 hidden, 2 visible.
        category: what it is called.
        bbox: xyxy, None where nobody drew one.
        track: who it is, where pictures show the same ones again.
    """

    keypoints: npt.NDArray[np.float64]
    visibility: npt.NDArray[np.int64]
    category: str
    bbox: Box | None = None
    track: str | None = None

    @classmethod
    def of(
        cls,
        points: npt.ArrayLike,
        category: str,
        visibility: npt.ArrayLike | None = None,
        bbox: Sequence[float] | None = None,
        track: str | None = None,
    ) -> Instance:
        """Make an instance whose places and visibility agree.

        Args:
            points: (K, 2); NaN where not labelled.
            category: what it is called.
            visibility: (K,), visible where there is a place by default.
            bbox: xyxy.
            track: who it is.
        """
        keypoints = np.array(points, np.float64).reshape(-1, 2)
        missing = ~np.isfinite(keypoints).all(axis=1)
        seen = np.full(len(keypoints), 2) if visibility is None else np.array(visibility)
        seen = np.where(missing, 0, seen).astype(np.int64)
        keypoints[seen == 0] = np.nan
        box = None
        if bbox is not None:
            left, top, right, bottom = map(float, bbox)
            box = (left, top, right, bottom)
        return cls(keypoints=keypoints, visibility=seen, category=category, bbox=box, track=track)

    @property
    def is_labelled(self) -> bool:
        """Return whether any keypoint is."""
        return bool((self.visibility > 0).any())

    def box(self, size: tuple[int, int]) -> Box:
        """Return the box xyxy in a picture of size (w, h): its own, or one round its keypoints.

        That has a margin of 30 % of its longer side, so that the body and not only its joints is
        inside, and ends at the borders of the picture.

        Raises:
            DataError: if it has neither a box nor a keypoint.
        """
        if self.bbox is not None:
            return self.bbox
        if not self.is_labelled:
            raise DataError("an instance without a box and without a labelled keypoint")
        low, high = np.nanmin(self.keypoints, axis=0), np.nanmax(self.keypoints, axis=0)
        margin = max(_MARGIN * (high - low).max(), _LEAST_MARGIN * min(size))
        left, top = np.clip(low - margin, 0, size)
        right, bottom = np.clip(high + margin, 0, size)
        return float(left), float(top), float(right), float(bottom)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledImage:
    """A picture and who is in it.

    Attributes:
        name: unique relative path with forward slashes, what a copy is called.
        picture: its pixels.
        instances: who is in it; none is a picture known to show nobody.
        split: `train`, `val`, ..., None where the source does not say.
        video: what it is a frame of.
        frame: number of the frame in the video.
        view: the camera, in recordings with several.
        moment: what the views of one instant share.
    """

    name: str
    picture: Picture
    instances: list[Instance]
    split: str | None = None
    video: str | None = None
    frame: int | None = None
    view: str | None = None
    moment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelSet:
    """A labelled data set.

    Attributes:
        skeleton: of all its instances.
        images: in the order of the source.
        is_unnamed: whether the source does not name its keypoints, so that they are numbered.
        notes: what a reader or writer has left out, for a person to know.
    """

    skeleton: Skeleton
    images: list[LabelledImage]
    is_unnamed: bool = False
    notes: list[str] = field(default_factory=list)

    def categories(self) -> list[str]:
        """Return what the instances are called, in the order of the alphabet."""
        names = {each.category for image in self.images for each in image.instances}
        return sorted(names) or [self.skeleton.name]

    def is_one_without_boxes(self) -> bool:
        """Return whether no picture shows more than one, and nobody drew boxes."""
        shown = [[each for each in image.instances if each.is_labelled] for image in self.images]
        boxes = (each.bbox for image in self.images for each in image.instances)
        return max(map(len, shown), default=0) <= 1 and all(box is None for box in boxes)

    def tracks(self) -> list[str]:
        """Return who there is, in the order of their first appearance."""
        names = (each.track for image in self.images for each in image.instances)
        return list(dict.fromkeys(name for name in names if name is not None))

    def splits(self) -> dict[str, list[LabelledImage]]:
        """Return the images of each split; those of none are in `train`."""
        found: dict[str, list[LabelledImage]] = {}
        for image in self.images:
            found.setdefault(image.split or "train", []).append(image)
        return found

    def with_skeleton(self, skeleton: Skeleton) -> LabelSet:
        """Return the same labels with the keypoints of another skeleton, matched by name.

        Keypoints that only the other skeleton has are not labelled. Where the source names none,
        the other skeleton does.

        Raises:
            DataError: if the other skeleton lacks a keypoint, or has not as many to name them.
        """
        if self.is_unnamed:
            count, wanted_count = self.skeleton.num_keypoints, skeleton.num_keypoints
            if count != wanted_count:
                raise DataError(
                    f"the labels have {count} keypoints without names, the skeleton "
                    f"{skeleton.name!r} has {wanted_count}"
                )
            return replace(self, skeleton=skeleton, is_unnamed=False)
        ours, wanted = self.skeleton.keypoint_names, skeleton.keypoint_names
        strange = [name for name in ours if name not in wanted]
        if strange:
            raise DataError(
                f"the skeleton {skeleton.name!r} has no keypoint {strange[0]!r} and the labels "
                f"have.{did_you_mean(strange[0], wanted)}"
            )
        place = [wanted.index(name) for name in ours]

        def moved(instance: Instance) -> Instance:
            keypoints = np.full((len(wanted), 2), np.nan)
            visibility = np.zeros(len(wanted), np.int64)
            keypoints[place], visibility[place] = instance.keypoints, instance.visibility
            return replace(instance, keypoints=keypoints, visibility=visibility)

        images = [
            replace(image, instances=[moved(each) for each in image.instances])
            for image in self.images
        ]
        return replace(self, skeleton=skeleton, images=images)


def numbered_names(count: int) -> list[str]:
    """Return the names of keypoints that a source does not name."""
    return [f"keypoint_{number}" for number in range(count)]


def check_names(images: Sequence[LabelledImage], source: object) -> None:
    """Check that no two pictures have the same name, and that names lead nowhere else.

    Raises:
        DataError: if two have, or one leads out of the folder that a copy is written to.
    """
    seen: set[str] = set()
    for image in images:
        if image.name in seen:
            raise DataError(f"{source}: the picture {image.name} is there twice")
        if image.name.startswith("/") or ".." in image.name.split("/"):
            raise DataError(f"{source}: the picture {image.name} leads out of its folder")
        seen.add(image.name)
