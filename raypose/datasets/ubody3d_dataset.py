"""`UBody3dDataset`: whole bodies in scenes of upper bodies, with their depths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from raypose.datasets.base_dataset import check_problems
from raypose.datasets.coco_dataset import CocoDataset
from raypose.datasets.rearranging import Annotation, rearranged
from raypose.errors import ConfigError
from raypose.registry import DATASETS
from raypose.structures import PoseSample, Skeleton


@DATASETS.register_module()
class UBody3dDataset(CocoDataset):
    """UBody with depths: the 133 points of COCO-WholeBody, one person a sample.

    Lin et al.: "One-Stage 3D Whole-Body Mesh Recovery with Component Aware Transformer", CVPR 2023.
    A COCO file whose annotations have `keypoints` (133, 2) in pixels, `keypoints_valid` (133,),
    `keypoints_3d` (133, 3) in camera space and `camera_param` with `focal` and `princpt`. Samples
    have `keypoints_3d` (1, 133, 3), the same as `lifting_target`, and `camera_param`.

    Args:
        ann_file: the file.
        skeleton: `h3wb` by default.
        data_root: folder that relative paths start from.
        data_prefix: `img`, the folder of the images.
        subset_frac: use this share of the people, evenly spread.
        indices: use only the first so many samples, or only these.

    Raises:
        ConfigError: if `subset_frac` is not above 0 and at most 1.
        DataError: with all that is wrong in the file.

    Example:
        type: UBody3dDataset
        ann_file: annotations/Magic_show/train_3dkeypoint_annotation.json
        data_root: data/UBody
        data_prefix: {img: images/}
        subset_frac: 0.1
    """

    clip_boxes: ClassVar[bool] = False
    default_skeleton: ClassVar[str | None] = "h3wb"

    def __init__(
        self,
        ann_file: str,
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        data_root: str | None = None,
        data_prefix: Mapping[str, str] | None = None,
        subset_frac: float = 1.0,
        indices: int | Sequence[int] | None = None,
    ) -> None:
        if not 0 < subset_frac <= 1:
            raise ConfigError(f"subset_frac is above 0 and at most 1, got {subset_frac}")
        self._space: dict[int, dict[str, Any]] = {}
        super().__init__(ann_file, skeleton=skeleton, data_root=data_root, data_prefix=data_prefix)
        count = len(self)
        kept = np.linspace(0, count, int(count * subset_frac), endpoint=False).astype(np.int64)
        self.select_samples(self._positions[kept], indices)

    def arrange(self, content: Any) -> Any:
        """Write keypoints as COCO does, and keep what that has no place for.

        Raises:
            DataError: for annotations without depths or camera.
        """
        problems: list[str] = []

        def arranged(entry: Annotation) -> list[Annotation]:
            try:
                return [self._annotation(entry)]
            except (KeyError, TypeError, ValueError) as error:
                problems.append(f"annotation {entry.get('id')}: no pose in space ({error!r})")
                return []

        found = rearranged(content, arranged)
        check_problems(self.ann_file, problems)
        return found

    def make_sample(self, position: int) -> PoseSample:
        """Make the sample of a person."""
        sample = super().make_sample(position)
        sample.meta.update(self._space[int(sample.meta["id"])])
        sample.meta["lifting_target_visible"] = sample.keypoints_visible
        return sample

    def _annotation(self, entry: Annotation) -> dict[str, Any]:
        points = np.asarray(entry["keypoints"], np.float32).reshape(-1, 2)
        valid = np.asarray(entry["keypoints_valid"], np.float32).reshape(-1, 1)
        space = np.asarray(entry["keypoints_3d"], np.float32).reshape(1, len(points), 3)
        camera = entry["camera_param"]
        self._space[int(entry["id"])] = {
            "keypoints_3d": space,
            "lifting_target": space,
            "camera_param": {
                "f": np.asarray(camera["focal"], np.float32),
                "c": np.asarray(camera["princpt"], np.float32),
            },
        }
        flat = np.concatenate([points, valid], axis=1).reshape(-1).tolist()
        return {**entry, "keypoints": flat, "num_keypoints": int((valid > 0).sum())}
