"""The training loop: written once, against `Runtime` and `Feed`."""

from __future__ import annotations

import contextlib
import logging
import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from raypose.codecs.base import BaseKeypointCodec
from raypose.config import Config
from raypose.errors import ConfigError
from raypose.evaluation.base import BaseMetric
from raypose.models.base_module import FollowsEpochs
from raypose.models.checkpoint import load_checkpoint
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseBatch, PoseSample
from raypose.training.checkpoints import TrainingState
from raypose.training.early_stop import has_stalled
from raypose.training.ema import ExponentialMovingAverage
from raypose.training.epoch_numbers import EpochNumbers
from raypose.training.evaluation import evaluate, is_better, main_metric
from raypose.training.feed import Feed
from raypose.training.freezing import FrozenParts
from raypose.training.logs import RunLog, open_logs
from raypose.training.not_finite import FiniteCheck
from raypose.training.optimizer import build_optimizer
from raypose.training.runtime import Runtime
from raypose.training.schedules import RunLength, build_schedules, rate_at
from raypose.training.switches import ModelSwitches
from raypose.training.train_step import TrainStep
from raypose.training.update import Updater
from raypose.training.validation_record import ValidationRecord

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


def fit(experiment: Experiment, runtime: Runtime) -> dict[str, float]:
    """Train, validate and hand checkpoints to the runtime.

    Returns:
        The last validation's metrics, `epochs`, `seconds`, `samples/s`, `best/epoch` and the
        best value of the main metric; the same on every process.
    """
    return _Loop(experiment, runtime).run()


