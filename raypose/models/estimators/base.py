"""`BasePoseEstimator`: a whole model, from images to poses.

`forward` is pure, for compiling and exporting; `loss` trains; `predict` answers in image space.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError, did_you_mean
from raypose.models.base_module import BaseModule, InitCfg
from raypose.models.data_preprocessors import PoseDataPreprocessor
from raypose.models.heads.base_head import BaseHead
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses, Skeleton


class BasePoseEstimator(BaseModule, ABC):
    """Parent of estimators; children are given as configs or as built modules.

    Args:
        backbone: feature extractor.
        neck: between backbone and head, if any.
        head: owns the loss and the codec, if any.
        train_cfg: options of training, see `train_cfg_keys` here and of the head.
        test_cfg: options of prediction, see `test_cfg_keys` here and of the head.
        data_preprocessor: normalises uint8 images; floating-point inputs pass by it.
        skeleton: name, file, mapping or `Skeleton`; the flip test needs it.
        init_cfg: see `BaseModule`.
    """

    train_cfg_keys: ClassVar[tuple[str, ...]] = ("compute_acc",)
    test_cfg_keys: ClassVar[tuple[str, ...]] = (
        "flip_test",
        "flip_mode",
        "shift_heatmap",
        "shift_coords",
        "output_keypoint_indices",
    )

    def __init__(
        self,
        backbone: Mapping[str, Any] | nn.Module,
        neck: Mapping[str, Any] | nn.Module | None = None,
        head: Mapping[str, Any] | nn.Module | None = None,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: Mapping[str, Any] | nn.Module | None = None,
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(init_cfg)
        self.backbone: nn.Module = MODELS.build(backbone)
        self.neck: nn.Module | None = None if neck is None else MODELS.build(neck)
        self.head: nn.Module | None = None if head is None else MODELS.build(head)
        self.data_preprocessor: nn.Module | None = (
            None if data_preprocessor is None else MODELS.build(data_preprocessor)
        )
        self.train_cfg = dict(train_cfg or {})
        self.test_cfg = dict(test_cfg or {})
        self.skeleton = None if skeleton is None else Skeleton.load(skeleton)
        # Also heads inside a wrapper head.
        modules = [] if self.head is None else self.head.modules()
        heads = [module for module in modules if isinstance(module, BaseHead)]
        train_keys, test_keys = list(self.train_cfg_keys), list(self.test_cfg_keys)
        for item in heads:
            train_keys += item.train_cfg_keys
            test_keys += item.test_cfg_keys
        problems = [
            f"{name}: {type(self).__name__} has no option '{key}'.{did_you_mean(key, known)}"
            for name, given, known in (
                ("train_cfg", self.train_cfg, train_keys),
                ("test_cfg", self.test_cfg, test_keys),
            )
            for key in given
            if key not in known
        ]
        if problems:
            raise ConfigError(problems)
        for item in heads:
            item.train_cfg, item.test_cfg = self.train_cfg, self.test_cfg
            item.skeleton = self.skeleton

    @property
    def with_neck(self) -> bool:
        """Return whether there is a neck."""
        return self.neck is not None

    @property
    def with_head(self) -> bool:
        """Return whether there is a head."""
        return self.head is not None

    def required_head(self) -> BaseHead:
        """Return the head.

        Raises:
            RayposeError: if there is none.
        """
        if self.head is None:
            raise RayposeError(f"this {type(self).__name__} was built without a head")
        return cast(BaseHead, self.head)

    def extract_feat(self, inputs: Tensor) -> Any:
        """Return the features of normalised images, after the neck where there is one."""
        feats = self.backbone(inputs)
        return feats if self.neck is None else self.neck(feats)

    def forward(self, inputs: Tensor) -> Any:
        """Return raw outputs of the network for normalised inputs."""
        feats = self.extract_feat(inputs)
        return feats if self.head is None else self.head(feats)

    @abstractmethod
    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Return losses of a batch whose targets are encoded; `loss*` entries are summed."""

    @abstractmethod
    def predict(self, batch: PoseBatch) -> list[Poses]:
        """Return the poses of each sample in image space."""

    def preprocess(self, batch: PoseBatch) -> Tensor:
        """Return the normalised inputs of a batch.

        Raises:
            ConfigError: for raw images without a `data_preprocessor`.
        """
        inputs = batch.inputs
        if isinstance(inputs, Tensor) and inputs.is_floating_point():
            return inputs
        if self.data_preprocessor is None:
            raise ConfigError(
                f"{type(self).__name__} got raw images but has no data_preprocessor; "
                "add one to the model or give normalised floating-point inputs"
            )
        return self.data_preprocessor(inputs)

    def preprocess_for_loss(self, batch: PoseBatch) -> tuple[Tensor, PoseBatch]:
        """Return normalised inputs and the batch, in training as `batch_augments` change them."""
        inputs = self.preprocess(batch)
        preprocessor: Any = self.data_preprocessor
        if self.training and isinstance(preprocessor, PoseDataPreprocessor):
            return preprocessor.augment(inputs, batch)
        return inputs, batch

    def flip_indices(self, batch: PoseBatch) -> tuple[int, ...]:
        """Return the mirror partner of each keypoint, from the batch or the skeleton.

        Raises:
            ConfigError: if neither knows.
        """
        if batch.flip_indices is not None:
            return batch.flip_indices
        if self.skeleton is None:
            raise ConfigError("flip_test needs the model's 'skeleton' (or flip_indices in data)")
        return self.skeleton.flip_indices

    def mirrored(self, inputs: Tensor, batch: PoseBatch) -> tuple[Tensor, PoseBatch]:
        """Return inputs and batch of a flip test: B samples, then the same B mirrored in x.

        Without `test_cfg.flip_test` both come back as they are.
        """
        if not self.test_cfg.get("flip_test", False):
            return inputs, batch
        flips = self.flip_indices(batch)
        return (
            torch.cat([inputs, inputs.flip(-1)]),
            batch.replace(flip_test=True, flip_indices=flips),
        )
