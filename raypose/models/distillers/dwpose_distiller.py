"""`DWPoseDistiller`: a small SimCC model learns from a larger one, or from itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import Self

from raypose.config import build_model, load_config
from raypose.errors import ConfigError, did_you_mean
from raypose.models.base_module import BaseModule, InitCfg
from raypose.models.checkpoint import load_pretrained
from raypose.models.estimators.base import BasePoseEstimator
from raypose.models.estimators.topdown import TopdownPoseEstimator
from raypose.models.heads.simcc_head import BaseSimCCHead
from raypose.models.losses.distillation import DistillationLoss
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses, Skeleton

Estimator = str | Mapping[str, Any] | nn.Module
_LOSSES = ("loss_fea", "loss_logit")
_TRAIN_OPTIONS = ("compute_acc",)


@MODELS.register_module()
class DWPoseDistiller(BaseModule):
    """Train a student on the targets and on what a teacher says; both are top-down SimCC models.

    Yang et al.: "Effective Whole-body Pose Estimation with Two-stages Distillation", ICCVW 2023.

    The teacher never changes. In the first stage the student learns from its features
    (`FeaLoss`) and its outputs (`KDLoss`), less and less: both fade to nothing over the run. In
    the second stage, `two_dis`, only the student's head learns, on the teacher's features and
    from its outputs. The distiller takes the place of an estimator.

    Args:
        teacher_cfg: name or file of a config, a mapping (of a model or with a `model`), or an
            estimator.
        student_cfg: the same.
        two_dis: whether this is the second stage.
        distill_cfg: list of mappings whose `methods` are lists of losses, named `loss_fea` and
            `loss_logit`.
        teacher_pretrained: checkpoint of the teacher, read by `init_weights`.
        train_cfg: options of training: `compute_acc`; those of the student by default.
        data_preprocessor: normalises uint8 images for both; that of the student by default.
        skeleton: for a teacher and a student that do not name their own.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for models without a SimCC head, losses that are unknown or do not fit the
            stage, or an unknown option.

    Example:
        type: DWPoseDistiller
        teacher_cfg: &model
          type: TopdownPoseEstimator
          backbone: {type: ResNet, depth: 18}
          head:
            type: SimCCHead
            in_channels: 512
            out_channels: 17
            input_size: [192, 256]
            in_featuremap_size: [6, 8]
            deconv_out_channels: null
            decoder: {type: SimCCLabel, input_size: [192, 256]}
        student_cfg: *model
        distill_cfg:
          - methods:
              - {type: FeaLoss, name: loss_fea, use_this: true, student_channels: 512,
                 teacher_channels: 512}
          - methods:
              - {type: KDLoss, name: loss_logit, use_this: true, weight: 0.1}
    """

    fade: Tensor

    def __init__(
        self,
        teacher_cfg: Estimator,
        student_cfg: Estimator,
        two_dis: bool = False,
        distill_cfg: Sequence[Mapping[str, Any]] | None = None,
        teacher_pretrained: str | None = None,
        train_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: Mapping[str, Any] | nn.Module | None = None,
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(init_cfg)
        known = None if skeleton is None else Skeleton.load(skeleton)
        self.teacher = _estimator("teacher_cfg", teacher_cfg, known)
        self.student = _estimator("student_cfg", student_cfg, known)
        self.data_preprocessor: nn.Module | None = (
            None if data_preprocessor is None else MODELS.build(data_preprocessor)
        )
        self.two_dis = two_dis
        self.teacher_pretrained = teacher_pretrained
        self.distill_losses = nn.ModuleDict(_losses(distill_cfg or [], two_dis))
        self.register_buffer("fade", torch.ones(()), persistent=False)
        if train_cfg is not None:
            self._set_train_cfg(train_cfg)
        self.teacher.eval().requires_grad_(False)
        if two_dis:  # the student sees the teacher's features: its own layers have no say
            for module in (self.student.backbone, self.student.neck):
                if module is not None:
                    module.requires_grad_(False)

    @property
    def test_cfg(self) -> dict[str, Any]:
        """Return the options of prediction, which are the student's."""
        return self.student.test_cfg

    @property
    def skeleton(self) -> Skeleton | None:
        """Return the student's skeleton."""
        return self.student.skeleton

    def init_weights(self) -> None:
        """Start the student, and the teacher from its checkpoint.

        Raises:
            CheckpointError: if that cannot be loaded.
        """
        self.student.init_weights()
        if self.teacher_pretrained is not None:
            load_pretrained(self.teacher, self.teacher_pretrained)

    def train(self, mode: bool = True) -> Self:
        """Switch the student to training; the teacher stays in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Say where the training is: the losses of the first stage fade linearly.

        Args:
            epoch: counted from 0.
            epochs: length of the run.
        """
        self.fade.fill_(1.0 if self.two_dis else 1 - epoch / epochs)

    def forward(self, inputs: Tensor) -> Any:
        """Return the student's raw outputs for normalised inputs."""
        return self.student(inputs)

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Return the losses of the student's head, and `loss_fea` and `loss_logit` if built."""
        inputs = self._preprocess(batch)
        teacher, student = _simcc_head(self.teacher), _simcc_head(self.student)
        with torch.no_grad():
            taught = self.teacher.extract_feat(inputs)
            answer = teacher(taught)
        feats = taught if self.two_dis else self.student.extract_feat(inputs)
        outputs = student(feats)
        losses = student.losses_of(outputs, batch)
        if "loss_fea" in self.distill_losses:
            error = self.distill_losses["loss_fea"](feats[-1], taught[-1])
            losses["loss_fea"] = self.fade * error
        if "loss_logit" in self.distill_losses:
            beta = getattr(student.loss_module, "beta", 1.0)
            divergence = self.distill_losses["loss_logit"](outputs, answer, beta)
            losses["loss_logit"] = self.fade * divergence
        return losses

    @torch.no_grad()
    def predict(self, batch: PoseBatch) -> list[Poses]:
        """Return what the student answers; see `TopdownPoseEstimator.predict`.

        In the second stage its head reads the teacher's features.
        """
        inputs, batch = self.student.mirrored(self._preprocess(batch), batch)
        model = self.teacher if self.two_dis else self.student
        return self.student.predict_from(model.extract_feat(inputs), batch)

    def _preprocess(self, batch: PoseBatch) -> Tensor:
        inputs = batch.inputs
        normalised = isinstance(inputs, Tensor) and inputs.is_floating_point()
        if self.data_preprocessor is None or normalised:
            return self.student.preprocess(batch)
        return self.data_preprocessor(inputs)

    def _set_train_cfg(self, options: Mapping[str, Any]) -> None:
        problems = [
            f"train_cfg: DWPoseDistiller has no option '{key}'.{did_you_mean(key, _TRAIN_OPTIONS)}"
            for key in options
            if key not in _TRAIN_OPTIONS
        ]
        if problems:
            raise ConfigError(problems)
        _simcc_head(self.student).train_cfg = dict(options)


