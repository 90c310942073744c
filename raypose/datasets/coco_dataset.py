"""`CocoDataset`: COCO-keypoints JSON of any skeleton, one sample a person or one an image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from raypose.datasets.base_dataset import BaseDataset, check_problems, skeleton_or
from raypose.datasets.coco_annotations import (
    CocoAnnotations,
    check_order,
    pose_categories,
    read_annotations,
    read_json,
    skeleton_of,
)
from raypose.datasets.coco_detections import CocoDetections
from raypose.datasets.coco_fields import check_fields
from raypose.errors import ConfigError, did_you_mean
from raypose.registry import DATASETS
from raypose.structures import PoseSample, Skeleton


@DATASETS.register_module()
class CocoDataset(BaseDataset):
    """Instances or images of a COCO-keypoints file, whatever its keypoints are.

    In `topdown` mode crowds, boxes without an area and instances without a labelled keypoint are
    left out. In `bottomup` mode an image comes with all its instances; the outlines of those left
    out above are in `meta["invalid_segs"]`. Boxes are clipped to the image.

    `meta` holds `id`, `category_id`, `iscrowd` (numbers in `topdown` mode, (N,) arrays in
    `bottomup` mode), and `track_id` and `crowd_index` where the file has them.

    Args:
        ann_file: the JSON file.
        bbox_file: detections to estimate instead of the annotated boxes, see `CocoDetections`; for
            `topdown` and `test_mode`. Samples then have no keypoints.
        data_mode: `topdown` or `bottomup`.
        skeleton: a name, file, mapping or object; by default what the file's categories say.
        data_root: folder that relative paths start from.
        data_prefix: `img`, the folder of the images.
        filter_cfg: `bbox_score_thr`, the least score of a detection.
        indices: use only the first so many samples, or only these.
        test_mode: in `bottomup` mode keep images without instances too.
        sample_interval: use images whose id is a multiple of it.

    Raises:
        DataError: with all that is wrong in the files.
        ConfigError: for arguments that contradict each other.

    Example:
        type: CocoDataset
        ann_file: annotations/person_keypoints_val2017.json
        data_root: data/coco
        data_prefix: {img: val2017/}
        skeleton: coco
    """

    keypoint_fields: ClassVar[tuple[str, ...]] = ("keypoints",)
    default_skeleton: ClassVar[str | None] = None
    # Files whose boxes are made from a center and a scale reach beyond the image on purpose.
    clip_boxes: ClassVar[bool] = True
    # Lengths in pixels that annotations may have and metrics measure by; they get into `meta`.
    measures: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        ann_file: str,
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
        super().__init__(ann_file, data_root, test_mode)
        _check_arguments(data_mode, bbox_file, test_mode, data_prefix, filter_cfg, sample_interval)
        self.data_mode = data_mode
        self.image_folder = self.resolve((data_prefix or {}).get("img", ""))
        content = read_json(self.ann_file)
        check_fields(content, self.ann_file)
        content = self.arrange(content)
        categories = pose_categories(content, self.ann_file)
        given = skeleton if skeleton is not None else self.default_skeleton
        if given is None:
            given = skeleton_of(categories, self.ann_file)
        self.skeleton = skeleton_or(given, "coco")
        check_order(self.skeleton, categories, self.ann_file)
        self._measured: dict[str, dict[int, float]] = {}
        if bbox_file is None:
            self._detections = None
            self._annotations = self._read(content, sample_interval)
            self._measured = _read_measures(content, self.measures, self.ann_file)
            positions = self._choose()
        else:
            kinds = {category["id"] for category in categories} or {1}
            threshold = (filter_cfg or {}).get("bbox_score_thr")
            self._annotations = None
            self._detections = CocoDetections(
                self.resolve(bbox_file), content, self.ann_file, kinds, threshold, sample_interval
            )
            positions = np.arange(len(self._detections.boxes))
        self.select_samples(positions, indices)

    def make_sample(self, position: int) -> PoseSample:
        """Make the sample of an instance, a detection or an image."""
        if self._detections is not None:
            sample = self._detections.make_sample(position)
        elif self.data_mode == "topdown":
            sample = self._make_instance(position)
        else:
            sample = self._make_image(position)
        sample.img_path = os.path.join(self.image_folder, sample.img_path or "")
        return sample

    def image_numbers(self) -> np.ndarray | None:
        """Return for each sample the number of its image; None where samples are images."""
        if self._detections is not None:
            images = np.array([image for image, *_ in self._detections.boxes], np.int64)
        elif self.data_mode == "topdown":
            images = self._table().image_index
        else:
            return None
        return images[self._positions]

    def labelled(self, visibility: np.ndarray) -> np.ndarray:
        """Turn the file's visibility (0, 1, 2) into 0 or 1."""
        return np.minimum(visibility, 1)

    def arrange(self, content: Any) -> Any:
        """Bring what a file holds into COCO's form; other layouts override it.

        Args:
            content: the parsed JSON file, which may still be anything.
        """
        return content

    def _read(self, content: Any, sample_interval: int) -> CocoAnnotations:
        return read_annotations(
            content,
            self.ann_file,
            self.skeleton.num_keypoints,
            self.keypoint_fields,
            sample_interval,
            self.clip_boxes,
        )

    def _choose(self) -> np.ndarray:
        """Positions of valid instances (`topdown`) or of images (`bottomup`)."""
        table = self._table()
        valid = table.valid()
        if self.data_mode == "topdown":
            return np.flatnonzero(valid)
        self._valid = valid
        count = len(table.images)
        self._first = np.searchsorted(table.image_index, np.arange(count + 1))
        filled = np.diff(self._first) > 0
        if self.test_mode:
            # As MMPose orders them: images without instances come last.
            return np.concatenate([np.flatnonzero(filled), np.flatnonzero(~filled)])
        return np.flatnonzero(filled)

    def _make_instance(self, position: int) -> PoseSample:
        table = self._table()
        sample = self._describe(table.image_index[position], slice(position, position + 1))
        sample.id = str(table.ids[position])
        for name in ("id", "category_id", "iscrowd", "track_id"):
            if name in sample.meta:
                sample.meta[name] = int(sample.meta[name][0])
        for name, lengths in self._measured.items():
            if sample.meta["id"] in lengths:
                sample.meta[name] = lengths[sample.meta["id"]]
        return sample

    def _make_image(self, position: int) -> PoseSample:
        table = self._table()
        rows = slice(self._first[position], self._first[position + 1])
        sample = self._describe(position, rows)
        sample.id = str(sample.img_id)
        for name, lengths in self._measured.items():
            if all(number in lengths for number in sample.meta["id"]):
                sample.meta[name] = np.array([lengths[number] for number in sample.meta["id"]])
        sample.meta["invalid_segs"] = [
            table.segmentations[row]
            for row in range(rows.start, rows.stop)
            if not self._valid[row] and table.segmentations[row]
        ]
        return sample

    def _describe(self, image_position: int, rows: slice) -> PoseSample:
        table = self._table()
        image = table.images[image_position]
        meta: dict[str, Any] = {
            "id": table.ids[rows],
            "category_id": table.category_ids[rows],
            "iscrowd": table.iscrowd[rows].astype(np.int64),
        }
        if table.track_ids is not None:
            meta["track_id"] = table.track_ids[rows]
        if image.crowd_index is not None:
            meta["crowd_index"] = image.crowd_index
        # Copies: a transform may change the arrays of a sample in place.
        return PoseSample(
            id="",
            img_path=image.file_name,
            img_id=image.id,
            img_shape=image.shape,
            bboxes=table.bboxes[rows].copy(),
            bbox_scores=np.ones(rows.stop - rows.start, np.float32),
            keypoints=table.keypoints[rows].copy(),
            keypoints_visible=self.labelled(table.visibility[rows]).astype(np.float32),
            areas=table.areas[rows].copy(),
            meta=meta,
        )

    def _table(self) -> CocoAnnotations:
        assert self._annotations is not None
        return self._annotations


