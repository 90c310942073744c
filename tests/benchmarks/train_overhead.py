"""Samples a second of a training on one Ray worker, against the same loop fed from memory.

    python -m tests.benchmarks.train_overhead CONFIG [key=value ...]
        [--ways memory ray] [--rounds 2]

`memory` trains in this process on one batch over and over and loads nothing: the most that any
feed can let through. `ray` is `raypose train` with one worker of Ray Train, which Ray Data feeds.
`local` is the same worker with one loader process of torch. Both validate and save after each
epoch; the numbers are the medians of the lines of their `log.csv` after the first fifth. They take
turns, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

from raypose.config import load_config
from raypose.distributed.train import train
from raypose.structures import PoseBatch
from raypose.training.feeds.feed import Feed
from raypose.training.launch import local_experiment
from raypose.training.logs.csv_log import read_csv_log
from raypose.training.loop import fit
from raypose.training.runtime import LocalRuntime

_WAYS: dict[str, list[str]] = {
    "memory": ["cluster.num_workers=0", "data.loader=local", "data.num_workers=0"],
    "ray": ["cluster.num_workers=1", "data.loader=ray"],
    "local": ["cluster.num_workers=1", "data.loader=local", "data.num_workers=1"],
}


class FromMemory:
    """A feed that gives the first batch of another one, over and over."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.share = feed.share
        self.steps = feed.steps
        self.val = feed.val

    def train(self, first_epoch: int, epochs: int, first_step: int = 0) -> Iterator[PoseBatch]:
        """Yield it for ever."""
        yield from repeat(next(self._feed.train(first_epoch, epochs, first_step)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--ways", nargs="+", choices=tuple(_WAYS), default=list(_WAYS))
    parser.add_argument("--way", choices=tuple(_WAYS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(speeds(arguments.way, arguments.config, arguments.overrides)))
        return
    command = [sys.executable, "-m", "tests.benchmarks.train_overhead", arguments.config]
    command += [*arguments.overrides, "--way"]
    found: dict[str, list[float]] = {way: [] for way in arguments.ways}
    for _ in range(arguments.rounds):
        for way in arguments.ways:
            output = subprocess.run(
                [*command, way], check=True, stdout=subprocess.PIPE, text=True
            ).stdout
            found[way].append(statistics.median(json.loads(output.splitlines()[-1])))
    most = statistics.median(found[arguments.ways[0]])
    for way, each in found.items():
        speed = statistics.median(each)
        rounds = " ".join(f"{value:.1f}" for value in each)
        print(
            f"{way:7} {speed:7.2f} samples/s, {speed / most:.3f} of {arguments.ways[0]}  ({rounds})"
        )


def speeds(way: str, name: str, overrides: list[str]) -> list[float]:
    """Train and return the samples a second of its log lines, without those of the start."""
    config = load_config(name, [*overrides, *_WAYS[way], "train.loggers=[csv]"])
    with tempfile.TemporaryDirectory() as folder:
        if way == "memory":
            runtime = LocalRuntime(Path(folder))
            experiment = local_experiment(config, runtime)
            experiment.feed = FromMemory(experiment.feed)
            fit(experiment, runtime)
        else:
            train(config, Path(folder))
        rows = read_csv_log(Path(folder) / "log.csv")
    found = [float(row["samples/s"]) for row in rows if row.get("samples/s")]
    return found[len(found) // 5 :]


if __name__ == "__main__":
    main()
