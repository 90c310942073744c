"""`DeepFashionDataset`: landmarks of clothes, in three kinds of their own skeletons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raypose.datasets.coco_dataset import CocoDataset
from raypose.errors import ConfigError, did_you_mean
from raypose.registry import DATASETS
from raypose.structures import Skeleton

_SUBSETS = ("full", "upper", "lower")


@DATASETS.register_module()
class DeepFashionDataset(CocoDataset):
    """DeepFashion: 8, 6 or 4 points of full-body, upper-body and lower-body clothes.

    "DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich Annotations",
    CVPR 2016.

    Args:
        ann_file: the JSON file.
        subset: `full`, `upper` or `lower`; it decides on the default skeleton.
        bbox_file: see `CocoDataset`, like all that follow.
        data_mode: `topdown` or `bottomup`.
        skeleton: `deepfashion_full`, `deepfashion_upper` or `deepfashion_lower` by default.
        data_root: folder that relative paths start from.
        data_prefix: `img`, the folder of the images.
        filter_cfg: `bbox_score_thr`, the least score of a detection.
        indices: use only the first so many samples, or only these.
        test_mode: whether samples are for evaluation.
        sample_interval: use images whose id is a multiple of it.

    Raises:
        ConfigError: for an unknown subset.

    Example:
        type: DeepFashionDataset
        ann_file: annotations/fld_full_train.json
        subset: full
        data_root: data/fld
        data_prefix: {img: img/}
    """

    def __init__(
        self,
        ann_file: str,
        subset: str = "full",
        bbox_file: str | None = None,
        data_mode: str = "topdown",
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        data_root: str | None = None,
        data_prefix: Mapping[str, str] | None = None,
        filter_cfg: Mapping[str, Any] | None = None,
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
        sample_interval: int = 1,
    ) -> None:
        if subset not in _SUBSETS:
            hint = did_you_mean(subset, _SUBSETS)
            raise ConfigError(f"subset is 'full', 'upper' or 'lower', got {subset!r}.{hint}")
        super().__init__(
            ann_file,
            bbox_file,
            data_mode,
            f"deepfashion_{subset}" if skeleton is None else skeleton,
            data_root,
            data_prefix,
            filter_cfg,
            indices,
            test_mode,
            sample_interval,
        )
