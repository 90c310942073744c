"""`EpochTrainer`: goes through the batches of an epoch, from its beginning or from a checkpoint."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch

from raypose.errors import RunStoppedError
from raypose.models.base_module import FollowsEpochs
from raypose.structures import PoseBatch
from raypose.training.epoch_numbers import EpochNumbers
from raypose.training.interruption import Notices
from raypose.training.not_finite import FiniteCheck
from raypose.training.runtime import Notice, Runtime
from raypose.training.schedules import RunLength, build_schedules, rate_at
from raypose.training.setup import Experiment, Training
from raypose.training.update import Updater

logger = logging.getLogger(__name__)
Log = Callable[[int, Mapping[str, float]], None]


class EpochTrainer:
    """Trains epoch after epoch.

    Args:
        experiment: what is trained, and from which batches.
        training: the model and what goes with it; `state` is kept up to date for checkpoints.
        runtime: this process.
        log: takes numbers after a count of batches of the run; called on rank 0.
        save: writes a checkpoint of the state; called by every process.

    Attributes:
        unsaved: optimizer steps since the last checkpoint, reset by `save`.
    """

    def __init__(
        self,
        experiment: Experiment,
        training: Training,
        runtime: Runtime,
        log: Log,
        save: Callable[[], None],
    ) -> None:
        self._options = options = experiment.config.train
        self._feed = experiment.feed
        self._counts_replaced = experiment.config.data_options.on_error == "skip"
        self._training = training
        self._state = training.state
        self._runtime = runtime
        self._log = log
        self._save = save
        self._run_length = RunLength(epochs=self._options.epochs, steps_per_epoch=self._updates(0))
        self._schedules = build_schedules(experiment.config.experiment.schedules, self._run_length)
        self._check = FiniteCheck(options.on_nan, options.max_nan_skips, self._state.model, runtime)
        # DDP averages over processes, whatever their shares of a batch.
        weight = self._feed.share * runtime.world_size
        self._updater = Updater(options, training.step, self._state, self._check, runtime, weight)
        self._notices = Notices(runtime)
        self.unsaved = 0

    def train(self, epoch: int, batches: Iterator[PoseBatch]) -> dict[str, float]:
        """Train what is left of an epoch, counted from 0, and return its numbers.

        Raises:
            RunStoppedError: after a checkpoint, if the run was asked to stop.
            RayposeError: if the loss or the gradient is not finite, as `train.on_nan` says.
        """
        options, runtime, state = self._options, self._runtime, self._state
        self._begin(epoch)
        steps = state.steps = self._feed.steps(epoch)
        numbers = EpochNumbers(self._feed.share)
        if state.step:
            numbers.restore(state.numbers, runtime.rank)
        rate = state.optimizer.param_groups[0]["lr"]
        clock = _Clock(state.step)
        for index in range(state.step, steps):
            batch = next(batches)
            for line in batch.replaced:
                logger.warning("another sample stands in for %s", line)
            numbers.replaced += len(batch.replaced)
            rate = self._set_rate(epoch, index)
            # Dropout after a resume is then what it would have been without the interruption.
            torch.manual_seed(_seed_of(options.seed, epoch, index, runtime.rank))
            first = index - index % options.accumulate
            together = min(options.accumulate, steps - first)
            place = f"epoch {epoch + 1}, step {index + 1}"
            numbers.add(self._updater.add(batch, place, together))
            updated = index + 1 == first + together
            if updated:
                numbers.end_step(self._updater.finish())
            over = index + 1 == steps
            told = (index + 1) % options.log_every == 0 or (over and steps < options.log_every)
            if told or over:
                self._check.look()
            if told:
                self._tell(epoch, index + 1, numbers.latest(runtime), rate, clock)
            if updated:
                state.seconds += clock.lap()
                self._after_update(epoch, index + 1, numbers)
        means = {**numbers.means(runtime), "lr": rate}
        state.epoch, state.step, state.numbers = epoch + 1, 0, {}
        replaced = means.pop("replaced")
        if self._counts_replaced:
            means["replaced"] = replaced
        if options.on_nan == "skip":
            means["skipped"] = numbers.skipped
        return means

    def steps_until(self, epoch: int) -> int:
        """Return the number of batches of all epochs before one."""
        return sum(self._feed.steps(i) for i in range(epoch))

    def _begin(self, epoch: int) -> None:
        training = self._training
        training.step.train()
        training.frozen.hold()
        training.switches.apply(self._state.model, epoch)
        for module in self._state.model.modules():
            if isinstance(module, FollowsEpochs):
                module.set_epoch(epoch, self._options.epochs)

    def _updates(self, epoch: int) -> int:
        """Return the number of optimizer steps of an epoch."""
        return math.ceil(self._feed.steps(epoch) / self._options.accumulate)

    def _set_rate(self, epoch: int, index: int) -> float:
        # Schedules count steps of the first epoch, whatever the length of this one.
        length = self._run_length.steps_per_epoch
        done = index // self._options.accumulate * length // self._updates(epoch)
        groups = self._state.optimizer.param_groups
        for group in groups:
            rate = rate_at(group["initial_lr"], self._schedules, epoch * length + done)
            group["lr"] = rate
        return groups[0]["lr"]

    def _after_update(self, epoch: int, step: int, numbers: EpochNumbers) -> None:
        """Save if it is time to, or if someone has asked for it."""
        notice = self._notices.look()
        self.unsaved += 1
        state, every = self._state, self._options.save_every_steps
        if notice == Notice.NONE and (every is None or self.unsaved < every):
            return
        # What is saved must not come from a step that was no number.
        self._check.look()
        state.step, state.numbers = step, numbers.to_dict(self._runtime)
        self._save()
        if notice == Notice.SAVE and self._runtime.rank == 0:
            logger.info("a node is about to go: saved after step %d of epoch %d", step, epoch + 1)
        if notice == Notice.STOP:
            raise RunStoppedError(
                f"asked to stop: saved after step {step} of {state.steps} of epoch {epoch + 1}; "
                "the same command with --resume goes on from there"
            )

    def _tell(
        self, epoch: int, step: int, parts: Mapping[str, float], rate: float, clock: _Clock
    ) -> None:
        """Log numbers of a batch over all processes; they are empty but on rank 0."""
        if self._runtime.rank:
            return
        speed = clock.speed(step) * self._options.settled_batch_size
        logger.info(
            "epoch %d/%d  step %d/%d  loss %.5f  lr %.2e  %.0f samples/s",
            epoch + 1,
            self._options.epochs,
            step,
            self._state.steps,
            parts["loss"],
            rate,
            speed,
        )
        numbers = {"epoch": epoch + 1, **parts, "lr": rate, "samples/s": speed}
        self._log(self.steps_until(epoch) + step, numbers)


class _Clock:
    """Times of an epoch: of its log lines, and of what its state counts."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._told = self._lap = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since the last call."""
        now, before = time.monotonic(), self._lap
        self._lap = now
        return now - before

    def speed(self, step: int) -> float:
        """Return the batches per second since the last call, up to `step` of the epoch."""
        now = time.monotonic()
        speed = (step - self._step) / max(now - self._told, 1e-9)
        self._step, self._told = step, now
        return speed


def _seed_of(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
