"""Annotation on a Ray cluster of three nodes, one of which goes; run as a process of its own.

    python losing_a_node.py JOB.json

The last line printed says what happened, as JSON.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from raypose.distributed.annotate import annotate
from raypose.distributed.session import quiet_ray_data
from raypose.inference.annotation.job import AnnotationJob


def main(given: dict[str, Any]) -> None:
    """Annotate; let a node go once the first answers are there."""
    paths = {name: Path(given[name]) for name in ("source", "out", "weights")}
    job = AnnotationJob(**{**given, **paths}, device="cpu")
    node = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = Cluster(
        initialize_head=True, head_node_args={**node, "num_cpus": 2, "include_dashboard": False}
    )
    facts: dict[str, Any] = {}
    try:
        workers = [cluster.add_node(True, **node) for _ in range(2)]
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        quiet_ray_data()
        ray.data.DataContext.get_current().wait_for_min_actors_s = 120
        before = len([each for each in ray.nodes() if each["Alive"]])

        def lose() -> None:
            frames = paths["out"] / "_frames"
            while not (parts := list(frames.rglob("part-*.parquet"))):
                time.sleep(0.02)
            cluster.remove_node(workers[0], allow_graceful=False)
            facts["parts_when_it_went"] = len(parts)

        thread = threading.Thread(target=lose)
        thread.start()
        annotate(job)
        thread.join(30)
        facts["nodes"] = [before, len([each for each in ray.nodes() if each["Alive"]])]
    finally:
        ray.shutdown()
        cluster.shutdown()
    print(json.dumps(facts))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
