"""`MpiiDataset`: single people by center and scale, in MPII's own JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.io import loadmat

from raypose.datasets.coco_dataset import CocoDataset
from raypose.datasets.rearranging import box_around
from raypose.errors import ConfigError, DataError
from raypose.registry import DATASETS
from raypose.structures import PoseSample, Skeleton

# A scale of 1 is a person of so many pixels; boxes reach a little lower than their centers say.
_PIXELS = 200.0
_LOWER = 15.0
# PCKh measures by this share of the diagonal of the head's box.
_HEAD_SHARE = 0.6


@DATASETS.register_module()
class MpiiDataset(CocoDataset):
    """MPII: 16 points of people. "2D Human Pose Estimation", CVPR 2014.

    The file is a list of `image`, `center`, `scale`, `joints` (16 x 2) and `joints_vis` (16).
    Boxes are squares that may reach beyond the image.

    Args:
        ann_file: the JSON file.
        headbox_file: `mpii_gt_val.mat`, the boxes of heads in the order of `ann_file`; samples
            then have `meta["head_size"]`, for `MpiiPCKAccuracy`. For `topdown` and `test_mode`.
        data_mode: `topdown` or `bottomup`.
        skeleton: `mpii` by default.
        data_root: folder that relative paths start from.
        data_prefix: `img`, the folder of the images.
        indices: use only the first so many samples, or only these.
        test_mode: whether samples are for evaluation.

    Raises:
        DataError: with all that is wrong in the files.
        ConfigError: for arguments that contradict each other.

    Example:
        type: MpiiDataset
        ann_file: annotations/mpii_train.json
        data_root: data/mpii
        data_prefix: {img: images/}
    """

    clip_boxes: ClassVar[bool] = False
    default_skeleton: ClassVar[str | None] = "mpii"

    def __init__(
        self,
        ann_file: str,
        headbox_file: str | None = None,
        data_mode: str = "topdown",
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        data_root: str | None = None,
        data_prefix: Mapping[str, str] | None = None,
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
    ) -> None:
        if headbox_file is not None and (data_mode != "topdown" or not test_mode):
            raise ConfigError("headbox_file is for data_mode 'topdown' and test_mode")
        super().__init__(
            ann_file,
            data_mode=data_mode,
            skeleton=skeleton,
            data_root=data_root,
            data_prefix=data_prefix,
            indices=indices,
            test_mode=test_mode,
        )
        self._head_sizes = None
        if headbox_file is not None:
            self._head_sizes = _read_head_sizes(self.resolve(headbox_file))
            if len(self._head_sizes) != len(self._table().ids):
                raise DataError(
                    f"{headbox_file} has {len(self._head_sizes)} heads, {self.ann_file} has "
                    f"{len(self._table().ids)} people"
                )

    def arrange(self, content: Any) -> Any:
        """Bring the list of people into COCO's form.

        Raises:
            DataError: if it is no such list.
        """
        if not isinstance(content, list):
            raise DataError(f"{self.ann_file}: MPII's list of people expected")
        images: dict[str, int] = {}
        annotations = []
        for number, person in enumerate(content):
            try:
                annotation = _annotation(number, person)
                name = person["image"]
                position = _number_of(name, len(images))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise DataError(
                    f"{self.ann_file}: person {number} has no 'image', 'center', 'scale', "
                    f"'joints' and 'joints_vis' as MPII has them: {error!r}"
                ) from error
            images.setdefault(name, position)
            annotations.append({**annotation, "image_id": images[name]})
        return {
            "images": [{"id": number, "file_name": name} for name, number in images.items()],
            "annotations": annotations,
        }

    def make_sample(self, position: int) -> PoseSample:
        """Make the sample of a person, or of an image in `bottomup` mode."""
        sample = super().make_sample(position)
        if self._head_sizes is not None:
            sample.meta["head_size"] = float(self._head_sizes[sample.meta["id"]])
        return sample


def _annotation(number: int, person: Mapping[str, Any]) -> dict[str, Any]:
    x, y = person["center"]
    extent = person["scale"] * _PIXELS
    if x != -1:
        y += _LOWER * person["scale"]
    # Centers count pixels from 1.
    box = box_around((x - 1, y - 1), extent)
    points = zip(person["joints"], person["joints_vis"], strict=True)
    keypoints = [float(value) for (px, py), shown in points for value in (px, py, shown)]
    return {"id": number, "category_id": 1, "bbox": box, "keypoints": keypoints}


def _number_of(image: str, default: int) -> int:
    """Return the number that the name of an image is (`015601864.jpg`)."""
    stem = image.rsplit("/", 1)[-1].split(".", 1)[0]
    return int(stem) if stem.isdigit() else default


def _read_head_sizes(path: str) -> np.ndarray:
    """Return the size of each head (M,), as PCKh measures it."""
    try:
        boxes = loadmat(path)["headboxes_src"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: no file of MPII's head boxes: {error}") from error
    return np.linalg.norm(boxes[1] - boxes[0], axis=0) * _HEAD_SHARE
