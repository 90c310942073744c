"""Learning rates over time, as functions of the step: nothing to save, nothing to resume.

Types, arguments and meaning are MMEngine's. A schedule is in force from `begin` up to `end`;
before it the rate is untouched, after it the last value stays.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raypose.errors import ConfigError
from raypose.registry import SCHEDULES


@dataclass(frozen=True)
class RunLength:
    """How long a run is: epochs, and optimiser steps of each."""

    epochs: int
    steps_per_epoch: int


class Schedule(ABC):
    """One schedule; `apply` maps the rate of the schedules before it to its own.

    Args:
        run: how long the run is.
        begin: when it comes into force, in epochs or steps; below 1 a share of the run.
        end: when it is over, the end of the run by default.
        by_epoch: count epochs, otherwise steps.
        convert_to_iter_based: move in every step although values are given in epochs.
    """

    def __init__(
        self,
        run: RunLength,
        begin: float = 0,
        end: float | None = None,
        by_epoch: bool = True,
        convert_to_iter_based: bool = False,
    ) -> None:
        whole = run.epochs if by_epoch else run.epochs * run.steps_per_epoch
        self._steps_per_unit = run.steps_per_epoch if by_epoch else 1
        self._moves_in_steps = by_epoch and convert_to_iter_based
        self.begin = begin * whole if 0 < begin < 1 else begin
        last = whole if end is None else end
        self.end = last * whole if 0 < last < 1 else last
        if self.end <= self.begin:
            raise ConfigError(f"{type(self).__name__}: end ({end}) must come after begin ({begin})")

    @property
    def length(self) -> float:
        """Return the time between `begin` and `end`, in epochs or steps."""
        return self.end - self.begin

    @property
    def resolution(self) -> float:
        """Return the time from one value to the next, in epochs or steps."""
        return 1 / self._steps_per_unit if self._moves_in_steps else 1

    def apply(self, rate: float, step: int) -> float:
        """Return the rate at an optimiser step, given the rate of the schedules before."""
        now = step / self._steps_per_unit
        if not self._moves_in_steps:
            now = math.floor(now)
        if now < self.begin:
            return rate
        return self.value(rate, min(now, self.end) - self.begin)

    @abstractmethod
    def value(self, rate: float, done: float) -> float:
        """Return the rate a time `done` after `begin`, 0 to `length`, in epochs or steps."""


@SCHEDULES.register_module()
class LinearLR(Schedule):
    """Grow (or shrink) by a factor that changes linearly; the usual warm-up.

    Args: `start_factor`, `end_factor` at begin and end; for the others see `Schedule`.
    """

    def __init__(
        self,
        run: RunLength,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        begin: float = 0,
        end: float | None = None,
        by_epoch: bool = True,
        convert_to_iter_based: bool = False,
    ) -> None:
        super().__init__(run, begin, end, by_epoch, convert_to_iter_based)
        self.start_factor = start_factor
        self.end_factor = end_factor

    def value(self, rate: float, done: float) -> float:
        """Return the rate times the factor reached."""
        share = min(done / max(self.length - self.resolution, self.resolution), 1.0)
        return rate * (self.start_factor + (self.end_factor - self.start_factor) * share)


@SCHEDULES.register_module()
class QuadraticWarmupLR(Schedule):
    """Grow with the square of the time; the warm-up of one-stage models."""

    def value(self, rate: float, done: float) -> float:
        """Return the rate times the squared share of time."""
        return rate * min((done + self.resolution) / self.length, 1.0) ** 2


@SCHEDULES.register_module()
class ConstantLR(Schedule):
    """Multiply by `factor` until `end`, then not at all; for the others see `Schedule`."""

    def __init__(
        self,
        run: RunLength,
        factor: float = 1.0 / 3,
        begin: float = 0,
        end: float | None = None,
        by_epoch: bool = True,
        convert_to_iter_based: bool = False,
    ) -> None:
        super().__init__(run, begin, end, by_epoch, convert_to_iter_based)
        self.factor = factor

    def value(self, rate: float, done: float) -> float:
        """Return the rate times the factor while in force."""
        return rate * self.factor if done < self.length else rate


@SCHEDULES.register_module()
class StepLR(Schedule):
    """Multiply by `gamma` every `step_size` epochs (or steps); see `Schedule`."""

    def __init__(
        self,
        run: RunLength,
        step_size: int,
        gamma: float = 0.1,
        begin: float = 0,
        end: float | None = None,
        by_epoch: bool = True,
        convert_to_iter_based: bool = False,
    ) -> None:
        super().__init__(run, begin, end, by_epoch, convert_to_iter_based)
        self.step_size = step_size
        self.gamma = gamma

    def value(self, rate: float, done: float) -> float:
        """Return the rate times `gamma` to the power of the steps taken."""
        return rate * self.gamma ** math.floor(done / self.step_size)


@SCHEDULES.register_module()
class MultiStepLR(Schedule):
    """Multiply by `gamma` at each of `milestones`, counted from `begin`; see `Schedule`."""

    def __init__(
        self,
        run: RunLength,
        milestones: Sequence[float],
        gamma: float = 0.1,
        begin: float = 0,
        end: float | None = None,
        by_epoch: bool = True,
        convert_to_iter_based: bool = False,
    ) -> None:
        super().__init__(run, begin, end, by_epoch, convert_to_iter_based)
        self.milestones = tuple(milestones)
        self.gamma = gamma

    def value(self, rate: float, done: float) -> float:
        """Return the rate times `gamma` to the power of the milestones passed."""
        return rate * self.gamma ** sum(done >= point for point in self.milestones)


@SCHEDULES.register_module()
class ExponentialLR(Schedule):
    """Multiply by `gamma` every epoch (or step); see `Schedule`."""

    def __init__(
        self,
        run: RunLength,
        gamma: float,
        begin: float = 0,
        end: float | None = None,
        by_epoch: bool = True,
        convert_to_iter_based: bool = False,
    ) -> None:
        super().__init__(run, begin, end, by_epoch, convert_to_iter_based)
        self.gamma = gamma

    def value(self, rate: float, done: float) -> float:
        """Return the rate times `gamma` to the power of the time."""
        return rate * self.gamma**done


@SCHEDULES.register_module()
class CosineAnnealingLR(Schedule):
    """Fall along half a cosine of length `T_max` to `eta_min`; see `Schedule`.

    `eta_min_ratio` gives the lowest rate relative to the incoming one instead.
    """

    def __init__(
        self,
        run: RunLength,
        T_max: float | None = None,  # noqa: N803 - MMEngine's name
        eta_min: float | None = None,
        eta_min_ratio: float | None = None,
        begin: float = 0,
        end: float | None = None,
        by_epoch: bool = True,
        convert_to_iter_based: bool = False,
    ) -> None:
        super().__init__(run, begin, end, by_epoch, convert_to_iter_based)
        if eta_min is not None and eta_min_ratio is not None:
            raise ConfigError("CosineAnnealingLR: give eta_min or eta_min_ratio, not both")
        self.period = self.length if T_max is None else T_max
        self.eta_min = eta_min or 0.0
        self.eta_min_ratio = eta_min_ratio

    def value(self, rate: float, done: float) -> float:
        """Return the rate on the cosine between the incoming one and the lowest."""
        low = self.eta_min if self.eta_min_ratio is None else rate * self.eta_min_ratio
        return low + (rate - low) * (1 + math.cos(math.pi * done / self.period)) / 2


def build_schedules(configs: Sequence[Mapping[str, Any]], run: RunLength) -> list[Schedule]:
    """Build schedules in the order they are applied.

    Raises:
        ConfigError: for an unknown type or arguments that do not fit.
    """
    return [SCHEDULES.build({**config, "run": run}) for config in configs]


def rate_at(base: float, schedules: Sequence[Schedule], step: int) -> float:
    """Return the learning rate at a step of the run."""
    rate = base
    for schedule in schedules:
        rate = schedule.apply(rate, step)
    return rate
