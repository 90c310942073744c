"""The training loop: torch only, driven through a small `Runtime`."""

from raypose.training.evaluation import evaluate
from raypose.training.loop import fit
from raypose.training.runtime import LocalRuntime, Runtime
from raypose.training.train_step import TrainStep

__all__ = ["LocalRuntime", "Runtime", "TrainStep", "evaluate", "fit"]
