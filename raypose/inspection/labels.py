"""`Labels`: the images and instances of one annotation file, as it has them.

M instances, K keypoints. Nothing is clipped or left out as a dataset would do for training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raypose.inspection.finding import Finding
from raypose.structures import Skeleton

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImage:
    """An image that labels are about.

    Attributes:
        id: in its file.
        path: of the image file.
        size: (w, h) as the annotations say, None where they do not.
    """

    id: str
    path: str
    size: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels:
    """What an annotation file says.

    Attributes:
        split: `train`, `val` or a part of them, `train.datasets.0`.
        file: the annotation file.
        skeleton: what the K keypoints are.
        images: with and without instances.
        image_index: (M,) position in `images`.
        ids: M ids of the annotations.
        category_ids: (M,) int64, 0 where unknown.
        boxes: (M, 4) xyxy pixels, NaN where there is none.
        areas: (M,) square pixels, NaN where the file does not say.
        keypoints: (M, K, 2) pixels.
        visibility: (M, K), above 0 where labelled.
        crowd: (M,) instances that stand for many.
        stated_counts: (M,) labelled keypoints as the file says, -1 where it does not.
        whole_boxes: whether boxes are meant to end at the borders of the image; those that are
            made from a center and a scale are not.
        color_type: how images are decoded, see `raypose.ops.image_files`.
    """

    split: str
    file: str
    skeleton: Skeleton
    images: list[LabelledImage]
    image_index: npt.NDArray[np.int64]
    ids: list[str]
    category_ids: npt.NDArray[np.int64]
    boxes: Floats
    areas: Floats
    keypoints: Floats
    visibility: Floats
    crowd: npt.NDArray[np.bool_]
    stated_counts: npt.NDArray[np.int64]
    whole_boxes: bool = True
    color_type: str = "color"

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """Return (M, K): where a keypoint is labelled."""
        return self.visibility > 0

    def image_sizes(self) -> Floats:
        """Return (M, 2), (w, h) of the image of each instance, NaN where the file is silent."""
        known = [(np.nan, np.nan) if i.size is None else i.size for i in self.images]
        return np.array(known, np.float64).reshape(-1, 2)[self.image_index]

    def box_sizes(self) -> Floats:
        """Return (M, 2), width and height of the boxes."""
        return self.boxes[:, 2:] - self.boxes[:, :2]

    def finding(self, kind: str, row: int, message: str) -> Finding:
        """Return a finding about an instance."""
        image = self.images[self.image_index[row]]
        return Finding(
            kind=kind,
            file=self.file,
            id=f"annotation {self.ids[row]}",
            message=f"{image.path}: {message}",
        )
