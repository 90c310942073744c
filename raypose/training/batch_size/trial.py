"""`BatchTrial`: real train steps of a throw-away model, with batches of any size."""

from __future__ import annotations

import contextlib
import gc
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from raypose.config import (
    Config,
    Pipeline,
    build_codec,
    build_dataset,
    build_model,
    build_pipeline,
    sample_shares,
)
from raypose.models.base_module import FollowsEpochs
from raypose.structures import PoseBatch, PoseSample
from raypose.training.batch_size.search import MemoryShortageError
from raypose.training.feeds.feed import LocalFeed, load_training_sample
from raypose.training.feeds.order import SampleOrder, SamplePool, part_sizes
from raypose.training.not_finite import FiniteCheck
from raypose.training.runtime import LocalRuntime
from raypose.training.setup import Experiment, set_up
from raypose.training.update import Updater

# Different samples in a batch; a larger one repeats them.
_SAMPLES = 32
# Seconds of steps that are timed, and how many there are at least; the fastest counts.
_TIMED_SECONDS = 1.0
_TIMED_STEPS = 3
# What a step takes on a CPU beside the values that it keeps for the way back, in parts of these.
_BESIDE_KEPT = 0.5


class BatchTrial:
    """Trains a model of its own and forgets it: `trial(size)` returns the seconds of a step.

    Precision, memory format, optimizer, average of the weights and inputs are the config's; its
    samples are loaded once. The rate is zero, so that weights stay what they are drawn as.

    Args:
        config: resolved; `train.batch_size` may be `auto`.
        device: where to train.
        is_one_of_many: whether gradients are exchanged with other workers, which takes buffers.
        free: bytes that batches may take; no limit where the device says that it is full.

    Attributes:
        num_samples: of the first epoch.
    """

    def __init__(
        self,
        config: Config,
        device: torch.device,
        is_one_of_many: bool = False,
        free: float = math.inf,
    ) -> None:
        self._device = device
        self._free = free
        self._bytes_per_sample = 0.0
        options = {
            **config.data.get("train", {}),
            "batch_size": _SAMPLES,
            "auto_scale_lr": None,
            # Compiling for every size would take minutes, to save memory at best.
            "compile": False,
            "load_from": None,
        }
        config = Config.from_resolved({**config.data, "train": options})
        source = build_dataset(config, "train"), build_pipeline(config, "train")
        pool = SamplePool(
            sizes=part_sizes(source[0]), shares=sample_shares(config), seed=config.train.seed
        )
        self.num_samples = pool.size(0)
        self._samples = _load(*source, pool)
        with tempfile.TemporaryDirectory() as folder, self._own_random_numbers():
            runtime = LocalRuntime(Path(folder), device)
            experiment = Experiment(
                config=config,
                estimator=build_model(config),
                codec=build_codec(config),
                feed=LocalFeed(SampleOrder(pool=pool, batch_size=1), source, source, 1),
                val_dataset=source[0],
                metrics=[],
            )
            training = set_up(experiment, runtime)
        training.step.train()
        training.frozen.hold()
        training.switches.apply(training.state.model, 0)
        for module in training.state.model.modules():
            if isinstance(module, FollowsEpochs):
                module.set_epoch(0, config.train.epochs)
        self._options = config.train
        self._runtime = runtime
        self._training = training
        learning = [p for p in training.state.model.parameters() if p.requires_grad]
        _fill(training.state.optimizer, learning)
        self._buffers = [torch.empty_like(p) for p in learning if is_one_of_many]
        self._weights = {p.untyped_storage().data_ptr() for p in learning}

    def __call__(self, size: int) -> float:
        """Train with batches of `size` samples and return the seconds of a step.

        Raises:
            MemoryShortageError: if there is not enough memory for that.
        """
        kept = size * self._bytes_per_sample
        if kept * (1 + _BESIDE_KEPT) > self._free:
            raise MemoryShortageError
        try:
            with self._own_random_numbers():
                return self._time(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Not in the clause above: the error holds on to what filled the memory.
        self._training.state.optimizer.zero_grad(set_to_none=True)
        gc.collect()
        if self._device.type != "cpu":
            torch.accelerator.empty_cache()
        raise MemoryShortageError

    def _time(self, size: int) -> float:
        state = self._training.state
        check = FiniteCheck("stop", 1, state.model, self._runtime)
        updater = Updater(self._options, self._training.step, state, check, self._runtime)
        batch = PoseBatch.collate([self._samples[i % len(self._samples)] for i in range(size)])
        # The first step chooses kernels.
        if math.isfinite(self._free):
            with _kept_bytes() as kept:
                self._step(updater, batch)
            ours = sum(size for start, size in kept.items() if start not in self._weights)
            self._bytes_per_sample = ours / size
        else:
            self._step(updater, batch)
        times: list[float] = []
        while len(times) < _TIMED_STEPS or (sum(times) < _TIMED_SECONDS and len(times) < 20):
            started = time.perf_counter()
            self._step(updater, batch)
            times.append(time.perf_counter() - started)
        return min(times)

    def _step(self, updater: Updater, batch: PoseBatch) -> None:
        updater.add(batch, "the search for a batch size", 1)
        updater.finish()
        if self._device.type != "cpu":
            torch.accelerator.synchronize(self._device)

    def _own_random_numbers(self) -> contextlib.AbstractContextManager[None]:
        """Leave the random numbers of this process as they are."""
        gpus = [torch.cuda.current_device()] if self._device.type == "cuda" else []
        return torch.random.fork_rng(devices=gpus)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of a device is full, of whatever kind it is."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in text
        for words in ("out of memory", "can't allocate memory", "alloc_failed", "not enough memory")
    )


def _fill(optimizer: torch.optim.Optimizer, learning: Sequence[nn.Parameter]) -> None:
    """Let the optimizer make what it remembers, and keep it from changing weights."""
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    for parameter in learning:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _load(dataset: Sequence[PoseSample], pipeline: Pipeline, pool: SamplePool) -> list[PoseSample]:
    """Return some samples of the first epoch after the transforms, from all over the data set."""
    positions = pool.positions(0)
    chosen = np.unique(np.linspace(0, len(positions) - 1, _SAMPLES).astype(int))
    return [load_training_sample(dataset, int(positions[i]), 0, pipeline, pool) for i in chosen]


@contextlib.contextmanager
def _kept_bytes() -> Iterator[dict[int, int]]:
    """Give the storages that are kept for the way back, by address, with their bytes."""
    kept: dict[int, int] = {}

    def note(value: Tensor) -> Tensor:
        with contextlib.suppress(RuntimeError, NotImplementedError):  # of tensors without storage
            storage = value.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        yield kept
