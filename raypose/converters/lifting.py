"""Poses in space to data that a lifter trains on: `Human36mDataset` and its cameras.

F frames of a take, K keypoints.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from raypose.converters.calibrations import CalibratedCamera
from raypose.converters.camera_ring import SIDE, camera_ring
from raypose.converters.motion import MotionSet, Take
from raypose.converters.skeleton_files import SKELETON_FILE, write_skeleton
from raypose.converters.splits import DEFAULT_FRACTION, choose_validation
from raypose.errors import DataError
from raypose.ops.cameras import camera_to_pixel, world_to_camera

Floats = npt.NDArray[np.float64]
_RECIPE = "examples/mocap3d"
_CAMERAS = "cameras.pkl"
# Other protocols name functions that readers of arrays refuse.
_PICKLE_PROTOCOL = 4
_EPOCHS = 50
# A batch is a tenth of the samples, within these.
_BATCHES = (8, 256)
_COUNT_TENTHS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What has been written.

    Attributes:
        samples: number of views of a pose, by split.
        label_errors: pixels between labels and where cameras see what was made of them, median
            and 95 %; None where nothing was labelled.
    """

    samples: dict[str, int]
    label_errors: tuple[float, float] | None


def write_lifting(
    motion: MotionSet,
    cameras: Sequence[CalibratedCamera] | None,
    out: Path,
    val_fraction: float | None = None,
    seed: int = 0,
) -> Written:
    """Write `train.npz`, `val.npz`, `cameras.pkl`, the skeleton and a config to train with.

    Without cameras four of them stand round the body, whose root stays where it is. The root is
    the keypoint that is known most often, the first of several; frames without it are left out.
    2D keypoints are what people have labelled, or else where the cameras see the pose.

    Args:
        motion: the takes.
        cameras: that have seen all of them.
        out: the folder, which is `data_root` as it is given here.
        val_fraction: share of validation (0.2): of the takes, or where there is one, its last
            frames, or moments at random where these do not follow on each other.
        seed: of a choice at random.

    Raises:
        DataError: if no camera sees a pose.
        RayposeError: if the fraction is out of range.
    """
    root = _root(motion)
    is_ring = cameras is None
    takes = motion.takes
    if cameras is None:
        takes = [_stood(take, root) for take in takes]
        cameras = camera_ring(_reach(takes, root), motion.up)
    share = DEFAULT_FRACTION if val_fraction is None else val_fraction
    parts: dict[str, list[_View]] = {"train": [], "val": []}
    subjects = _subjects(takes)
    for take, subject, is_val in zip(takes, subjects, _validation(takes, share, seed), strict=True):
        for camera in cameras:
            for split, chosen in (("train", ~is_val), ("val", is_val)):
                parts[split].append(_view(take, subject, camera, chosen, root))
    samples = {split: sum(len(v.names) for v in views) for split, views in parts.items()}
    samples = {split: count for split, count in samples.items() if count}
    if "train" not in samples:
        raise DataError("no camera sees a pose with its root: nothing to train on is left")
    out.mkdir(parents=True, exist_ok=True)
    for split in samples:
        _save(parts[split], out / f"{split}.npz")
    _save_cameras(subjects, cameras, out / _CAMERAS)
    write_skeleton(motion.skeleton, out / SKELETON_FILE)
    stats = _stats(parts["train"]) if is_ring else None
    config = _config(motion, root, samples, stats, out)
    (out / "config.yaml").write_text(config, encoding="utf-8")
    errors = np.concatenate([view.errors for views in parts.values() for view in views])
    return Written(samples=samples, label_errors=_middle_and_most(errors))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _View:
    """Frames of a take that one camera sees: names, 2D with visibility, 3D with visibility."""

    names: list[str]
    part: Floats
    pose: Floats
    errors: Floats


def _root(motion: MotionSet) -> int:
    known = sum(np.isfinite(take.points).all(axis=2).sum(axis=0) for take in motion.takes)
    return int(np.argmax(known))


def _stood(take: Take, root: int) -> Take:
    """Return a take whose root is at the origin in every frame."""
    points = take.points - take.points[:, root : root + 1]
    return Take(name=take.name, points=points, rate=take.rate, is_video=take.is_video)


def _reach(takes: Sequence[Take], root: int) -> float:
    """Return how long bodies are: twice how far from the root most of their keypoints stay."""
    distances = [np.linalg.norm(t.points - t.points[:, root : root + 1], axis=2) for t in takes]
    known = np.concatenate([d[np.isfinite(d)] for d in distances])
    if not known.size or known.max() == 0:
        raise DataError("no frame has two keypoints at different places")
    return 2 * float(np.percentile(known, 99))