class _Loop:
    def __init__(self, experiment: Experiment, runtime: Runtime) -> None:
        self.experiment = experiment
        self.runtime = runtime
        self.options = experiment.config.train
        options = self.options
        torch.manual_seed(options.seed)
        estimator = experiment.estimator
        estimator.init_weights()
        if options.load_from is not None:
            load_checkpoint(estimator, options.load_from, strict=False)
        self.frozen = FrozenParts(options.freeze, estimator)
        self.switches = ModelSwitches(options.model_switches, estimator)
        layout = torch.channels_last if options.channels_last else torch.contiguous_format
        # torch.nn declares no overload for a memory format alone.
        estimator.to(runtime.device).to(memory_format=layout)  # type: ignore[call-overload]
        weights = _keypoint_weights(experiment.config)
        step = TrainStep(estimator, experiment.codec, weights).to(runtime.device)
        if options.compile:
            step.compile()
        self.step = runtime.prepare(step, options.sync_bn)
        self.run_length = RunLength(epochs=options.epochs, steps_per_epoch=self._updates(0))
        self.schedules = build_schedules(experiment.config.experiment.schedules, self.run_length)
        ema = options.ema
        self.state: TrainingState[BasePoseEstimator] = TrainingState(
            model=estimator,
            optimizer=build_optimizer(experiment.config.experiment.optimizer, estimator),
            scaler=torch.amp.GradScaler(runtime.device.type, enabled=options.amp == "fp16"),
            ema=None
            if ema is None
            else ExponentialMovingAverage(estimator, ema.momentum, ema.gamma, ema.update_buffers),
            config=experiment.config.to_yaml(),
        )
        self.check = FiniteCheck(options.on_nan, options.max_nan_skips, estimator, runtime)
        self.updater = Updater(options, self.step, self.state, self.check, runtime)
        self.logs: list[RunLog] = []
        self.record = ValidationRecord(experiment.config, experiment.val_dataset, runtime.work_dir)
        latest = runtime.latest_checkpoint()
        if latest is not None:
            self.state.restore(latest)
            logger.info("going on after epoch %d from %s", self.state.epoch, latest)

    def run(self) -> dict[str, float]:
        with contextlib.ExitStack() as stack:
            if self.runtime.rank == 0:
                done = self._steps_until(self.state.epoch)
                self.logs = open_logs(self.options.loggers, self.runtime.work_dir, done)
                self.record.logs = self.logs
            for log in self.logs:
                stack.callback(log.close)
            return self._run()

    def _run(self) -> dict[str, float]:
        options, state = self.options, self.state
        metrics = state.metrics
        batches = self.experiment.feed.train(state.epoch, options.epochs)
        for epoch in range(state.epoch, options.epochs):
            if self._has_stalled():
                break
            started = time.monotonic()
            numbers = self._train_epoch(epoch, batches)
            state.epoch, state.seconds = epoch + 1, state.seconds + time.monotonic() - started
            last = state.epoch == options.epochs
            if last or state.epoch % options.val_interval == 0:
                metrics = self._validate(numbers)
            else:
                state.history.append({"epoch": state.epoch, **numbers})
        return {**metrics, **self._summary(metrics)}

    def _train_epoch(self, epoch: int, batches: Iterator[PoseBatch]) -> dict[str, float]:
        options, runtime, feed = self.options, self.runtime, self.experiment.feed
        # Dropout after a resume is then what it would have been without the interruption.
        torch.manual_seed(_seed_of(options.seed, epoch, runtime.rank))
        self.step.train()
        self.frozen.hold()
        self.switches.apply(self.state.model, epoch)
        for module in self.state.model.modules():
            if isinstance(module, FollowsEpochs):
                module.set_epoch(epoch, options.epochs)
        numbers = EpochNumbers(feed.share)
        window = time.monotonic()
        logged = 0
        steps = feed.steps(epoch)
        # Schedules count steps of the first epoch, whatever the length of this one.
        length, updates = self.run_length.steps_per_epoch, self._updates(epoch)
        for index in range(steps):
            batch = next(batches)
            for line in batch.replaced:
                logger.warning("another sample stands in for %s", line)
            numbers.replaced += len(batch.replaced)
            rate = self._set_rate(epoch * length + index // options.accumulate * length // updates)
            first = index - index % options.accumulate
            together = min(options.accumulate, steps - first)
            parts = self.updater.add(batch, f"epoch {epoch + 1}, step {index + 1}", together)
            numbers.add(parts)
            if index + 1 == first + together:
                numbers.end_step(self.updater.finish())
            over = index + 1 == steps
            told = (index + 1) % options.log_every == 0 or (over and not logged)
            if told or over:
                self.check.look()
            if told and runtime.rank == 0:
                speed = (index + 1 - logged) * options.batch_size / (time.monotonic() - window)
                logger.info(
                    "epoch %d/%d  step %d/%d  loss %.5f  lr %.2e  %.0f samples/s",
                    epoch + 1,
                    options.epochs,
                    index + 1,
                    steps,
                    float(parts["loss"].detach()),
                    rate,
                    speed,
                )
                self._log(
                    self._steps_until(epoch) + index + 1,
                    {"epoch": epoch + 1, **_floats(parts), "lr": rate, "samples/s": speed},
                )
                window, logged = time.monotonic(), index + 1
        means = {**numbers.means(runtime), "lr": rate}
        replaced = means.pop("replaced")
        if self.experiment.config.data_options.on_error == "skip":
            means["replaced"] = replaced
        if options.on_nan == "skip":
            means["skipped"] = numbers.skipped
        return means

    def _updates(self, epoch: int) -> int:
        """Number of optimizer steps of an epoch."""
        return math.ceil(self.experiment.feed.steps(epoch) / self.options.accumulate)

    def _set_rate(self, step: int) -> float:
        groups = self.state.optimizer.param_groups
        for group in groups:
            group["lr"] = rate_at(group["initial_lr"], self.schedules, step)
        return groups[0]["lr"]

    def _validate(self, numbers: dict[str, float]) -> dict[str, float]:
        state, experiment, runtime = self.state, self.experiment, self.runtime
        model = state.model if state.ema is None else state.ema.module
        # Each process has its own batch statistics; rank 0's are those that are saved.
        runtime.share_buffers(model)
        found = evaluate(
            model, experiment.feed.val(), experiment.val_dataset, experiment.metrics, runtime
        )
        metrics = found.numbers
        name = main_metric(metrics, self.options.save_best)
        best = False
        if name is not None:
            best = is_better(name, metrics[name], state.best)
            state.best = metrics[name] if best else state.best
        state.history.append({"epoch": state.epoch, **numbers, **metrics})
        state.metrics = metrics
        if runtime.rank == 0:
            shown = "  ".join(f"{key} {value:.4g}" for key, value in metrics.items())
            logger.info("epoch %d/%d  %s", state.epoch, self.options.epochs, shown)
            done = self._steps_until(state.epoch)
            self._log(done, {"epoch": state.epoch, **metrics})
            self.record.note(found.answers or [], state.epoch, done, best)
        with tempfile.TemporaryDirectory() as folder:
            path = state.save(Path(folder) / "last.pth") if runtime.rank == 0 else None
            runtime.report({**state.history[-1]}, path, best)
        return metrics

    def _log(self, step: int, numbers: dict[str, float]) -> None:
        for log in self.logs:
            log.write(step, numbers)

    def _steps_until(self, epoch: int) -> int:
        """Return the number of batches of all epochs before one."""
        return sum(self.experiment.feed.steps(i) for i in range(epoch))

    def _has_stalled(self) -> bool:
        """Return whether the run gets no better; the same on every process."""
        section, state = self.options.early_stop, self.state
        name = main_metric(state.metrics, self.options.save_best)
        if section is None or name is None or not has_stalled(section, state.history, name):
            return False
        if self.runtime.rank == 0:
            logger.info("%s got no better in %d validations: done", name, section.patience)
        return True

    def _summary(self, metrics: dict[str, float]) -> dict[str, float]:
        state, options = self.state, self.options
        samples = self._steps_until(state.epoch) * options.batch_size
        summary: dict[str, float] = {
            "epochs": state.epoch,
            "seconds": round(state.seconds, 3),
            "samples/s": round(samples / max(state.seconds, 1e-9), 3),
        }
        name = main_metric(metrics, options.save_best)
        if name is not None and state.best is not None:
            epochs = [row["epoch"] for row in state.history if row.get(name) == state.best]
            summary.update({f"best/{name}": state.best, "best/epoch": epochs[0]})
        return summary


def _keypoint_weights(config: Config) -> Sequence[float] | None:
    if not config.train.use_dataset_keypoint_weights:
        return None
    if config.skeleton is None:
        raise ConfigError("train.use_dataset_keypoint_weights: the weights are the skeleton's")
    return config.skeleton.keypoint_weights


def _floats(values: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: float(value.detach().float().mean()) for name, value in values.items()}


def _seed_of(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
