"""`Predictor`: pictures in, poses out, all stages in this process.

frames -> detector -> boxes -> crops, batched across frames -> pose model -> tracker -> lifter
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import torch

from raypose.errors import DataError
from raypose.inference.assembly import (
    LifterSource,
    PoseSource,
    Tracking,
    build_box_stage,
    build_branches,
)
from raypose.inference.box_stage import ONLY, Boxes
from raypose.inference.frame import Frame, Image
from raypose.inference.loading import DetectorSource
from raypose.inference.pipeline import PosePipeline
from raypose.inference.sources import Source, is_live, iter_frames
from raypose.inference.video_stream import Found, VideoStream, split_by_video
from raypose.models.detectors import Classes
from raypose.structures import Poses

Answer = TypeVar("Answer")
_Weights = str | Path | None


class Predictor(Generic[Answer]):
    """Estimate the poses in images, folders, videos and of cameras.

    Args:
        pose: config of the pose model (path, name, alias or loaded), a checkpoint that holds its
            config, or a built stage. Several models as `{"person": "rtmpose-m", "dog": ...}`:
            each detection goes to the model of its category, and the answer for an image is a
            mapping from category to `Poses`.
        weights: checkpoint of the pose model; see `load_estimator`. By category for several.
        detector: finds the boxes for a top-down model: an ONNX file, a config, a short name
            (`human`, `face`, `hand`, `animal`, `rtmdet`, ...), a mapping with `type`, or a
            detector; see `load_detector`. For several models it has to know their categories, or
            there is one for each: `{"person": "human", "hand": "hand"}`. Without one, boxes come
            with the images; where none come, the whole image is the box.
        detector_weights: checkpoint of a torch detector.
        classes: what the detector looks for, by name or index; by default the first class, or
            the categories of `pose`.
        bbox_thr: least score of a box; the detector's own by default.
        nms_thr: of two boxes whose IoU is larger, the better remains; the detector's own by
            default.
        lifter: config of a 2D-to-3D model, or a built stage. By category for several.
        lifter_weights: checkpoint of the lifter. By category for several.
        tracker: how instances are followed through videos: True, `"oks"`, `"iou"`, or the keys
            of `TrackingSection` as a mapping, smoothing among them. None follows them only for a
            lifter that looks at several frames; False never does, and every frame stands for
            itself.
        device: `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU if there is one.
        batch_size: crops of one call of the pose model, and frames that are worked on together.
        backend: what runs the network of the pose model: `torch`, `onnxruntime`, `openvino`, or
            `auto` for ONNX Runtime on a CPU where it is installed and torch otherwise. The
            network is exported once and held against torch.

    Raises:
        ConfigError: if a model cannot be built or models do not fit together.
        CheckpointError: if weights cannot be had.
        RayposeError: if a backend other than `auto` cannot run the pose model.

    Example:
        A video, frame by frame:

            predictor = Predictor("rtmpose-m", detector="human", tracker=True)
            for frame, poses in predictor("street.mp4"):
                print(frame.index, poses.track_ids, poses.keypoints.shape)
    """

    @overload
    def __init__(
        self: Predictor[Poses],
        pose: PoseSource,
        *,
        weights: _Weights = None,
        detector: DetectorSource | None = None,
        detector_weights: _Weights = None,
        classes: Classes | None = None,
        bbox_thr: float | None = None,
        nms_thr: float | None = None,
        lifter: LifterSource | None = None,
        lifter_weights: _Weights = None,
        tracker: Tracking = None,
        device: str | torch.device = "auto",
        batch_size: int = 8,
        backend: str = "auto",
    ) -> None: ...

    @overload
    def __init__(
        self: Predictor[dict[str, Poses]],
        pose: Mapping[str, PoseSource],
        *,
        weights: Mapping[str, str | Path] | None = None,
        detector: DetectorSource | Mapping[str, DetectorSource] | None = None,
        detector_weights: _Weights = None,
        bbox_thr: float | None = None,
        nms_thr: float | None = None,
        lifter: Mapping[str, LifterSource] | None = None,
        lifter_weights: Mapping[str, str | Path] | None = None,
        tracker: Tracking = None,
        device: str | torch.device = "auto",
        batch_size: int = 8,
        backend: str = "auto",
    ) -> None: ...

    def __init__(
        self,
        pose: Any,
        *,
        weights: Any = None,
        detector: Any = None,
        detector_weights: _Weights = None,
        classes: Classes | None = None,
        bbox_thr: float | None = None,
        nms_thr: float | None = None,
        lifter: Any = None,
        lifter_weights: Any = None,
        tracker: Tracking = None,
        device: str | torch.device = "auto",
        batch_size: int = 8,
        backend: str = "auto",
    ) -> None:
        branches = build_branches(
            pose, weights, lifter, lifter_weights, tracker, device, batch_size, backend
        )
        boxes = build_box_stage(
            branches,
            detector,
            device,
            weights=detector_weights,
            classes=classes,
            score_thr=bbox_thr,
            nms_thr=nms_thr,
        )
        self.pipeline = PosePipeline(boxes, branches)
        self.batch_size = batch_size

    def __call__(
        self,
        source: Source,
        boxes: Iterable[Boxes] | None = None,
        *,
        frame_rate: float | None = None,
    ) -> Generator[tuple[Frame, Answer], None, None]:
        """Yield each picture of a source with its poses, every one once and in order.

        Each video is followed by itself, and pictures are not. Only a few frames are held at a
        time, however long a video is. A camera is asked for its newest picture whenever the
        models are free.

        Args:
            source: an image file, a video, a folder, a camera (`0`, `"webcam:0"`, `rtsp://...`),
                an array (H, W, 3) uint8 BGR, or an iterable of them; see `iter_frames`.
            boxes: for each picture its boxes (N, 4) xyxy, instead of the detector's; for several
                models a mapping from category to boxes.
            frame_rate: frames a second, where the pictures of a folder or an iterable are those
                of one video.

        Yields:
            The frame and its `Poses` in image space. A picture that cannot be read has `error`
            set and no poses.

        Raises:
            DataError: if the source cannot be opened, or `boxes` are fewer than the pictures.
        """
        if frame_rate is not None and not frame_rate > 0:
            raise DataError(f"frame_rate is above 0, got {frame_rate}")
        live = is_live(source)
        size = 1 if live else self.batch_size
        given = None if boxes is None else iter(boxes)
        video: VideoStream | None = None
        last: Frame | None = None
        with closing(_timed(iter_frames(source, 2 * self.batch_size), frame_rate)) as frames:
            while chunk := list(islice(frames, size)):
                found = iter(self.pipeline.find(chunk, _take(given, len(chunk))))
                for begins, part in split_by_video(chunk, last):
                    if begins and video is not None:
                        yield from self.answers(video.flush())
                    if begins:
                        is_video = part[0].time is not None
                        video = self.pipeline.start_video(live) if is_video else None
                    each = list(islice(found, len(part)))
                    if video is None:
                        yield from self.answers(self.pipeline.finish(part, each))
                    else:
                        yield from self.answers(video.push(part, each))
                last = chunk[-1]
        if video is not None:
            yield from self.answers(video.flush())

    def predict(
        self, images: Sequence[Image], boxes: Sequence[Boxes] | None = None
    ) -> list[Answer]:
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
        if boxes is not None and len(boxes) != len(images):
            raise DataError(f"got {len(images)} images and the boxes of {len(boxes)}")
        return self.predict_frames([Frame(source="", image=image) for image in images], boxes)

    def predict_frames(
        self, frames: Sequence[Frame], boxes: Sequence[Boxes] | None = None
    ) -> list[Answer]:
        """Return the poses of each frame by itself; nobody where a frame could not be read.

        Args:
            frames: as a source gives them.
            boxes: for each frame its boxes (N, 4) xyxy, instead of the detector's.

        Raises:
            DataError: if there are fewer lists of boxes than frames.
        """
        done = self.pipeline.finish(frames, self.pipeline.find(frames, boxes))
        return [answer for _, answer in self.answers(done)]

    def stream(self) -> LiveStream[Answer]:
        """Return the memory of a camera of the caller's, to give it picture after picture."""
        return LiveStream(self)

    def answers(self, done: Iterable[tuple[Frame, Found]]) -> Iterator[tuple[Frame, Answer]]:
        """Yield what the pipeline has finished as what the caller expects."""
        for frame, found in done:
            answer: Any = found[ONLY] if ONLY in found else found
            yield frame, answer


