"""`Predictor`: pictures in, poses out, all stages in this process.

frames -> detector -> boxes -> crops, batched across frames -> pose model -> lifter
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from raypose.config import Config
from raypose.errors import ConfigError, DataError
from raypose.inference.lift_stage import LiftStage
from raypose.inference.loading import load_detector, load_lift_stage, load_pose_stage
from raypose.inference.pose_stage import PoseStage
from raypose.inference.sources import Frame, iter_frames
from raypose.models.detectors import BaseDetector, Detections
from raypose.structures import Poses

Image = npt.NDArray[np.uint8]


class Predictor:
    """Estimate the poses in images, folders and videos.

    Args:
        pose: config of the pose model (path, name, alias or loaded), a checkpoint that holds its
            config, or a built stage.
        weights: checkpoint of the pose model; see `load_estimator`.
        detector: finds the boxes for a top-down model: an ONNX file, a config, a mapping with
            `type`, or a detector. Without one, boxes come with the images; where none come, the
            whole image is the box.
        lifter: config of a 2D-to-3D model, or a built stage.
        lifter_weights: checkpoint of the lifter.
        device: `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU if there is one.
        batch_size: crops of one call of the pose model, and frames that are worked on together.

    Raises:
        ConfigError: if the models do not fit together.

    Example:
        A video, frame by frame:

            predictor = Predictor("best.pth", detector="rtmdet_nano_person_320.onnx")
            for frame, poses in predictor("street.mp4"):
                print(frame.index, poses.keypoints.shape)
    """

    def __init__(
        self,
        pose: str | Path | Config | PoseStage,
        *,
        weights: str | Path | None = None,
        detector: str | Path | Mapping[str, Any] | BaseDetector | None = None,
        lifter: str | Path | Config | LiftStage | None = None,
        lifter_weights: str | Path | None = None,
        device: str | torch.device = "auto",
        batch_size: int = 8,
    ) -> None:
        self.pose = (
            pose
            if isinstance(pose, PoseStage)
            else load_pose_stage(pose, weights, device, batch_size)
        )
        if detector is not None and self.pose.crop.whole_image:
            raise ConfigError("a bottom-up model finds the people itself; leave the detector out")
        self.detector = None if detector is None else load_detector(detector, device)
        self.lift: LiftStage | None
        if lifter is None or isinstance(lifter, LiftStage):
            self.lift = lifter
        else:
            skeleton = self.pose.estimator.skeleton
            if skeleton is None:
                raise ConfigError("a lifter needs to know the skeleton of the pose model")
            self.lift = load_lift_stage(lifter, skeleton, lifter_weights, device)
        self.batch_size = batch_size

    def __call__(
        self,
        source: str | Path | Image | Iterable[Any],
        boxes: Iterable[npt.ArrayLike] | None = None,
    ) -> Iterator[tuple[Frame, Poses]]:
        """Yield each picture of a source with its poses, in order.

        Only a few frames are held at a time, however long a video is.

        Args:
            source: an image file, a video, a folder, an array (H, W, 3) uint8 BGR, or an iterable
                of them; see `iter_frames`.
            boxes: for each picture its boxes (N, 4) xyxy, instead of the detector's.

        Yields:
            The frame and its `Poses` in image space. A picture that cannot be read has `error`
            set and no poses.

        Raises:
            DataError: if the source cannot be opened, or `boxes` are fewer than the pictures.
        """
        given = None if boxes is None else iter(boxes)
        frames = iter_frames(source)
        while chunk := list(islice(frames, self.batch_size)):
            chunk_boxes = None if given is None else list(islice(given, len(chunk)))
            yield from zip(chunk, self.predict_frames(chunk, chunk_boxes), strict=True)

    def predict(
        self, images: Sequence[Image], boxes: Sequence[npt.ArrayLike] | None = None
    ) -> list[Poses]:
        """Return the poses of each image.

        Args:
            images: B arrays (H_i, W_i, 3) uint8 BGR.
            boxes: for each image its boxes (N, 4) xyxy. Every one of them gets a pose.

        Returns:
            B `Poses` in image space.

        Raises:
            DataError: if the numbers of images and boxes differ.
            ConfigError: if boxes are given to a bottom-up model.
        """
        poses = self.pose(images, self._boxes(images, boxes))
        if self.lift is not None:
            poses = self.lift(poses, [image.shape[1::-1] for image in images])
        return poses

    def predict_frames(
        self, frames: Sequence[Frame], boxes: Sequence[npt.ArrayLike] | None = None
    ) -> list[Poses]:
        """Return the poses of each frame; nobody where a frame could not be read.

        Args:
            frames: as a source gives them.
            boxes: for each frame its boxes (N, 4) xyxy, instead of the detector's.

        Raises:
            DataError: if there are fewer lists of boxes than frames.
        """
        if boxes is not None and len(boxes) < len(frames):
            raise DataError("there are more pictures than lists of boxes")
        readable = [i for i, frame in enumerate(frames) if frame.image is not None]
        images = [image for frame in frames if (image := frame.image) is not None]
        found = self.predict(images, None if boxes is None else [boxes[i] for i in readable])
        poses = [Poses.empty(self.pose.num_keypoints)] * len(frames)
        for i, pose in zip(readable, found, strict=True):
            poses[i] = pose
        return poses

    def _boxes(
        self, images: Sequence[Image], boxes: Sequence[npt.ArrayLike] | None
    ) -> list[Detections] | None:
        if self.pose.crop.whole_image:
            if boxes is not None:
                raise ConfigError("a bottom-up model takes no boxes: it finds the people itself")
            return None
        if boxes is not None:
            return [Detections.from_boxes(each) for each in boxes]
        if self.detector is not None:
            return self.detector.detect(images)
        return [Detections.from_boxes([[0, 0, *image.shape[1::-1]]]) for image in images]
