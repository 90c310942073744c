"""InterHand2.6M: both hands in 2D or 3D, projected from where they are in the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from raypose.datasets.base_dataset import MAX_PROBLEMS
from raypose.datasets.coco_annotations import read_json
from raypose.datasets.coco_dataset import CocoDataset
from raypose.errors import ConfigError, DataError
from raypose.registry import DATASETS
from raypose.structures import PoseSample, Skeleton

# Each hand has 21 joints, the wrist last.
_HAND = 21
_WRISTS = (20, 41)
# Whether there are a right and a left hand.
_HAND_TYPES = {"right": (1, 0), "left": (0, 1), "interacting": (1, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandView:
    """Both hands as a camera sees them.

    Attributes:
        keypoints: x, y, visibility, x, ... in pixels.
        points: (42, 3) in camera space.
        valid: (42,) whether a joint is annotated.
        focal: (2,) focal lengths in pixels.
        center: (2,) principal point.
    """

    keypoints: list[float]
    points: np.ndarray
    valid: np.ndarray
    focal: np.ndarray
    center: np.ndarray


@DATASETS.register_module()
class InterHand2DDoubleDataset(CocoDataset):
    """InterHand2.6M: 42 points of the right hand, then of the left one.

    "InterHand2.6M: A Dataset and Baseline for 3D Interacting Hand Pose Estimation from a Single
    RGB Image", ECCV 2020. The first annotation of an image is its sample. Joints of a hand whose
    wrist is not annotated count as not annotated. Boxes may reach beyond the image.

    Args:
        ann_file: the JSON file of images and annotations.
        camera_param_file: cameras of each capture.
        joint_file: joints of each frame in the world.
        data_mode: `topdown` or `bottomup`.
        skeleton: `interhand3d` by default.
        data_root: folder that relative paths start from.
        data_prefix: `img`, the folder of the images.
        indices: use only the first so many samples, or only these.
        test_mode: whether samples are for evaluation.
        sample_interval: use one of so many images, in the order of the file.

    Raises:
        DataError: for files that lack what the others speak of.

    Example:
        type: InterHand2DDoubleDataset
        ann_file: annotations/all/InterHand2.6M_train_data.json
        camera_param_file: annotations/all/InterHand2.6M_train_camera.json
        joint_file: annotations/all/InterHand2.6M_train_joint_3d.json
        data_root: data/interhand2.6m
        data_prefix: {img: images/train/}
    """

    clip_boxes: ClassVar[bool] = False
    default_skeleton: ClassVar[str | None] = "interhand3d"

    def __init__(
        self,
        ann_file: str,
        camera_param_file: str,
        joint_file: str,
        data_mode: str = "topdown",
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        data_root: str | None = None,
        data_prefix: Mapping[str, str] | None = None,
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
        sample_interval: int = 1,
    ) -> None:
        self.camera_param_file = camera_param_file
        self.joint_file = joint_file
        self.sample_interval = sample_interval
        super().__init__(
            ann_file,
            data_mode=data_mode,
            skeleton=skeleton,
            data_root=data_root,
            data_prefix=data_prefix,
            indices=indices,
            test_mode=test_mode,
        )

    def arrange(self, content: Any) -> Any:
        """Project the joints of every image that is used.

        Raises:
            DataError: if cameras or joints are missing.
        """
        if not isinstance(content, Mapping) or not isinstance(content.get("images"), list):
            return content
        cameras = read_json(self.resolve(self.camera_param_file))
        joints = read_json(self.resolve(self.joint_file))
        self.read_roots()
        first: dict[Any, Mapping[str, Any]] = {}
        for entry in content.get("annotations") or []:
            first.setdefault(entry.get("image_id"), entry)
        images = content["images"][:: self.sample_interval]
        annotations, problems = [], []
        for image in images:
            entry = first.get(image.get("id"))
            if entry is None:
                continue
            try:
                annotation = self.annotate(entry, _see(image, entry, cameras, joints))
            except (KeyError, TypeError, ValueError, IndexError) as error:
                problems.append(
                    f"{self.ann_file}: image {image.get('id')}: no camera or joints for it "
                    f"({error!r})"
                )
            else:
                annotations.append(annotation)
        if problems:
            raise DataError("\n".join(problems[:MAX_PROBLEMS]))
        return {"images": images, "annotations": annotations}

    def read_roots(self) -> None:
        """Read what else there is to read; nothing here."""

    def annotate(self, entry: Mapping[str, Any], view: HandView) -> dict[str, Any]:
        """Return an annotation of the file as COCO has it."""
        return {**entry, "category_id": 1, "keypoints": view.keypoints}


@DATASETS.register_module()
class InterHand3DDataset(InterHand2DDoubleDataset):
    """InterHand2.6M in 3D: x and y in pixels, z in millimetres from the wrist of the own hand.

    Beside the keypoints `meta` holds `hand_type` (1, 2), whether there are a right and a left
    hand, and `hand_type_valid` (1,); `rel_root_depth`, the depth of the left wrist from the right
    one, and `rel_root_valid`; and for evaluation `keypoints_cam` (1, 42, 3) in camera space,
    `abs_depth` (2,) of both wrists, `focal` (2,) and `principal_pt` (2,).

    Args:
        See `InterHand2DDoubleDataset`.
        use_gt_root_depth: boxes and depths of the wrists are the annotated ones.
        rootnet_result_file: a list of `annot_id`, `bbox` and `abs_depth`, used otherwise.

    Raises:
        ConfigError: if the depths come from no file.
        DataError: for files that lack what the others speak of.

    Example:
        type: InterHand3DDataset
        ann_file: annotations/all/InterHand2.6M_train_data.json
        camera_param_file: annotations/all/InterHand2.6M_train_camera.json
        joint_file: annotations/all/InterHand2.6M_train_joint_3d.json
        data_root: data/interhand2.6m
        data_prefix: {img: images/train/}
    """

    def __init__(
        self,
        ann_file: str,
        camera_param_file: str,
        joint_file: str,
        use_gt_root_depth: bool = True,
        rootnet_result_file: str | None = None,
        data_mode: str = "topdown",
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        data_root: str | None = None,
        data_prefix: Mapping[str, str] | None = None,
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
        sample_interval: int = 1,
    ) -> None:
        if use_gt_root_depth != (rootnet_result_file is None):
            raise ConfigError(
                "rootnet_result_file is where depths come from if use_gt_root_depth is false"
            )
        self.rootnet_result_file = rootnet_result_file
        self._roots: dict[Any, Mapping[str, Any]] = {}
        self._hands: dict[int, dict[str, Any]] = {}
        super().__init__(
            ann_file,
            camera_param_file,
            joint_file,
            data_mode=data_mode,
            skeleton=skeleton,
            data_root=data_root,
            data_prefix=data_prefix,
            indices=indices,
            test_mode=test_mode,
            sample_interval=sample_interval,
        )

    def read_roots(self) -> None:
        """Read the depths of wrists that a network estimated."""
        if self.rootnet_result_file is not None:
            found = read_json(self.resolve(self.rootnet_result_file))
            self._roots = {entry["annot_id"]: entry for entry in found}

    def annotate(self, entry: Mapping[str, Any], view: HandView) -> dict[str, Any]:
        """Return an annotation as COCO has it, and keep what that has no place for."""
        root = {"bbox": entry["bbox"], "abs_depth": view.points[list(_WRISTS), 2]}
        if self.rootnet_result_file is not None:
            root = {**root, **self._roots[entry["id"]]}
        right, left = _WRISTS
        self._hands[entry["id"]] = {
            "hand_type": np.array([_HAND_TYPES[entry["hand_type"]]], np.float32),
            "hand_type_valid": np.array([entry["hand_type_valid"]], np.float32),
            "rel_root_depth": float(view.points[left, 2] - view.points[right, 2]),
            "rel_root_valid": float(view.valid[right] * view.valid[left]),
            "keypoints_cam": view.points[None],
            "abs_depth": np.asarray(root["abs_depth"], np.float32),
            "focal": view.focal,
            "principal_pt": view.center,
        }
        return {**super().annotate(entry, view), "bbox": root["bbox"]}

    def make_sample(self, position: int) -> PoseSample:
        """Make the sample of an image, its keypoints with their depth."""
        sample = super().make_sample(position)
        hands = self._hands[int(np.atleast_1d(sample.meta["id"])[0])]
        depth = hands["keypoints_cam"][..., 2]
        roots = np.repeat(depth[:, list(_WRISTS)], _HAND, axis=1)
        assert sample.keypoints is not None
        sample.keypoints = np.concatenate([sample.keypoints, (depth - roots)[..., None]], axis=-1)
        sample.meta.update(hands)
        return sample


def _see(
    image: Mapping[str, Any],
    entry: Mapping[str, Any],
    cameras: Mapping[str, Any],
    joints: Mapping[str, Any],
) -> HandView:
    """Project the joints of an image."""
    capture, camera = str(image["capture"]), image["camera"]
    of_capture = cameras[capture]
    position, rotation, focal, center = (
        np.asarray(of_capture[key][camera], np.float32)
        for key in ("campos", "camrot", "focal", "princpt")
    )
    world = joints[capture][str(image["frame_idx"])]["world_coord"]
    points = (np.asarray(world, np.float32) - position) @ rotation.T
    pixels = points[:, :2] / (points[:, 2:] + 1e-8) * focal + center
    valid = np.asarray(entry["joint_valid"], np.float32).reshape(-1)
    shown = np.minimum(valid * np.repeat(valid[list(_WRISTS)], _HAND), 1)
    return HandView(
        keypoints=np.concatenate([pixels, shown[:, None]], axis=1).reshape(-1).tolist(),
        points=points,
        valid=valid,
        focal=focal,
        center=center,
    )
