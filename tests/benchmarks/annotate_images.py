"""Images a second of `raypose annotate`, its networks' own speed, and MMPose's loop.

    python tests/benchmarks/annotate_images.py COCO.json --images FOLDER
        [--pose rtmpose-s_8xb256-420e_coco-256x192] [--count 10000] [--rounds 1] [--memory]

The pictures of a COCO json with their boxes, repeated until there are `count`. `forward` is the
exported network alone, normalised inputs ready, in as many processes as there are actors, one
thread each: the most that a job can reach. `raypose` is the job after start-up. `mmpose`, where it
is installed, is `inference_topdown` picture by picture in one process with all threads. All three
without flip test, weights random. `--memory` (needs psutil) prints the largest
memory of an actor for a tenth of the pictures and for all of them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.annotation_job import ActorMemory, exported, random_model, run

_BATCH = 8
_SECONDS = 15.0


def repeat(source: str, images: str, count: int, folder: Path) -> str:
    """Write a COCO json of `count` pictures, which are links to those of another."""
    data = json.loads(Path(source).read_text())
    boxes: dict[int, list[Any]] = {}
    for each in data["annotations"]:
        boxes.setdefault(each["image_id"], []).append(each)
    found = [each for each in data["images"] if each["id"] in boxes]
    target = folder / "images"
    target.mkdir()
    many: dict[str, list[Any]] = {"images": [], "annotations": []}
    for number in range(count):
        image = found[number % len(found)]
        original = (Path(images) / image["file_name"]).resolve()
        name = f"{number:06d}{original.suffix}"
        (target / name).symlink_to(original)
        many["images"].append({**image, "id": number, "file_name": name})
        for box in boxes[image["id"]]:
            many["annotations"].append({**box, "id": len(many["annotations"]), "image_id": number})
    path = folder / f"many_{count}.json"
    path.write_text(json.dumps({**many, "categories": data["categories"]}))
    return str(path)


def _run_network(file: str, size: tuple[int, int], seconds: float, out: Any) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    inputs = {name: np.random.default_rng(0).random((_BATCH, 3, size[1], size[0]), np.float32)}
    session.run(None, inputs)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        session.run(None, inputs)
        count += _BATCH
    out.put(count / (time.perf_counter() - start))


def forward_rate(file: str, size: tuple[int, int], processes: int) -> float:
    """Return crops a second of the network in several processes at once."""
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    workers = [
        context.Process(target=_run_network, args=(file, size, _SECONDS, out))
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    rates = [out.get() for _ in workers]
    for worker in workers:
        worker.join()
    return sum(rates)


def mmpose_rate(config: str, source: str, seconds: float) -> float:
    """Return pictures a second of MMPose's own loop, one picture after the other."""
    import cv2
    import torch
    from mmpose.apis import (  # pyright: ignore[reportMissingImports]
        inference_topdown,
        init_model,
    )

    torch.set_num_threads(os.cpu_count() or 1)
    model = init_model(config, None, "cpu")
    model.cfg.model.test_cfg.flip_test = model.test_cfg["flip_test"] = False
    data = json.loads(Path(source).read_text())
    boxes: dict[int, list[Any]] = {}
    for each in data["annotations"]:
        x, y, w, h = each["bbox"]
        boxes.setdefault(each["image_id"], []).append([x, y, x + w, y + h])
    folder = Path(source).parent / "images"
    count, start = 0, 0.0
    for image in data["images"]:
        picture = cv2.imread(str(folder / image["file_name"]))
        inference_topdown(model, picture, np.array(boxes[image["id"]]))
        if not start:
            start = time.perf_counter()  # the first one warms up
            continue
        count += 1
        if time.perf_counter() - start > seconds:
            break
    return count / (time.perf_counter() - start)


def main() -> None:
    """Print a line for each way and round."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", help="COCO json with boxes")
    parser.add_argument("--images", required=True)
    parser.add_argument("--pose", default="rtmpose-s_8xb256-420e_coco-256x192")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--mmpose", help="config file of the same model in MMPose")
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    actors = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        overrides = (f"annotate.num_actors={actors}", "annotate.shard_size=128")
        model = random_model(arguments.pose, folder, overrides)
        size = tuple(model[0].data["codec"]["input_size"])
        network = exported(model)
        source = repeat(arguments.source, arguments.images, arguments.count, folder)
        if arguments.memory:
            small = repeat_some(source, arguments.count // 10)
            for each in (small, source):
                with ActorMemory() as memory:
                    took = run(each, folder / "out", model)
                print(f"{took.rows:6} pictures: {memory.most:.0f} MB", flush=True)
            return
        for _ in range(arguments.rounds):
            forward = forward_rate(network, size, actors)
            took = run(source, folder / "out", model)
            again = forward_rate(network, size, actors)
            limit = (forward + again) / 2
            print(f"forward {forward:8.2f} and {again:.2f} images/s, {actors} processes")
            print(
                f"raypose {took.rate:8.2f} images/s, {took.rate / limit:.2f} of forward "
                f"({took.rows} in {took.seconds:.0f} s with start-up)",
                flush=True,
            )
            if arguments.mmpose and find_spec("mmpose"):
                peer = mmpose_rate(arguments.mmpose, source, 4 * _SECONDS)
                print(f"mmpose  {peer:8.2f} images/s; raypose {took.rate / peer:.2f} times")


def repeat_some(source: str, count: int) -> str:
    """Write the first pictures of a json to another."""
    data = json.loads(Path(source).read_text())
    kept = data["images"][:count]
    ids = {each["id"] for each in kept}
    annotations = [each for each in data["annotations"] if each["image_id"] in ids]
    path = Path(source).with_name("few.json")
    path.write_text(json.dumps({**data, "images": kept, "annotations": annotations}))
    return str(path)


if __name__ == "__main__":
    main()
