"""From the parts of an experiment to one process that is ready to train."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.config import Config
from raypose.errors import CheckpointError, ConfigError
from raypose.evaluation.base import BaseMetric
from raypose.models.checkpoint import load_checkpoint
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseSample
from raypose.training.checkpoints import TrainingState
from raypose.training.ema import ExponentialMovingAverage
from raypose.training.feeds.feed import Feed
from raypose.training.freezing import FrozenParts
from raypose.training.optimizer import auto_lr_factor, build_optimizer
from raypose.training.runtime import Runtime
from raypose.training.switches import ModelSwitches
from raypose.training.train_step import TrainStep

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Experiment:
    """The built parts of a run.

    Attributes:
        config: resolved and checked.
        estimator: on the CPU, weights not yet started.
        codec: makes targets, if the paradigm has any.
        feed: batches of this process.
        val_dataset: the annotations that `feed.val` refers to.
        metrics: what validation measures.
    """

    config: Config
    estimator: BasePoseEstimator
    codec: BaseKeypointCodec | None
    feed: Feed
    val_dataset: Sequence[PoseSample]
    metrics: Sequence[BaseMetric]


@dataclass(kw_only=True)
class Training:
    """What changes while a process trains, and what changes it.

    Attributes:
        state: model, optimizer and the rest of what a checkpoint holds.
        step: the train step of the model as the runtime has wrapped it.
        frozen: parts of the model that do not learn.
        switches: attributes of the model that change over the run.
    """

    state: TrainingState[BasePoseEstimator]
    step: nn.Module
    frozen: FrozenParts
    switches: ModelSwitches


def set_up(experiment: Experiment, runtime: Runtime) -> Training:
    """Start the weights, or take those of the run's last checkpoint.

    Raises:
        CheckpointError: if that is of a run with another model, or of other batches.
    """
    options, estimator = experiment.config.train, experiment.estimator
    torch.manual_seed(options.seed)
    estimator.init_weights()
    if options.load_from is not None:
        load_checkpoint(estimator, options.load_from, strict=False)
    frozen = FrozenParts(options.freeze, estimator)
    switches = ModelSwitches(options.model_switches, estimator)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    # torch.nn declares no overload for a memory format alone.
    estimator.to(runtime.device).to(memory_format=layout)  # type: ignore[call-overload]
    weights = _keypoint_weights(experiment.config)
    bare = TrainStep(estimator, experiment.codec, weights).to(runtime.device)
    if options.compile:
        bare.compile()
    step = runtime.prepare(bare, options.sync_bn)
    section, factor = experiment.config.experiment.optimizer, auto_lr_factor(options)
    ema = options.ema
    state: TrainingState[BasePoseEstimator] = TrainingState(
        model=estimator,
        optimizer=build_optimizer(section, estimator, factor),
        scaler=torch.amp.GradScaler(runtime.device.type, enabled=options.amp == "fp16"),
        ema=None
        if ema is None
        else ExponentialMovingAverage(estimator, ema.momentum, ema.gamma, ema.update_buffers),
        config=experiment.config.to_yaml(),
    )
    latest = runtime.latest_checkpoint()
    if latest is not None:
        state.restore(latest)
        place = f"epoch {state.epoch}"
        if state.step:
            _check_batches(state, experiment)
            place = f"step {state.step} of epoch {state.epoch + 1}"
        logger.info("going on after %s from %s", place, latest)
    elif factor != 1.0 and section is not None and options.auto_scale_lr is not None:
        logger.info(
            "train.auto_scale_lr: lr %.3g x %d / %d = %.3g",
            section.lr,
            options.settled_batch_size * options.accumulate,
            options.auto_scale_lr.base_batch_size,
            section.lr * factor,
        )
    return Training(state=state, step=step, frozen=frozen, switches=switches)


def _check_batches(state: TrainingState[BasePoseEstimator], experiment: Experiment) -> None:
    """Check that what is left of an epoch is what was left of it."""
    steps = experiment.feed.steps(state.epoch)
    whole = state.step == steps or state.step % experiment.config.train.accumulate == 0
    if steps != state.steps or not whole:
        raise CheckpointError(
            f"the checkpoint is from step {state.step} of {state.steps} of epoch "
            f"{state.epoch + 1}, which now has {steps} steps: go on with the data, "
            "train.batch_size and train.accumulate that it had"
        )


def _keypoint_weights(config: Config) -> Sequence[float] | None:
    if not config.train.use_dataset_keypoint_weights:
        return None
    if config.skeleton is None:
        raise ConfigError("train.use_dataset_keypoint_weights: the weights are the skeleton's")
    return config.skeleton.keypoint_weights
