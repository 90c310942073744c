"""Training checkpoints: everything a run needs to go on, loadable without running code."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from raypose.errors import CheckpointError
from raypose.models.checkpoint import read_checkpoint
from raypose.training.ema import ExponentialMovingAverage
from raypose.training.sharding import all_whole, spread_optimizer, spread_weights

Model = TypeVar("Model", bound=nn.Module)


@dataclass(kw_only=True)
class TrainingState(Generic[Model]):
    """What changes during training, and its form in a file.

    Attributes:
        model: the estimator itself, never a wrapper of it.
        optimizer: its momenta are kept.
        scaler: loss scale of fp16 training.
        ema: average of the weights; where there is one it is what `state_dict` holds.
        config: the resolved config as YAML text.
        epoch: epochs done.
        step: batches done of the epoch that follows, 0 between epochs.
        steps: batches of that epoch.
        numbers: what they gave so far, see `EpochNumbers.to_dict`.
        best: best value of the main metric so far.
        metrics: numbers of the last validation.
        history: numbers of every epoch.
        seconds: time spent on training so far.
    """

    model: Model
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    ema: ExponentialMovingAverage | None
    config: str
    epoch: int = 0
    step: int = 0
    steps: int = 0
    numbers: dict[str, Any] = field(default_factory=dict)
    best: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0

    def save(self, path: Path | None) -> None:
        """Write the state to a file; every process calls this, and those without one help."""
        content: dict[str, Any] = {
            "meta": {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "format": "raypose-1"},
            "config": self.config,
            "state_dict": all_whole(self.model.state_dict()),
            "optimizer": all_whole(self.optimizer.state_dict()),
            "scaler": self.scaler.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "steps": self.steps,
            "numbers": self.numbers,
            "best": self.best,
            "metrics": self.metrics,
            "history": self.history,
            "seconds": self.seconds,
        }
        if self.ema is not None:
            content["raw_state_dict"] = content["state_dict"]
            content["state_dict"] = all_whole(self.ema.values)
            content["ema_steps"] = self.ema.steps
        if path is not None:
            torch.save(content, path)

    def restore(self, path: Path) -> None:
        """Go on from a file that `save` wrote.

        Raises:
            CheckpointError: if the file holds weights only, or those of another model or optimizer.
        """
        content = read_checkpoint(path)
        missing = {"state_dict", "optimizer", "epoch"} - set(content)
        if missing:
            raise CheckpointError(
                f"{path} is no training checkpoint of raypose (it lacks {sorted(missing)}); to "
                "start from its weights use train.load_from"
            )
        try:
            weights = content.get("raw_state_dict", content["state_dict"])
            self.model.load_state_dict(spread_weights(weights, self.model))
            self.optimizer.load_state_dict(spread_optimizer(content["optimizer"], self.optimizer))
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"cannot resume from {path}, a run of another model or optimizer: {error}"
            ) from error
        if content["scaler"]:  # empty without fp16
            self.scaler.load_state_dict(content["scaler"])
        if self.ema is not None:
            # A run that had no average so far starts it from its weights.
            self.ema.restore(content["state_dict"], content.get("ema_steps", 0))
        self.epoch = content["epoch"]
        self.step = content.get("step", 0)
        self.steps = content.get("steps", 0)
        self.numbers = content.get("numbers", {})
        self.best = content["best"]
        self.metrics = content["metrics"]
        self.history = content["history"]
        self.seconds = content["seconds"]
