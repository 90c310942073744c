"""`ONNXDetector`: any RTMDet or YOLOX in an ONNX file.

image space -> letterbox -> input space -> network -> decode, threshold, NMS -> image space

B images, A candidate boxes, C classes, N boxes that remain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError, did_you_mean
from raypose.models.detectors import rtmdet, yolox
from raypose.models.detectors.base import BaseDetector, Detections, Image
from raypose.models.detectors.class_names import (
    Classes,
    find_classes,
    names_by_number,
    names_in_metadata,
)
from raypose.models.detectors.letterbox import check_thresholds, letterbox, select, to_image
from raypose.models.detectors.onnx_session import OnnxSession
from raypose.registry import MODELS


class _Family(NamedTuple):
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    nms_thr: float
    matches: Callable[[Mapping[str, npt.NDArray[Any]]], bool]
    decode: Callable[..., tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]


_FAMILIES = {
    "rtmdet": _Family(
        rtmdet.MEAN, rtmdet.STD, rtmdet.NMS_THR, rtmdet.is_rtmdet, rtmdet.decode_rtmdet
    ),
    "yolox": _Family(yolox.MEAN, yolox.STD, yolox.NMS_THR, yolox.is_yolox, yolox.decode_yolox),
}


@MODELS.register_module()
class ONNXDetector(BaseDetector):
    """Detect with an RTMDet or YOLOX network exported to ONNX.

    Takes raw exports (RTMDet's maps, YOLOX's cells, decoded or not) and exports that end in
    non-maximum suppression (outputs `dets` (B, N, 5) and `labels` (B, N), as MMDeploy writes).

    Args:
        onnx_file: the network.
        family: `rtmdet` or `yolox`; `auto` tells them apart by their outputs, or by the name of
            the file where these are `dets` and `labels`.
        input_size: (w, h) of the network's input, for files that leave it free.
        score_thr: least score of a box.
        nms_thr: of two boxes of a class whose IoU is larger, the better remains; by default what
            the family was published with (RTMDet 0.6, YOLOX 0.45). Exports that suppress by
            themselves have a threshold of their own.
        classes: classes to keep, by name or index, None for all; 0 is the person of COCO.
        max_per_image: most boxes of an image, the best ones.
        backend: `auto` (ONNX Runtime where installed), `onnxruntime` or `opencv`.
        batch_size: images of one call, for files that leave it free.
        num_threads: threads of one call; as many as torch uses by default.
        class_names: what the classes are called; by default what the file says, else COCO's for
            80 classes and `person` for one.

    Raises:
        ConfigError: for arguments out of range; where the file is opened, for `classes` that it
            does not have.

    Example:
        type: ONNXDetector
        onnx_file: rtmdet_nano_person_320.onnx
        score_thr: 0.4
    """

    def __init__(
        self,
        onnx_file: str | Path,
        family: str = "auto",
        input_size: Sequence[int] | None = None,
        score_thr: float = 0.3,
        nms_thr: float | None = None,
        classes: Classes | None = (0,),
        max_per_image: int = 100,
        backend: str = "auto",
        batch_size: int = 8,
        num_threads: int | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        choices = ("auto", *_FAMILIES)
        if family not in choices:
            raise ConfigError(
                f"family is one of {', '.join(choices)}, got {family!r}."
                + did_you_mean(family, choices)
            )
        check_thresholds(score_thr=score_thr, nms_thr=nms_thr)
        self.onnx_file = Path(onnx_file)
        self.score_thr = score_thr
        self.nms_thr = nms_thr
        self.max_per_image = max_per_image
        self._classes = classes
        self._class_names = class_names
        self._family = family
        self._input_size = None if input_size is None else (int(input_size[0]), int(input_size[1]))
        self._batch_size = batch_size
        self._backend = backend
        self._num_threads = num_threads
        self._open_session: OnnxSession | None = None

    def to(self, device: str) -> ONNXDetector:
        """Open the network on a device; see `BaseDetector.to`."""
        self._open_session = OnnxSession(self.onnx_file, self._backend, device, self._num_threads)
        _ = self.family, self.classes
        return self

    @property
    def _session(self) -> OnnxSession:
        if self._open_session is None:
            self._open_session = OnnxSession(
                self.onnx_file, self._backend, "cpu", self._num_threads
            )
        return self._open_session

    @cached_property
    def input_size(self) -> tuple[int, int]:
        """Size (w, h) of the network's input.

        Raises:
            ConfigError: if neither the file nor `input_size` says, or they disagree.
        """
        height, width = self._session.input_shape[2:]
        given = self._input_size
        if width is None or height is None:
            if given is None:
                raise ConfigError(f"{self.onnx_file} takes any size; give input_size: [w, h]")
            return given
        if given not in (None, (width, height)):
            raise ConfigError(
                f"{self.onnx_file} takes {width}x{height}, not input_size {list(given)}"
            )
        return width, height

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; see `BaseDetector.class_names`."""
        if self._class_names is not None:
            return tuple(self._class_names)
        said = names_in_metadata(self._session.metadata)
        if said or self._suppresses:
            return said
        channels = self._session.output_shapes[0][-1]
        # Boxes come beside the classes: 4 numbers, and the objectness of YOLOX.
        boxes = {"rtmdet": 4, "yolox": 5}[self.family]
        return () if channels is None else names_by_number(channels - boxes)

    @property
    def classes(self) -> npt.NDArray[np.int64] | None:
        """Indices of the classes that are looked for; see `BaseDetector.classes`.

        Raises:
            ConfigError: if the network does not have one of them.
        """
        return self._kept

    @cached_property
    def _kept(self) -> npt.NDArray[np.int64] | None:
        if self._classes is None:
            return None
        return find_classes(self._classes, self.class_names, str(self.onnx_file))

    @cached_property
    def family(self) -> str:
        """Family of the network, `rtmdet` or `yolox`.

        Raises:
            ConfigError: if it cannot be told.
        """
        if self._family != "auto":
            return self._family
        if self._suppresses:
            named = [name for name in _FAMILIES if name in self.onnx_file.name.lower()]
        else:
            width, height = self.input_size
            B = self._session.input_shape[0] or 1
            outputs = self._session(np.zeros((B, 3, height, width), np.float32))
            named = [name for name, family in _FAMILIES.items() if family.matches(outputs)]
        if len(named) != 1:
            raise ConfigError(
                f"{self.onnx_file}: cannot tell whether this is RTMDet or YOLOX (outputs "
                f"{', '.join(self._session.output_names)}); give family: rtmdet or yolox"
            )
        return named[0]

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Find the instances of each image; see `BaseDetector.detect`."""
        size = self._session.input_shape[0] or self._batch_size
        found: list[Detections] = []
        for start in range(0, len(images), size):
            found += self._detect_batch(images[start : start + size])
        return found

    def _detect_batch(self, images: Sequence[Image]) -> list[Detections]:
        family = _FAMILIES[self.family]
        # A file that fixes the batch size gets that many, the missing ones empty.
        canvases, ratios = letterbox(images, self.input_size, self._session.input_shape[0])
        outputs = self._session(_normalize(canvases, family.mean, family.std))
        candidates = (
            _read_suppressed(outputs) if self._suppresses else self._select(family, outputs)
        )
        return [
            to_image(candidate, image, ratio, self.score_thr, self.classes, self.max_per_image)
            for candidate, image, ratio in zip(candidates, images, ratios, strict=False)
        ]

    @property
    def _suppresses(self) -> bool:
        return {"dets", "labels"} <= set(self._session.output_names)

    def _select(self, family: _Family, outputs: Mapping[str, npt.NDArray[Any]]) -> list[Detections]:
        """Return for each image its candidates that pass threshold and suppression."""
        all_boxes, all_scores = family.decode(outputs, self.input_size)
        nms_thr = family.nms_thr if self.nms_thr is None else self.nms_thr
        return [
            select(boxes, scores, self.score_thr, nms_thr)
            for boxes, scores in zip(all_boxes, all_scores, strict=True)
        ]


def _normalize(
    images: Image, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> npt.NDArray[np.float32]:
    """Return (B, H, W, 3) uint8 as normalised (B, 3, H, W) float32."""
    out = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)
    if any(mean) or set(std) != {1.0}:
        out -= np.asarray(mean, np.float32)[:, None, None]
        out *= 1 / np.asarray(std, np.float32)[:, None, None]
    return out


def _read_suppressed(outputs: Mapping[str, npt.NDArray[Any]]) -> list[Detections]:
    return [
        Detections(boxes=dets[:, :4], scores=dets[:, 4], labels=labels.astype(np.int64))
        for dets, labels in zip(outputs["dets"], outputs["labels"], strict=True)
    ]
