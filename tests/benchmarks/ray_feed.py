"""Training steps a second beside Ray Data, with and without the pause in its planning loop.

    python tests/benchmarks/ray_feed.py examples/lspet data_root=PATH [--steps 40] [--rounds 2]

`alone` repeats one batch and loads nothing: the most that a feed can let through. `free` and
`paced` are fed by Ray Data, and measured once it has loaded so far ahead that it waits for the
model; they take turns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import repeat
from unittest.mock import patch

import cv2

from raypose.config import (
    Config,
    build_codec,
    build_dataset,
    build_model,
    load_config,
)
from raypose.distributed.data import RayFeed, StoredSplits
from raypose.distributed.pacing import Paced
from raypose.distributed.session import ray_session
from raypose.structures import PoseBatch
from raypose.training.feeds.order import SampleOrder, SamplePool
from raypose.training.train_step import TrainStep


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--steps", type=int, default=40, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--ahead", type=float, default=120, help="seconds until Ray Data has loaded all it may"
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    config = load_config(arguments.config, arguments.overrides)
    step = TrainStep(build_model(config).train(), build_codec(config))
    with ray_session():
        samples = build_dataset(config, "train")
        order = SampleOrder(
            pool=SamplePool(sizes=(len(samples),)), batch_size=config.data["train"]["batch_size"]
        )
        splits = StoredSplits.put(samples, samples)
        for _ in range(arguments.rounds):
            for name in ("free", "paced"):
                with _paused(name == "paced"), _stream(config, order, splits) as batches:
                    first = next(batches)
                    time.sleep(arguments.ahead)
                    fed = rate(step, batches, arguments.steps)
                alone = rate(step, repeat(first), arguments.steps)
                print(f"{name:6} {fed:6.2f} steps/s, {fed / alone:.0%} of {alone:.2f} alone")


def rate(step: TrainStep, batches: Iterable[PoseBatch], steps: int) -> float:
    """Return training steps a second, without the optimizer."""
    start = time.perf_counter()
    for batch, _ in zip(batches, range(steps), strict=False):
        step(batch)["loss"].backward()
    return steps / (time.perf_counter() - start)


@contextmanager
def _stream(config: Config, order: SampleOrder, splits: StoredSplits) -> Iterator:
    epochs = 100_000 // (order.batch_size * order.steps(0))
    batches = RayFeed(config, order, splits, 1, cpus=1).train(0, epochs)
    yield batches
    batches.close()  # type: ignore[attr-defined]


@contextmanager
def _paused(paused: bool) -> Iterator[None]:
    if paused:
        yield
        return
    with patch.object(Paced, "on_execution_step", lambda self, executor: None):
        yield


if __name__ == "__main__":
    main()
