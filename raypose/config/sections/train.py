"""`train:`: how long, in what batches, what is kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from raypose.config.sections.base import (
    Amount,
    Count,
    Fraction,
    PositiveFloat,
    PositiveInt,
    Section,
)
from raypose.errors import ConfigError


class ClipGradSection(Section):
    """Limit the norm of the gradients; a bare number is `max_norm`.

    Attributes:
        max_norm: largest norm.
        norm_type: which norm.
    """

    max_norm: PositiveFloat
    norm_type: PositiveFloat = 2.0


class AutoScaleLrSection(Section):
    """A learning rate that follows the batch, as `auto_scale_lr` of MMPose.

    Attributes:
        base_batch_size: samples of a step of the optimizer, over all workers, that its `lr` is for.
        enable: whether it does; imported configs say no, as MMPose does without `--auto-scale-lr`.
    """

    base_batch_size: PositiveInt
    enable: bool = True


class EmaSection(Section):
    """Keep an exponential moving average of the weights; it is what is evaluated and saved as best.

    Attributes:
        momentum: weight of the newest state.
        gamma: at step n the momentum is `momentum + (1 - momentum) * exp(-(1 + n) / gamma)`, so
            that early states fade soon; null for a constant momentum.
        update_buffers: average floating-point buffers too (batch norm) instead of copying them.
    """

    momentum: Fraction = 0.0002
    gamma: PositiveInt | None = 2000
    update_buffers: bool = True


class EarlyStopSection(Section):
    """End a run when its main metric, that of `save_best`, gets no better.

    Attributes:
        patience: validations without progress after which the run ends.
        min_delta: what is progress: to beat the best value by more than this.
    """

    patience: PositiveInt
    min_delta: Amount = 0.0


class ModelSwitchSection(Section):
    """Attributes of the model that take other values from an epoch on.

    Attributes:
        epoch: the first epoch (from 0) that they hold in.
        set: attribute -> value, such as `head.loss_oks.loss_weight: 10.0`.
    """

    epoch: Count
    set: dict[str, Any]


def _number_as_clip_grad(value: Any) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {"max_norm": value} if is_number else value


def _number_or_auto(value: Any) -> Any:
    is_number = isinstance(value, int) and not isinstance(value, bool) and value > 0
    if is_number or value == "auto":
        return value
    raise ValueError("expected a whole number greater than 0, or auto")


BatchSize = Annotated[Literal["auto"] | int, BeforeValidator(_number_or_auto)]


class TrainSection(Section):
    """How a training runs.

    Attributes:
        epochs: passes over the training data.
        batch_size: samples of one optimizer step over all workers, before `accumulate`. `auto`
            tries some before the run starts: on GPUs the largest that fits, on CPUs the smallest
            that is as fast as any, times the workers (the least of a range). The run's
            `config.yaml` has what was found.
        auto_scale_lr: multiply `optimizer.lr` by `batch_size * accumulate / base_batch_size`; null
            to take it as it is.
        val_batch_size: samples of one validation batch over all workers.
        val_interval: epochs between validations; the last epoch is always validated.
        log_every: steps between log lines, a shorter epoch has one at its end; the device is
            synchronised only then.
        seed: of weights, sample order and augmentation.
        save_best: metric that decides what `best.pth` is; the first one reported if null.
        max_checkpoints: how many checkpoints of epochs are kept.
        save_every_steps: optimizer steps from one checkpoint to the next, from which a run goes on
            in the midst of an epoch; null for a checkpoint after each validation only.
        clip_grad: limit of the gradient norm, null for none.
        amp: precision of autocast, null for float32.
        accumulate: batches whose gradients are summed for one step.
        ema: moving average of the weights, null for none.
        channels_last: memory format of images and convolutions.
        compile: run the step through `torch.compile`, not with `cluster.strategy: fsdp2`.
        sync_bn: batch norm statistics over all workers; without it those of each worker's share.
        model_switches: attributes of the model that change over the run, such as the weights of
            losses.
        use_dataset_keypoint_weights: multiply the skeleton's weights into the targets'.
        load_from: weights to start from; the state of the optimizer is not read. What has another
            shape, such as a head with other keypoints, starts anew and is named in the log.
        freeze: parts of the model that do not learn, by name or pattern such as `backbone.*`; their
            batch norms keep their statistics.
        early_stop: end the run when it gets no better, null to go through all epochs.
        on_nan: what becomes of a step whose loss or gradient is not finite. `stop` names its
            samples and ends the run at the next log line; `skip` leaves the step out, names them in
            the log, and waits for the device in each step.
        max_nan_skips: steps left out one after the other before the run ends all the same.
        loggers: where numbers go every `log_every` steps and after each validation: `csv`
            (`log.csv` in the work folder), `tensorboard`, `wandb`, `mlflow`.
        sample_pictures: samples of the validation set, always the same ones, that are drawn beside
            their labels at each validation: `samples/epoch_N.jpg` in the work folder.
    """

    epochs: PositiveInt = 210
    batch_size: BatchSize = 64
    auto_scale_lr: AutoScaleLrSection | None = None
    val_batch_size: PositiveInt = 64
    val_interval: PositiveInt = 10
    log_every: PositiveInt = 50
    seed: Count = 0
    save_best: str | None = None
    max_checkpoints: PositiveInt = 2
    save_every_steps: PositiveInt | None = None
    clip_grad: Annotated[ClipGradSection | None, BeforeValidator(_number_as_clip_grad)] = None
    amp: Literal["bf16", "fp16"] | None = None
    accumulate: PositiveInt = 1
    ema: EmaSection | None = None
    channels_last: bool = False
    compile: bool = False
    sync_bn: bool = False
    model_switches: list[ModelSwitchSection] = Field(default_factory=list)
    use_dataset_keypoint_weights: bool = False
    load_from: str | None = None
    freeze: list[str] = Field(default_factory=list)
    early_stop: EarlyStopSection | None = None
    on_nan: Literal["stop", "skip"] = "stop"
    max_nan_skips: PositiveInt = 10
    loggers: list[Literal["csv", "tensorboard", "wandb", "mlflow"]] = Field(
        default_factory=lambda: ["csv"]
    )
    sample_pictures: Count = 8

    @property
    def settled_batch_size(self) -> int:
        """Return `batch_size` where it is a number, as it is once a run has started.

        Raises:
            ConfigError: if it is still to be found.
        """
        if isinstance(self.batch_size, int):
            return self.batch_size
        raise ConfigError(
            "train.batch_size: auto becomes a number when a training starts; give one here"
        )
