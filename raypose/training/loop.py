"""The training loop: written once, against `Runtime` and `Feed`."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path

from raypose.training.early_stop import has_stalled
from raypose.training.epoch import EpochTrainer
from raypose.training.evaluation import evaluate, is_better, main_metric
from raypose.training.logs.opening import open_logs
from raypose.training.logs.run_log import RunLog
from raypose.training.reports.validation_record import ValidationRecord
from raypose.training.runtime import Runtime
from raypose.training.setup import Experiment, set_up
from raypose.training.sharding import put_together

logger = logging.getLogger(__name__)


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
        training = set_up(experiment, runtime)
        self.state = training.state
        self.trainer = EpochTrainer(experiment, training, runtime, self._log, self._save)
        self.logs: list[RunLog] = []
        self.record = ValidationRecord(experiment.config, experiment.val_dataset, runtime.work_dir)

    def run(self) -> dict[str, float]:
        with contextlib.ExitStack() as stack:
            if self.runtime.rank == 0:
                done = self.trainer.steps_until(self.state.epoch) + self.state.step
                self.logs = open_logs(self.options.loggers, self.runtime.work_dir, done)
                self.record.logs = self.logs
            for log in self.logs:
                stack.callback(log.close)
            return self._run()

    def _run(self) -> dict[str, float]:
        options, state = self.options, self.state
        metrics = state.metrics
        batches = self.experiment.feed.train(state.epoch, options.epochs, state.step)
        for epoch in range(state.epoch, options.epochs):
            if self._has_stalled():
                break
            numbers = self.trainer.train(epoch, batches)
            last = state.epoch == options.epochs
            if last or state.epoch % options.val_interval == 0:
                metrics = self._validate(numbers)
            else:
                state.history.append({"epoch": state.epoch, **numbers})
        return {**metrics, **self._summary(metrics)}

    def _validate(self, numbers: dict[str, float]) -> dict[str, float]:
        state, experiment, runtime = self.state, self.experiment, self.runtime
        with contextlib.ExitStack() as stack:
            if state.ema is not None:
                stack.enter_context(state.ema.in_place())
            # Each process has its own batch statistics; rank 0's are those that are saved.
            runtime.share_buffers(state.model)
            stack.enter_context(put_together(state.model))
            found = evaluate(
                state.model,
                experiment.feed.val(),
                experiment.val_dataset,
                experiment.metrics,
                runtime,
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
            done = self.trainer.steps_until(state.epoch)
            self._log(done, {"epoch": state.epoch, **metrics})
            self.record.note(found.answers or [], state.epoch, done, best)
        self._save(best)
        return metrics

    def _save(self, best: bool = False) -> None:
        """Hand a checkpoint to the runtime."""
        state, runtime = self.state, self.runtime
        numbers = {**state.history[-1]} if state.history and not state.step else {}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "last.pth" if runtime.rank == 0 else None
            state.save(path)
            runtime.report({**numbers, "epoch": state.epoch, "step": state.step}, path, best)
        self.trainer.unsaved = 0

    def _log(self, step: int, numbers: Mapping[str, float]) -> None:
        for log in self.logs:
            log.write(step, numbers)

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
        samples = self.trainer.steps_until(state.epoch) * options.settled_batch_size
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
