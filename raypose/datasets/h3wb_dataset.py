"""`H36MWholeBodyDataset`: whole bodies in images of Human3.6M, with their depths."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from raypose.datasets.base_dataset import BaseDataset, check_problems, skeleton_or
from raypose.datasets.pickled_arrays import UNREADABLE, unpickle_arrays
from raypose.errors import ConfigError, DataError
from raypose.registry import DATASETS
from raypose.structures import PoseSample, Skeleton

_PARTS = ("train_data", "metadata", "bbox")
_CORNERS = ("x_min", "y_min", "x_max", "y_max")
_TRAINING = ("S1", "S5", "S6")
_VALIDATION = ("S7",)
# Beside the cameras of an action.
_OF_THE_ACTION = ("global_3d", "frame_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """A person as one camera sees it in one frame.

    Attributes:
        name: subject, action and camera, and the number of the frame.
        keypoints: (K, 2) in pixels.
        space: (K, 3) in camera space, metres.
        bbox: (4,) xyxy in pixels.
        camera: `f` (2,) and `c` (2,) in pixels.
    """

    name: tuple[str, str, str, int]
    keypoints: np.ndarray
    space: np.ndarray
    bbox: np.ndarray
    camera: Mapping[str, np.ndarray]


@DATASETS.register_module()
class H36MWholeBodyDataset(BaseDataset):
    """H3WB: 133 points of a body in images of Human3.6M, one person a sample.

    Zhu et al.: "H3WB: Human3.6M 3D WholeBody Dataset and Benchmark", ICCV 2023. The npz file is
    that of the authors with boxes, as MMPose has it: `train_data` by subject, action and camera
    (`pose_2d` (F, 133, 2) in pixels, `camera_3d` (F, 133, 3) in millimetres, and the action's
    `frame_id` (F,)), `metadata` (the cameras' `K`, in thousands of pixels) and `bbox`. Images are
    `S1/Images/Directions 1.60457274/frame_2190.jpg`. Samples have `keypoints_3d` (1, 133, 3) in
    camera space in metres, the same as `lifting_target`, and `camera_param`.

    Args:
        ann_file: the file.
        skeleton: `h3wb` by default.
        data_root: folder that relative paths start from.
        data_prefix: `img`, the folder of the images, `original/` by default.
        indices: use only the first so many samples, or only these.
        test_mode: take subject S7, which is for evaluation, instead of S1, S5 and S6.

    Raises:
        ConfigError: for another folder than `img`.
        DataError: with what is wrong in the file, or if it has none of the subjects.

    Example:
        type: H36MWholeBodyDataset
        ann_file: annotation_body3d/h3wb_train_bbox.npz
        data_root: data/h36m
        test_mode: true
    """

    default_skeleton: ClassVar[str] = "h3wb"

    def __init__(
        self,
        ann_file: str,
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        data_root: str | None = None,
        data_prefix: Mapping[str, str] | None = None,
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
    ) -> None:
        super().__init__(ann_file, data_root, test_mode)
        unknown = set(data_prefix or {}) - {"img"}
        if unknown:
            raise ConfigError(f"data_prefix has 'img' only, got {', '.join(sorted(unknown))}")
        self.image_folder = self.resolve((data_prefix or {}).get("img", "original/"))
        self.skeleton = skeleton_or(skeleton, self.default_skeleton)
        parts = _read(self.ann_file)
        subjects = _VALIDATION if test_mode else _TRAINING
        problems: list[str] = []
        try:
            self._views = [
                view
                for subject in subjects
                for view in _views(parts, subject, self.skeleton.num_keypoints, problems)
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{self.ann_file}: not laid out as H3WB is: {error!r}") from error
        check_problems(self.ann_file, problems)
        if not self._views:
            raise DataError(
                f"{self.ann_file}: nothing of {', '.join(subjects)}; "
                f"it has {', '.join(map(str, parts['train_data']))}"
            )
        self.select_samples(np.arange(len(self._views)), indices)

    def make_sample(self, position: int) -> PoseSample:
        """Make the sample of a person in a frame of a camera."""
        view = self._views[position]
        subject, action, camera, frame = view.name
        space, seen = view.space[None], np.ones((1, len(view.space)), np.float32)
        return PoseSample(
            id=f"{subject}/{action}.{camera}/{frame}",
            img_path=os.path.join(
                self.image_folder, subject, "Images", f"{action}.{camera}", f"frame_{frame}.jpg"
            ),
            img_id=position,
            bboxes=view.bbox[None],
            bbox_scores=np.ones(1, np.float32),
            keypoints=view.keypoints[None],
            keypoints_visible=seen,
            meta={
                "category_id": 1,
                "keypoints_3d": space,
                "lifting_target": space,
                "lifting_target_visible": seen,
                "camera_param": dict(view.camera),
            },
        )


def _read(path: str) -> dict[str, dict[Any, Any]]:
    """Return the mappings of the file by their name; nothing in it is executed."""
    try:
        with zipfile.ZipFile(path) as archive:
            missing = [name for name in _PARTS if f"{name}.npy" not in archive.namelist()]
            if missing:
                raise DataError(f"{path}: no array {', '.join(missing)}")
            parts = {name: _pickled(archive, name) for name in _PARTS}
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (*UNREADABLE, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not an npz file of mappings of arrays: {error}") from error
    wrong = [name for name, part in parts.items() if not isinstance(part, dict)]
    check_problems(path, [f"'{name}' holds no mapping" for name in wrong])
    return parts


def _pickled(archive: zipfile.ZipFile, name: str) -> Any:
    """Return the object of an array that is one object."""
    with archive.open(f"{name}.npy") as file:
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[np.lib.format.read_magic(file)]
        shape, _, dtype = read_header(file)
        if shape != () or not dtype.hasobject:
            raise ValueError(f"'{name}' is an array of numbers")
        held: Any = unpickle_arrays(file)
        return held.item() if isinstance(held, np.ndarray) else held


def _views(
    parts: Mapping[str, Mapping[Any, Any]],
    subject: str,
    num_keypoints: int,
    problems: list[str],
) -> Iterator[_View]:
    """Yield what the cameras see of a subject; say what is wrong."""
    for action, views in parts["train_data"].get(subject, {}).items():
        frames = np.asarray(views["frame_id"]).tolist()
        shape = (len(frames), num_keypoints)
        for camera, view in views.items():
            if camera in _OF_THE_ACTION:
                continue
            where = f"{subject}, {action}, {camera}"
            points, space = np.asarray(view["pose_2d"]), np.asarray(view["camera_3d"])
            if points.shape != (*shape, 2) or space.shape != (*shape, 3):
                problems.append(
                    f"{where}: {shape[0]} frames of {shape[1]} keypoints expected, "
                    f"got {points.shape} in 2D and {space.shape} in 3D"
                )
                continue
            matrix = np.asarray(parts["metadata"][subject][camera]["K"], np.float32)[0] * 1000
            pinhole = {"f": matrix[[0, 1], [0, 1]], "c": matrix[:2, 2]}
            for i, frame in enumerate(frames):
                box = parts["bbox"].get((subject, action, camera, frame))
                if box is None:
                    problems.append(f"{where}: no bbox for frame {frame}")
                    continue
                yield _View(
                    name=(subject, action, camera, int(frame)),
                    keypoints=points[i].astype(np.float32),
                    space=(space[i] / 1000).astype(np.float32),
                    bbox=np.array([box[name] for name in _CORNERS], np.float32),
                    camera=pinhole,
                )