def _estimator(key: str, cfg: Estimator, skeleton: Skeleton | None) -> TopdownPoseEstimator:
    """Build a teacher or a student."""
    if isinstance(cfg, str):
        model = build_model(load_config(cfg), skeleton)
    elif isinstance(cfg, Mapping):
        handed = {} if skeleton is None else {"skeleton": skeleton}
        model = MODELS.build(cfg if "type" in cfg else cfg.get("model"), **handed)
    else:
        model = cfg
    if not isinstance(model, TopdownPoseEstimator) or not isinstance(model.head, BaseSimCCHead):
        raise ConfigError(
            f"{key}: DWPoseDistiller distils top-down estimators with a SimCC head, got a "
            f"{type(model).__name__} with a {type(getattr(model, 'head', None)).__name__}"
        )
    return model


def _simcc_head(model: BasePoseEstimator) -> BaseSimCCHead:
    head = model.required_head()
    assert isinstance(head, BaseSimCCHead)
    return head


def _losses(distill_cfg: Sequence[Mapping[str, Any]], two_dis: bool) -> dict[str, nn.Module]:
    """Build the losses that are to be used, by name."""
    built: list[Any] = [MODELS.build(cfg) for place in distill_cfg for cfg in place["methods"]]
    losses: dict[str, nn.Module] = {}
    for loss in built:
        if not isinstance(loss, DistillationLoss):
            raise ConfigError(f"distill_cfg: {type(loss).__name__} is no loss of a distillation")
        if loss.name not in _LOSSES:
            raise ConfigError(
                f"distill_cfg: a loss is named {' or '.join(_LOSSES)}, got {loss.name!r}."
                + did_you_mean(loss.name, _LOSSES)
            )
        if loss.name == "loss_fea" and loss.use_this and two_dis:
            raise ConfigError(
                "distill_cfg: with two_dis the student has the teacher's features, there is "
                "nothing to compare; leave loss_fea out"
            )
        if loss.use_this:
            losses[loss.name] = loss
    return losses
