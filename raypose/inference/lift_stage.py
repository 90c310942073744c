"""`LiftStage`: 2D poses around frames to the 3D poses of these frames.

N instances, T frames of the lifter's window, K' keypoints of the 2D poses, K of the lifter's
skeleton.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import ConfigError, RayposeError, did_you_mean
from raypose.inference.lift_windows import LiftInput, LiftWindows
from raypose.models.estimators.base import BasePoseEstimator
from raypose.ops.display import METRES
from raypose.structures import PoseBatch, Poses, Skeleton, SkeletonConversion

Floats = npt.NDArray[np.float32]


class LiftStage:
    """Lift people in the windows of their frames, those of all frames in common batches.

    `single_frame` makes the windows of an image by itself, `windows()` a memory that makes those
    of a video.

    The lifter's `test_cfg` may say:

    * `stats_info`, as MMPose's: a lifter knows poses of the size and place they had in its
      training images. That was with `bbox_center` (x, y) and `bbox_scale` (the longer side of a
      person's box) in images of `image_size` (w, h). Then every window is brought there first,
      as a whole and by the box of its frame; otherwise it is taken where it is in its image.
    * `conversion`: how its keypoints are made of those of the 2D poses, see
      `raypose.structures.SkeletonConversion`. By default the names of the keypoints decide.
    * `unit`: `m`, `cm` or `mm`, the unit of the poses it was trained on; `m` by default, as the
      datasets of motion capture are.

    Args:
        lifter: the model, in evaluation mode.
        codec: makes its input.
        source: skeleton of the poses that come.
        target: skeleton of the lifter.
        num_frames: T.
        frame: index in the window of the frame that the model answers for; the middle by default.
        step: distance between the frames of a window.
        multiple: the model answers for every frame of its window.
        scored: it was trained with detected keypoints, and takes their scores for visibility;
            otherwise every keypoint counts as seen.
        batch_size: windows of one call of the model.
        device: where the model runs.

    Attributes:
        num_frames: T.
        target: index in the window of the frame that the model answers for.
        step: distance between the frames of a window.
        source: skeleton of the poses that come.
        skeleton: skeleton of the answers.
        unit: of the answers.

    Raises:
        ConfigError: if poses of `source` cannot be turned into those of `target`, or `test_cfg`
            is wrong.
    """

    def __init__(
        self,
        lifter: BasePoseEstimator,
        codec: BaseKeypointCodec,
        source: Skeleton,
        target: Skeleton,
        num_frames: int = 1,
        *,
        frame: int | None = None,
        step: int = 1,
        multiple: bool = False,
        scored: bool = False,
        batch_size: int = 64,
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.lifter = lifter.to(self.device)
        self.codec = codec
        self.source = source
        self.skeleton = target
        self.num_frames = num_frames
        self.target = num_frames // 2 if frame is None else frame
        self.step = step
        self.multiple = multiple
        self.scored = scored
        self.batch_size = batch_size
        self.unit = _read_unit(lifter.test_cfg.get("unit", "m"))
        self._conversion = _conversion(source, target, lifter.test_cfg.get("conversion"))
        self._stats = _read_stats(lifter.test_cfg.get("stats_info"))

    def windows(self, causal: bool) -> LiftWindows:
        """Return an empty memory for a video.

        Args:
            causal: every frame is lifted at once, from what is known until then. Otherwise the
                lifter sees what it saw in training, and a frame waits for those after it, of
                which a model that answers for the last frame needs none.
        """
        # A model that knows an answer for every frame needs no made-up future.
        target = self.num_frames - 1 if causal and self.multiple else self.target
        return LiftWindows(self.num_frames, target, self.step, causal=causal)

    def __call__(self, inputs: Sequence[LiftInput]) -> list[Poses]:
        """Add `keypoints_3d` to the poses of each frame.

        Args:
            inputs: B frames with the windows of their people.

        Returns:
            The poses of each frame; `keypoints_3d` (N, K, 3) in the `unit` and frame the lifter
            was trained for.

        Raises:
            RayposeError: if windows are of another length than the lifter's.
        """
        for item in inputs:
            if item.windows.shape[1] != self.num_frames:
                raise RayposeError(
                    f"the lifter takes windows of {self.num_frames} frames, got "
                    f"{item.windows.shape[1]}"
                )
        if not inputs:
            return []
        counts = [len(item.poses) for item in inputs]
        sizes = np.repeat(np.array([item.image_size for item in inputs], np.float32), counts, 0)
        keypoints = self._conversion.keypoints(np.concatenate([item.windows for item in inputs]))
        scores = self._conversion.scores(np.concatenate([item.scores for item in inputs]))
        if self._stats is not None:
            boxes = np.concatenate([_boxes(item) for item in inputs])
            keypoints, sizes = self._stats.place(keypoints, boxes)
        targets = np.repeat([item.target for item in inputs], counts)
        lifted = self.lift(keypoints, scores, sizes, targets)
        parts = np.split(lifted, np.cumsum(counts)[:-1])
        return [
            item.poses.replace(keypoints_3d=part) for item, part in zip(inputs, parts, strict=True)
        ]

    @torch.inference_mode()
    def lift(
        self,
        keypoints: Floats,
        scores: Floats,
        image_sizes: Floats,
        targets: npt.NDArray[np.int64],
    ) -> Floats:
        """Lift windows of the lifter's keypoints.

        Args:
            keypoints: (N, T, K, 2) pixels.
            scores: (N, T, K).
            image_sizes: (N, 2) width and height of the images.
            targets: (N,) which frame of the window is wanted from a model that answers for all.

        Returns:
            (N, K, 3).
        """
        N, T, K, _ = keypoints.shape
        lifted = np.zeros((N, K, 3), np.float32)
        for start in range(0, N, self.batch_size):
            chunk = slice(start, start + self.batch_size)
            batch = self.encode(keypoints[chunk], scores[chunk], image_sizes[chunk])
            answers = [answer.keypoints for answer in self.lifter.predict(batch)]
            lifted[chunk] = [
                answer[target if len(answer) == T else -1]
                for answer, target in zip(answers, targets[chunk], strict=True)
            ]
        return lifted

    def encode(self, keypoints: Floats, scores: Floats, image_sizes: Floats) -> PoseBatch:
        """Return windows as a batch with the model's inputs; arguments as of `lift`."""
        N, T, K, _ = keypoints.shape
        visible = torch.from_numpy(scores) if self.scored else torch.ones(N, T, K)
        cameras = [_camera(float(width), float(height)) for width, height in image_sizes]
        batch = PoseBatch(
            keypoints=torch.from_numpy(keypoints),
            keypoints_visible=visible,
            num_instances=torch.full((N,), T),
            annotations={
                "camera_param": cameras,
                "lifting_target": torch.zeros(N, 1, K, 3),
                "lifting_target_visible": torch.ones(N, 1, K),
            },
        )
        return self.codec.encode_batch(batch.to(self.device))


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
        """Bring windows (N, T, K, 2) there; returns them and the size of their images."""
        center = (boxes[:, :2] + boxes[:, 2:]) / 2
        extent = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0), 1e-3)
        factor = (self.scale / extent)[:, None, None, None]
        placed = (keypoints - center[:, None, None]) * factor + self.center
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


def _boxes(item: LiftInput) -> Floats:
    """Return the box (N, 4) of each person: the one it was found in, else round its keypoints."""
    if item.poses.bboxes is not None:
        return item.poses.bboxes
    points = item.poses.keypoints[..., :2]
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


def _read_unit(unit: Any) -> str:
    if unit not in METRES:
        raise ConfigError(
            f"test_cfg.unit of a lifter is one of {', '.join(METRES)}, got {unit!r}."
            + did_you_mean(str(unit), list(METRES))
        )
    return unit


def _conversion(source: Skeleton, target: Skeleton, joints: Any) -> SkeletonConversion:
    try:
        return SkeletonConversion.between(source, target, joints)
    except ConfigError as error:
        hint = "test_cfg.conversion of the lifter says what its keypoints are made of"
        raise ConfigError([*error.problems, hint]) from error
