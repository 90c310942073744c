"""A training on a Ray cluster of several nodes, disturbed; run as a process of its own.

    python training_on_nodes.py GIVEN.json

`GIVEN.json` names the config, the work folder, how many nodes there are and what happens: `worker`,
`node`, `more`, `notice` or `driver`. The log goes to the standard error.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import ray
from ray._private.state import available_resources_per_node
from ray.cluster_utils import Cluster

from raypose.config import load_config
from raypose.distributed.train import train

NODE = {"num_cpus": 1, "object_store_memory": 100 << 20}
# Seconds from the notice that a node goes until it does.
NOTICE = 5


class Nodes:
    """A head that trains nothing, and nodes that have room for one worker each."""

    def __init__(self, count: int) -> None:
        head = {**NODE, "num_cpus": 0, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.cluster.add_node(True, **NODE) for _ in range(count)]

    def lose_one(self) -> None:
        """Lose a node with a worker."""
        self.cluster.remove_node(self._busy(), allow_graceful=False)

    def add_one(self) -> None:
        """Add a node."""
        self.nodes.append(self.cluster.add_node(True, **NODE))

    def take_one_back(self) -> None:
        """Give notice that a node with a worker goes, and let it go."""
        node = self._busy()
        # Both are compiled, without types.
        client = import_module("ray._raylet").GcsClient(address=self.cluster.address)
        client.drain_node(
            node.node_id,
            import_module("ray.core.generated.autoscaler_pb2").DRAIN_NODE_REASON_PREEMPTION,
            "spot",
            int((time.time() + NOTICE) * 1000),
        )
        time.sleep(NOTICE)
        self.cluster.remove_node(node, allow_graceful=False)

    def _busy(self) -> Any:
        free = available_resources_per_node()
        return next(node for node in self.nodes if not free[node.node_id].get("CPU"))


def wait_for_rows(work_dir: Path, rows: int, over: Callable[[], bool]) -> None:
    """Wait until the log has so many rows, or the training is over."""
    log = work_dir / "log.csv"
    while not over() and (not log.is_file() or len(log.read_text().splitlines()) <= rows):
        time.sleep(0.05)


def main(given: dict[str, Any]) -> None:
    """Train, and let happen what is to."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("raypose").setLevel(logging.INFO)
    config, work_dir = Path(given["config"]), Path(given["work_dir"])
    nodes = Nodes(given["nodes"])
    try:
        if given["event"] == "driver":
            assert nodes.cluster.address is not None
            kill_the_driver(nodes.cluster.address, config, work_dir)
            return
        ray.init(address=nodes.cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        events: dict[str, Callable[[], object]] = {
            "worker": Path(given["bomb"]).touch,
            "node": nodes.lose_one,
            "more": nodes.add_one,
            "notice": nodes.take_one_back,
        }
        # Nodes can be started in the main thread only.
        with ThreadPoolExecutor(1) as other:
            training = other.submit(train, load_config(config), work_dir)
            # Ray Train hears of a new node within 20 seconds.
            wait_for_rows(work_dir, 1 if given["event"] == "more" else 6, training.done)
            events[given["event"]]()
            training.result()
    finally:
        ray.shutdown()
        nodes.cluster.shutdown()


def kill_the_driver(address: str, config: Path, work_dir: Path) -> None:
    """Kill the command that trains, and give it again."""
    start = "import sys; from raypose.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "train", str(config)]
    command += ["--resume", "--work-dir", str(work_dir)]
    environment = {**os.environ, "RAY_ADDRESS": address}
    first = subprocess.Popen(command, env=environment)
    wait_for_rows(work_dir, 6, lambda: first.poll() is not None)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait(120) == -signal.SIGKILL
    assert subprocess.run(command, env=environment, timeout=120, check=False).returncode == 0


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