def _validation(takes: Sequence[Take], share: float, seed: int) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield for each take (F,) which of its frames are for validation."""
    chosen = choose_validation(len(takes), share, seed)
    for take, is_val in zip(takes, chosen, strict=True):
        count = len(take.points)
        if len(takes) > 1:
            yield np.full(count, is_val)
        elif take.is_video:
            number = int(choose_validation(count, share, seed).sum())
            yield np.arange(count) >= count - number
        else:
            yield choose_validation(count, share, seed)


def _subjects(takes: Sequence[Take]) -> list[str]:
    """Return what takes are called in names of images, where `_` and `.` have a meaning."""
    plain = [re.sub(r"[^A-Za-z0-9-]+", "-", take.name).strip("-") or "take" for take in takes]
    return [
        name if plain.count(name) == 1 else f"{name}-{number}" for number, name in enumerate(plain)
    ]


def _camera_word(camera: CalibratedCamera) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", camera.name)


def _view(
    take: Take,
    subject: str,
    camera: CalibratedCamera,
    chosen: npt.NDArray[np.bool_],
    root: int,
) -> _View:
    arrays = camera.arrays()
    poses = world_to_camera(take.points, arrays)
    known = _finite(poses) & (np.nan_to_num(poses[..., 2]) > 0)
    seen = np.where(
        known[..., None], camera_to_pixel(np.where(known[..., None], poses, 1), arrays), np.nan
    )
    pixels = seen if take.views is None else take.views.get(camera.name, np.full_like(seen, np.nan))
    visible = _finite(pixels)
    kept = np.flatnonzero(chosen & known[:, root] & np.any(visible, axis=1))
    # What is done is the first word of a take's name: walk of walk_01.
    action = re.sub(r"[^A-Za-z].*", "", subject) or "take"
    names = [f"{subject}_{action}.{_camera_word(camera)}_{frame:06d}" for frame in kept]
    errors = np.linalg.norm(pixels - seen, axis=2)[kept] if take.views else np.zeros(0)
    return _View(
        names=names,
        part=_with_visibility(pixels[kept], visible[kept]),
        pose=_with_visibility(poses[kept], known[kept]),
        errors=errors[np.isfinite(errors)],
    )


def _finite(points: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(points).all(axis=2), np.bool_)


def _with_visibility(values: Floats, visible: npt.NDArray[np.bool_]) -> Floats:
    """Return values (F, K, D + 1), 0 where not visible."""
    known = np.where(visible[..., None], values, 0)
    return np.concatenate([known, visible[..., None].astype(np.float64)], axis=2)


def _save(views: Sequence[_View], path: Path) -> None:
    np.savez_compressed(
        path,
        imgname=np.array([name for view in views for name in view.names]),
        part=np.concatenate([view.part for view in views]).astype(np.float32),
        S=np.concatenate([view.pose for view in views]).astype(np.float32),
    )


def _save_cameras(subjects: Sequence[str], cameras: Sequence[CalibratedCamera], path: Path) -> None:
    content = {
        (subject, _camera_word(camera)): camera.arrays()
        for subject in subjects
        for camera in cameras
    }
    with path.open("wb") as file:
        pickle.dump(content, file, protocol=_PICKLE_PROTOCOL)


def _middle_and_most(errors: Floats) -> tuple[float, float] | None:
    if not errors.size:
        return None
    middle, most = np.percentile(errors, (50, 95))
    return float(middle), float(most)


def _stats(views: Sequence[_View]) -> dict[str, Any]:
    """Return where bodies are in the images of the ring."""
    part = np.concatenate([view.part for view in views])
    pixels = np.where(part[..., 2:] > 0, part[..., :2], np.nan)
    low, high = np.nanmin(pixels, axis=1), np.nanmax(pixels, axis=1)
    center = ((low + high) / 2).mean(axis=0)
    return {
        "bbox_center": [round(float(value), 1) for value in center],
        "bbox_scale": round(float((high - low).max(axis=1).mean()), 1),
        "image_size": [SIDE, SIDE],
    }


def _config(
    motion: MotionSet, root: int, samples: dict[str, int], stats: dict[str, Any] | None, out: Path
) -> str:
    """Return a config over the recipe of lifting that comes with raypose."""
    count = motion.skeleton.num_keypoints
    low, high = _BATCHES
    batch = int(np.clip(samples["train"] // _COUNT_TENTHS, low, high))

    def split(name: str, more: dict[str, Any]) -> dict[str, Any] | None:
        dataset = {
            "type": "Human36mDataset",
            "ann_file": f"{name}.npz",
            "camera_param_file": _CAMERAS,
            "data_root": "${data_root}",
        }
        return {"dataset": {**dataset, **more}} if name in samples else None

    train, val = split("train", {}), split("val", {"test_mode": True})
    if stats is None and train is not None:
        # Cameras of a rig see from their own sides: a mirror image is none of them.
        train["pipeline"] = []
    content: dict[str, Any] = {
        "_base_": _RECIPE,
        "data_root": out.as_posix(),
        "skeleton": SKELETON_FILE,
        "codec": {"num_keypoints": count, "root_index": root},
        "model": {
            "backbone": {"in_channels": 2 * count},
            "head": {"num_joints": count, "loss": {"use_target_weight": True}},
            "test_cfg": {"flip_test": stats is not None, "stats_info": stats},
        },
        "data": {"train": train, "val": val},
        "train": {"epochs": _EPOCHS, "batch_size": batch, "val_interval": 10},
    }
    return yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100)
