"""A config of the tutorial on a Ray cluster of two nodes; run as a process of its own.

    python two_nodes.py PROJECT NAME OUT

PROJECT is the tutorial's folder, NAME one of its configs. What happened goes to
`OUT/facts.json`, for a test to judge.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import ray
from ray.cluster_utils import Cluster
from ray.data import DataContext

from raypose.config import Config, load_config
from raypose.config.sections import ServeSection
from raypose.distributed.annotate import annotate
from raypose.distributed.serving import run
from raypose.distributed.session import quiet_ray_data
from raypose.distributed.train import train
from raypose.inference.annotation.job import AnnotationJob

# Imported with the user's modules in every process, it leaves a note of where it was.
WITNESS = """
import os
from pathlib import Path
import ray

folder = Path(__file__).with_name("seen")
folder.mkdir(exist_ok=True)
node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "none"
(folder / f"{os.getpid()}-{node}").touch()
"""
ANSWER_WAIT_S = 30


def main(project: Path, name: str, out: Path) -> None:
    """Train, annotate and serve; write what happened."""
    (project / "witness.py").write_text(WITNESS)
    node = {"num_cpus": 2, "object_store_memory": 100 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        del node["include_dashboard"]
        cluster.add_node(**node)
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        quiet_ray_data()
        # The work is so little that the first actor would do it before the second has started.
        DataContext.get_current().wait_for_min_actors_s = 60
        facts = {"nodes": len(ray.nodes()), **_whole_chain(name, project, out)}
        (out / "facts.json").write_text(json.dumps(facts, indent=2))
    finally:
        ray.shutdown()
        cluster.shutdown()


def _whole_chain(name: str, project: Path, out: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {"seconds": {}}

    def finish(phase: str, result: Any, started: float) -> None:
        facts["seconds"][phase] = round(time.monotonic() - started, 1)
        facts[phase] = result
        facts[f"{phase}_nodes"] = _nodes_seen(project)

    config = _config(name, project)
    _nodes_seen(project)
    started = time.monotonic()
    finish("train", train(config, out), started)
    started = time.monotonic()
    finish("annotate", _annotate(config, project, out), started)
    started = time.monotonic()
    finish("serve", _serve(config, project, out), started)
    return facts


def _config(name: str, project: Path) -> Config:
    file = project / f"{name}.yaml"
    modules = [str(module) for module in load_config(file).data["imports"]]
    return load_config(
        file,
        [
            f"imports=[{', '.join([*modules, 'witness'])}]",
            f"data_root={project / 'data'}",
            f"data.loader={'ray' if name == 'wrapped' else 'local'}",
            "cluster.num_workers=2",
            "cluster.placement_strategy=STRICT_SPREAD",
            # More than half of a node's CPUs: two of them are on two nodes.
            "annotate.num_actors=2",
            "annotate.num_cpus=1.5",
            "annotate.shard_size=1",
        ],
    )


def _annotate(config: Config, project: Path, out: Path) -> list[dict[str, Any]]:
    finds_people = config.data["model"]["type"] == "GridEstimator"
    job = AnnotationJob(
        source=project / "data" / "images" / "val",
        out=out / "poses",
        config=config.data,
        weights=out / "best.pth",
        boxes=None if finds_people else _boxes(project, out),
        device="cpu",
    )
    annotate(job)
    return pq.read_table(job.out).sort_by("source").to_pylist()


def _boxes(project: Path, out: Path) -> Path:
    """Write the annotations once more, named as the images are called in their folder."""
    content = json.loads((project / "data" / "val.json").read_text())
    for image in content["images"]:
        image["file_name"] = Path(image["file_name"]).name
    path = out / "boxes.json"
    path.write_text(json.dumps(content))
    return path


def _serve(config: Config, project: Path, out: Path) -> list[dict[str, Any]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pose = {"weights": str(out / "best.pth"), "num_replicas": 2, "num_cpus": 1.5}
    run(ServeSection.model_validate({"port": port, "pose": pose}))
    picture = sorted((project / "data" / "images" / "val").iterdir())[0].read_bytes()
    target = "/v1/pose"
    if config.data["model"]["type"] != "GridEstimator":
        row = pq.read_table(out / "poses").sort_by("source").to_pylist()[0]
        boxes = [instance["bbox"] for instance in row["instances"]]
        target += f"?boxes={json.dumps(boxes, separators=(',', ':'))}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_WAIT_S)
    connection.request("POST", target, picture, {"Content-Type": "image/jpeg"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    if response.status != http.client.OK:
        raise RuntimeError(f"{response.status}: {answer}")
    return answer["instances"]


def _nodes_seen(project: Path) -> int:
    """Return on how many nodes other processes imported the user's modules since the last call."""
    notes = list((project / "seen").glob("*"))
    for note in notes:
        note.unlink()
    places = [note.name.split("-") for note in notes]
    return len({node for pid, node in places if int(pid) != os.getpid()})


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
