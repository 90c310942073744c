"""`SingleStageDetector`: a torch network whose cells hold boxes.

B images, A cells of all maps, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from raypose.models.base_module import BaseModule, InitCfg
from raypose.models.detectors.base import BaseDetector, Detections, Image
from raypose.models.detectors.class_names import Classes, find_classes, names_by_number
from raypose.models.detectors.letterbox import check_thresholds, letterbox, select, to_image
from raypose.registry import MODELS


class SingleStageDetector(BaseModule, BaseDetector):
    """Parent of RTMDet and YOLOX, with MMDetection's state-dict keys.

    Args:
        backbone: config of the feature extractor, or a module.
        neck: config of what is between backbone and head, or a module.
        bbox_head: config of the head, or a module; it has `num_classes`, and its `predict` gives
            boxes and scores.
        data_preprocessor: normalises images, a config or a module; by default as the family was
            trained.
        input_size: (w, h) of the network's input.
        score_thr: least score of a box.
        nms_thr: of two boxes of a class whose IoU is larger, the better remains; by default what
            the family was published with.
        classes: classes to keep, by name or index, None for all; 0 is the person of COCO.
        max_per_image: most boxes of an image, the best ones.
        batch_size: images of one call of the network.
        init_cfg: where the weights come from, as a rule `{type: Pretrained, checkpoint: ...}`;
            the file is read when the detector is made ready.
        class_names: what the classes are called; by default COCO's for 80 of them and `person`
            for one.

    Raises:
        ConfigError: for arguments out of range, or `classes` that are not there.
    """

    default_preprocessor: ClassVar[Mapping[str, Any]]
    default_nms_thr: ClassVar[float]

    def __init__(
        self,
        backbone: Mapping[str, Any] | nn.Module,
        neck: Mapping[str, Any] | nn.Module,
        bbox_head: Mapping[str, Any] | nn.Module,
        data_preprocessor: Mapping[str, Any] | nn.Module | None = None,
        input_size: Sequence[int] = (640, 640),
        score_thr: float = 0.3,
        nms_thr: float | None = None,
        classes: Classes | None = (0,),
        max_per_image: int = 100,
        batch_size: int = 8,
        init_cfg: InitCfg = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        check_thresholds(score_thr=score_thr, nms_thr=nms_thr)
        self.backbone: nn.Module = MODELS.build(backbone)
        self.neck: nn.Module = MODELS.build(neck)
        self.bbox_head: Any = MODELS.build(bbox_head)
        self.data_preprocessor: nn.Module = MODELS.build(
            self.default_preprocessor if data_preprocessor is None else data_preprocessor
        )
        self.input_size = (int(input_size[0]), int(input_size[1]))
        self.score_thr = score_thr
        self.nms_thr = self.default_nms_thr if nms_thr is None else nms_thr
        self._class_names = (
            names_by_number(self.bbox_head.num_classes)
            if class_names is None
            else tuple(class_names)
        )
        self._classes = (
            None
            if classes is None
            else find_classes(classes, self._class_names, type(self).__name__)
        )
        self.max_per_image = max_per_image
        self.batch_size = batch_size
        self._ready = False
        self.eval()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; see `BaseDetector.class_names`."""
        return self._class_names

    @property
    def classes(self) -> npt.NDArray[np.int64] | None:
        """Indices of the classes that are looked for; see `BaseDetector.classes`."""
        return self._classes

    def forward(self, inputs: Tensor) -> Any:
        """Return the raw outputs of the head for normalised images (B, 3, H, W)."""
        return self.bbox_head(self.neck(self.backbone(inputs)))

    def to(self, device: Any) -> SingleStageDetector:
        """Load the weights, once, and move to a device; see `BaseDetector.to`."""
        if not self._ready and self.init_cfg is not None:
            self.init_weights()
        self._ready = True
        nn.Module.to(self, device)
        return self

    @torch.inference_mode()
    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Find the instances of each image; see `BaseDetector.detect`."""
        device = next(self.parameters()).device
        if not self._ready:
            self.to(device)
        found: list[Detections] = []
        for start in range(0, len(images), self.batch_size):
            found += self._detect_batch(images[start : start + self.batch_size], device)
        return found

    def _detect_batch(self, images: Sequence[Image], device: torch.device) -> list[Detections]:
        canvases, ratios = letterbox(images, self.input_size)
        pixels = torch.from_numpy(canvases).to(device).permute(0, 3, 1, 2)
        outputs = self(self.data_preprocessor(pixels))
        boxes, scores = (values.cpu().numpy() for values in self.bbox_head.predict(outputs))
        return [
            to_image(
                select(boxes[i], scores[i], self.score_thr, self.nms_thr),
                image,
                ratio,
                self.score_thr,
                self.classes,
                self.max_per_image,
            )
            for i, (image, ratio) in enumerate(zip(images, ratios, strict=True))
        ]