@DATASETS.register_module()
class CocoWholeBodyDataset(CocoDataset):
    """COCO-WholeBody: keypoints of body, feet, face and hands lie in fields of their own.

    Args:
        See `CocoDataset`. The skeleton is `coco_wholebody` by default.

    Example:
        type: CocoWholeBodyDataset
        ann_file: annotations/coco_wholebody_val_v1.0.json
        data_root: data/coco
        data_prefix: {img: val2017/}
    """

    keypoint_fields: ClassVar[tuple[str, ...]] = (
        "keypoints",
        "foot_kpts",
        "face_kpts",
        "lefthand_kpts",
        "righthand_kpts",
    )
    default_skeleton: ClassVar[str | None] = "coco_wholebody"

    def labelled(self, visibility: np.ndarray) -> np.ndarray:
        """Return 1 where the file has any visibility: faces and hands carry scores there."""
        return visibility > 0


def _read_measures(
    content: Mapping[str, Any], names: Sequence[str], path: str
) -> dict[str, dict[int, float]]:
    """Read lengths by their name and the id of the annotation that has them."""
    found: dict[str, dict[int, float]] = {}
    problems = []
    for name in names:
        found[name] = {}
        for entry in content["annotations"]:
            length = entry.get(name)
            if isinstance(length, (int, float)) and length > 0:
                found[name][entry["id"]] = float(length)
            elif length is not None:
                problems.append(
                    f"annotation {entry['id']}: '{name}' is a length above 0, got {length!r}"
                )
    check_problems(path, problems)
    return found


def _check_arguments(
    data_mode: str,
    bbox_file: str | None,
    test_mode: bool,
    data_prefix: Mapping[str, str] | None,
    filter_cfg: Mapping[str, Any] | None,
    sample_interval: int,
) -> None:
    problems = []
    if data_mode not in ("topdown", "bottomup"):
        hint = did_you_mean(str(data_mode), ("topdown", "bottomup"))
        problems.append(f"data_mode is 'topdown' or 'bottomup', got {data_mode!r}.{hint}")
    if bbox_file is not None and data_mode == "bottomup":
        problems.append("bbox_file is for data_mode 'topdown': whole images need no boxes")
    if bbox_file is not None and not test_mode:
        problems.append("bbox_file needs test_mode: detections have no keypoints to train on")
    for key in data_prefix or {}:
        if key != "img":
            problems.append(f"data_prefix has the key 'img', got {key!r}")
    for key in filter_cfg or {}:
        if key != "bbox_score_thr":
            hint = did_you_mean(key, ["bbox_score_thr"])
            problems.append(f"filter_cfg has the key 'bbox_score_thr', got {key!r}.{hint}")
        elif bbox_file is None:
            problems.append("filter_cfg: bbox_score_thr needs a bbox_file; annotations score 1")
    if sample_interval < 1:
        problems.append(f"sample_interval is at least 1, got {sample_interval}")
    if problems:
        raise ConfigError(problems)