class LiveStream(Generic[Answer]):
    """What is remembered of one camera of the caller's.

    Args:
        predictor: the models; any number of cameras may share them.

    Example:
        stream = predictor.stream()
        while True:
            for frame, poses in stream.push(camera.read(), time.monotonic()):
                ...
    """

    def __init__(self, predictor: Predictor[Answer]) -> None:
        self._predictor = predictor
        self._video = predictor.pipeline.start_video(live=True)
        self._count = 0

    def push(self, image: Image, time: float) -> list[tuple[Frame, Answer]]:
        """Take the next picture.

        Args:
            image: (H, W, 3) uint8 BGR.
            time: of the picture, seconds; it grows from picture to picture.

        Returns:
            The pictures that are finished, oldest first: this one at once, or earlier ones where
            smoothing or lifting looks ahead (`tracker={"causal": True}` does not let them).
        """
        frame = Frame(source="", index=self._count, time=time, image=image)
        self._count += 1
        found = self._predictor.pipeline.find([frame])
        return list(self._predictor.answers(self._video.push([frame], found)))

    def flush(self) -> list[tuple[Frame, Answer]]:
        """Return the pictures that are left, at the end."""
        return list(self._predictor.answers(self._video.flush()))


def _timed(frames: Iterator[Frame], frame_rate: float | None) -> Generator[Frame, None, None]:
    """Yield frames, as those of one video where a rate is given; closes their source."""
    try:
        for index, frame in enumerate(frames):
            yield frame if frame_rate is None else replace(frame, time=index / frame_rate)
    finally:
        close = getattr(frames, "close", None)
        if close is not None:
            close()


def _take(boxes: Iterator[Boxes] | None, count: int) -> list[Boxes] | None:
    return None if boxes is None else list(islice(boxes, count))
