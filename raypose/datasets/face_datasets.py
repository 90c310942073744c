"""Data sets of faces whose boxes are not where COCO has them."""

from __future__ import annotations

from typing import Any, ClassVar

from raypose.datasets.base_dataset import check_problems
from raypose.datasets.coco_dataset import CocoDataset
from raypose.datasets.rearranging import Annotation, box_around, part_of_person, rearranged
from raypose.registry import DATASETS

# Scales of the files are extents in units of so many pixels.
_PIXELS = 200.0


class CenteredFaceDataset(CocoDataset):
    """COCO files whose faces have a `center` and a `scale`, the extent of a square box / 200 px.

    The boxes made of them stay whole where they reach beyond the image.
    """

    clip_boxes: ClassVar[bool] = False

    def arrange(self, content: Any) -> Any:
        """Make boxes of centers and scales.

        Raises:
            DataError: for scales that are no numbers.
        """
        problems: list[str] = []

        def convert(entry: Annotation) -> list[Annotation]:
            if "center" not in entry or "scale" not in entry:
                return [entry]
            scale = entry["scale"]
            if not isinstance(scale, (int, float)):
                problems.append(f"annotation {entry.get('id')}: 'scale' is a number, got {scale!r}")
                return []
            return [{**entry, "bbox": box_around(entry["center"], scale * _PIXELS)}]

        found = rearranged(content, convert)
        check_problems(self.ann_file, problems)
        return found


@DATASETS.register_module()
class WFLWDataset(CenteredFaceDataset):
    """WFLW: 98 points of faces.

    Args:
        See `CocoDataset`. The skeleton is `wflw` by default.

    Example:
        type: WFLWDataset
        ann_file: annotations/face_landmarks_wflw_train.json
        data_root: data/wflw
        data_prefix: {img: images/}
    """

    default_skeleton: ClassVar[str | None] = "wflw"


@DATASETS.register_module()
class Face300WDataset(CenteredFaceDataset):
    """300W: 68 points of faces.

    Args:
        See `CocoDataset`. The skeleton is `300w` by default.

    Example:
        type: Face300WDataset
        ann_file: annotations/face_landmarks_300w_train.json
        data_root: data/300w
        data_prefix: {img: images/}
    """

    default_skeleton: ClassVar[str | None] = "300w"


@DATASETS.register_module()
class Face300VWDataset(CenteredFaceDataset):
    """300VW: 68 points of faces in videos, whose frames are images here.

    Args:
        See `CocoDataset`. The skeleton is `300vw` by default.

    Example:
        type: Face300VWDataset
        ann_file: annotations/train.json
        data_root: data/300vw
        data_prefix: {img: images/}
    """

    default_skeleton: ClassVar[str | None] = "300vw"


@DATASETS.register_module()
class AFLWDataset(CenteredFaceDataset):
    """AFLW: 19 points of faces.

    `meta["box_size"]` is what `NME` measures by with `norm_item: box_size`.

    Args:
        See `CocoDataset`. The skeleton is `aflw` by default.

    Example:
        type: AFLWDataset
        ann_file: annotations/face_landmarks_aflw_train.json
        data_root: data/aflw
        data_prefix: {img: images/}
    """

    default_skeleton: ClassVar[str | None] = "aflw"
    measures: ClassVar[tuple[str, ...]] = ("box_size",)


@DATASETS.register_module()
class CocoWholeBodyFaceDataset(CocoDataset):
    """The faces of COCO-WholeBody, one sample for each that is annotated.

    Args:
        See `CocoDataset`. The skeleton is `coco_wholebody_face` by default.

    Example:
        type: CocoWholeBodyFaceDataset
        ann_file: annotations/coco_wholebody_train_v1.0.json
        data_root: data/coco
        data_prefix: {img: train2017/}
    """

    default_skeleton: ClassVar[str | None] = "coco_wholebody_face"

    def arrange(self, content: Any) -> Any:
        """Put the face where the person was."""
        return rearranged(content, _face)


def _face(entry: Annotation) -> list[Annotation]:
    face = part_of_person(entry, "face")
    return [] if face is None else [face]
