"""`LiftStage`: 2D poses of single images to 3D.

N instances, T frames of the lifter's window, K keypoints of the lifter's skeleton.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import ConfigError, RayposeError
from raypose.models.estimators.base import BasePoseEstimator
from raypose.ops.h36m_joints import keypoints_to_h36m
from raypose.structures import PoseBatch, Poses, Skeleton

Floats = npt.NDArray[np.float32]


class LiftStage:
    """Lift each pose by itself; a lifter of T frames sees the one frame T times.

    A lifter knows poses of the size and place they had in its training images. Its `test_cfg`
    may say where that was, as MMPose's `stats_info` does: `bbox_center` (x, y) and `bbox_scale`
    (the longer side of a person's box) in images of `image_size` (w, h). Then every pose is
    brought there first; otherwise it is taken where it is in its image.

    Args:
        lifter: the model, in evaluation mode.
        codec: makes its input.
        source: skeleton of the poses that come.
        target: skeleton of the lifter, Human3.6M or one with the same keypoints as `source`.
        num_frames: T.
        batch_size: poses of one call of the model.
        device: where the model runs.

    Raises:
        ConfigError: if poses of `source` cannot be turned into those of `target`, or `stats_info`
            is incomplete.
    """

    def __init__(
        self,
        lifter: BasePoseEstimator,
        codec: BaseKeypointCodec,
        source: Skeleton,
        target: Skeleton,
        num_frames: int = 1,
        batch_size: int = 64,
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.lifter = lifter.to(self.device)
        self.codec = codec
        self.num_frames = num_frames
        self.batch_size = batch_size
        self._source = source
        self._order = _order(source, target)
        self._stats = _read_stats(lifter.test_cfg.get("stats_info"))

    def __call__(self, poses: Sequence[Poses], image_sizes: Sequence[Sequence[int]]) -> list[Poses]:
        """Add `keypoints_3d` to the poses of each image.

        Args:
            poses: of B images, in image space.
            image_sizes: (w, h) of each image.

        Returns:
            The same poses; `keypoints_3d` (N, K, 3) in the unit and frame the lifter was trained
            for.
        """
        counts = [len(found) for found in poses]
        sizes = np.repeat(np.asarray(image_sizes, np.float32).reshape(-1, 2), counts, axis=0)
        flat = [self.convert(found.keypoints[..., :2]) for found in poses]
        keypoints = np.concatenate(flat) if flat else np.zeros((0, 0, 2), np.float32)
        if self._stats is not None:
            boxes = [found.bboxes for found in poses]
            keypoints, sizes = self._stats.place(keypoints, _boxes(boxes, flat))
        lifted = self.lift(keypoints, sizes)
        parts = np.split(lifted, np.cumsum(counts)[:-1]) if counts else []
        return [found.replace(keypoints_3d=part) for found, part in zip(poses, parts, strict=True)]

    def convert(self, keypoints: Floats) -> Floats:
        """Bring keypoints (N, K', 2) of the source skeleton into the lifter's order."""
        if self._order is None:
            return keypoints_to_h36m(keypoints, self._source.keypoint_names)
        return keypoints[:, self._order]

    @torch.inference_mode()
    def lift(self, keypoints: Floats, image_sizes: Floats) -> Floats:
        """Lift poses (N, K, 2) of images of the given sizes (N, 2) to (N, K, 3)."""
        N, K, _ = keypoints.shape
        lifted = np.zeros((N, K, 3), np.float32)
        for start in range(0, N, self.batch_size):
            chunk = slice(start, start + self.batch_size)
            batch = self._batch(keypoints[chunk], image_sizes[chunk]).to(self.device)
            results = self.lifter.predict(self.codec.encode_batch(batch))
            lifted[chunk] = [result.keypoints[-1] for result in results]
        return lifted

    def _batch(self, keypoints: Floats, image_sizes: Floats) -> PoseBatch:
        N, K, _ = keypoints.shape
        T = self.num_frames
        frames = torch.from_numpy(keypoints)[:, None].repeat(1, T, 1, 1)
        cameras = [_camera(float(width), float(height)) for width, height in image_sizes]
        return PoseBatch(
            keypoints=frames,
            keypoints_visible=torch.ones(N, T, K),
            num_instances=torch.full((N,), T),
            annotations={
                "camera_param": cameras,
                "lifting_target": torch.zeros(N, 1, K, 3),
                "lifting_target_visible": torch.ones(N, 1, K),
            },
        )


def _camera(width: float, height: float) -> dict[str, Any]:
    """What is known of a camera; only losses read its focal lengths and centre."""
    focal = np.full((2, 1), width, np.float32)
    center = np.array([[width / 2], [height / 2]], np.float32)
    return {"w": width, "h": height, "f": focal, "c": center}


class _Stats:
    """Where the people of the training images were."""

    def __init__(self, center: Floats, scale: float, image_size: Floats) -> None:
        self.center = center
        self.scale = scale
        self.image_size = image_size

    def place(self, keypoints: Floats, boxes: Floats) -> tuple[Floats, Floats]:
        """Bring poses there; returns them and the size of their images."""
        center = (boxes[:, :2] + boxes[:, 2:]) / 2
        extent = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0), 1e-3)
        factor = (self.scale / extent)[:, None, None]
        placed = (keypoints - center[:, None]) * factor + self.center
        return placed.astype(np.float32), np.tile(self.image_size, (len(keypoints), 1))


def _read_stats(stats: Mapping[str, Any] | None) -> _Stats | None:
    if stats is None:
        return None
    keys = ("bbox_center", "bbox_scale", "image_size")
    if set(stats) != set(keys):
        raise ConfigError(
            f"test_cfg.stats_info of a lifter has {', '.join(keys)}; got {', '.join(stats)}"
        )
    return _Stats(
        np.asarray(stats["bbox_center"], np.float32),
        float(stats["bbox_scale"]),
        np.asarray(stats["image_size"], np.float32),
    )


def _boxes(given: Sequence[Floats | None], keypoints: Sequence[Floats]) -> Floats:
    """Return the box of each pose: the one it was found in, else the one round its keypoints."""
    boxes = [
        np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1) if box is None else box
        for box, points in zip(given, keypoints, strict=True)
    ]
    return np.concatenate(boxes) if boxes else np.zeros((0, 4), np.float32)


def _order(source: Skeleton, target: Skeleton) -> list[int] | None:
    """Return for each keypoint of `target` its index in `source`, None for the Human3.6M rules."""
    if set(source.keypoint_names) >= set(target.keypoint_names):
        return [source.keypoint_names.index(name) for name in target.keypoint_names]
    if target.name == "h36m":
        try:
            empty = np.zeros((0, source.num_keypoints, 2), np.float32)
            keypoints_to_h36m(empty, source.keypoint_names)
        except RayposeError as error:
            raise ConfigError(
                f"the lifter takes Human3.6M poses and gets those of '{source.name}': {error}"
            ) from error
        return None
    missing = sorted(set(target.keypoint_names) - set(source.keypoint_names))
    raise ConfigError(
        f"the lifter's skeleton '{target.name}' has keypoints that '{source.name}' does not: "
        f"{', '.join(missing)}"
    )
