"""`raypose demo`: the whole chain on pictures it draws itself, in a few minutes on a laptop.

drawn people -> Ray Data and Ray Train -> evaluation -> annotation of new pictures -> report
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import yaml

from raypose.config import load_config
from raypose.datasets.synthetic import write_synthetic_people
from raypose.distributed.annotate import annotate
from raypose.distributed.session import ray_session
from raypose.distributed.train import train
from raypose.inference.annotation.job import AnnotationJob
from raypose.inference.annotation.parts import read_annotations
from raypose.inference.annotation.table import poses_of
from raypose.structures import Skeleton
from raypose.training.reports.run_folder import RunFolder
from raypose.training.reports.run_report import REPORT, run_parts
from raypose.visualization import (
    Command,
    Commands,
    Example,
    Gallery,
    Number,
    Numbers,
    Report,
    Stage,
    Timeline,
    draw_poses,
    write_report,
)

_TRAIN, _VAL, _NEW = 2500, 120, 24
_SHOWN = 12


def run_demo(out: Path, seed: int, show: Callable[[str], None]) -> dict[str, float]:
    """Make data, train, evaluate, annotate and report.

    Args:
        out: folder of everything made: `config.yaml`, `best.pth`, `metrics.json`, `report.html`,
            `serve.yaml`, `pictures/`, `pictures.json`, `annotations/` and `data/`.
        seed: of the pictures, the weights and the order.
        show: is given lines of progress.

    Returns:
        The numbers of `metrics.json`.
    """
    stages: list[Stage] = []
    started = time.monotonic()

    def finish(name: str, detail: str) -> None:
        seconds = time.monotonic() - started - sum(stage.seconds for stage in stages)
        stages.append(Stage(name=name, seconds=seconds, detail=detail))
        show(f"[{time.monotonic() - started:5.0f} s] {name.lower()}: {detail}")

    out = out.resolve()
    _clear(out)
    data = out / "data"
    processes = 0 if (os.cpu_count() or 1) == 1 else 2
    show(f"drawing {_TRAIN + _VAL + _NEW} pictures of people ...")
    for split, count in (("train", _TRAIN), ("val", _VAL)):
        write_synthetic_people(data, count, seed, split, num_workers=processes)
    new = write_synthetic_people(out / "new", _NEW, seed, "new")
    _lay_out_pictures(new, out)
    overrides = [f"data_root={data}", f"train.seed={seed}"]
    config = load_config("demo", overrides)
    finish("Drawn", f"{_TRAIN} pictures to train on, {_VAL} to measure on, {_NEW} new ones")
    with ray_session():
        show("starting Ray Train workers ...")
        metrics = train(config, out)
        finish(
            "Trained",
            f"{config.train.epochs} epochs, {metrics['samples/s']:.0f} people/s, "
            f"AP {metrics['coco/AP']:.3f} on people it has not seen",
        )
        job = AnnotationJob(
            source=out / "pictures",
            out=out / "annotations",
            config=config.data,
            weights=out / "best.pth",
            boxes=out / "pictures.json",
        )
        progress = annotate(job)
        finish("Annotated", f"{progress.instances} people in {progress.done} new pictures")
    _write_serve_file(out)
    write_report(_report(out, metrics, stages, seed), out / REPORT)
    finish("Reported", str(out / REPORT))
    show(f"\nopen {out / REPORT}, then try:  raypose serve {out / 'serve.yaml'}")
    return metrics


def _clear(out: Path) -> None:
    """Remove what an earlier demo left, and nothing else."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("data", "new", "pictures", "annotations", "ray"):
        shutil.rmtree(out / name, ignore_errors=True)


def _lay_out_pictures(annotations: Path, out: Path) -> None:
    """Move the new pictures to `pictures/` and their annotations to `pictures.json`."""
    content = json.loads(annotations.read_text(encoding="utf-8"))
    (out / "pictures").mkdir()
    for image in content["images"]:
        source = annotations.parent / "images" / image["file_name"]
        image["file_name"] = source.name
        source.replace(out / "pictures" / source.name)
    (out / "pictures.json").write_text(json.dumps(content), encoding="utf-8")
    shutil.rmtree(annotations.parent)


def _write_serve_file(out: Path) -> None:
    text = yaml.safe_dump({"pose": {"weights": "best.pth"}, "port": 8000}, sort_keys=False)
    lead = (
        "# Serve the model of the demo:  raypose serve " + str(out / "serve.yaml") + "\n"
        "# There is no detector here: send boxes, or a picture of one person.\n"
    )
    (out / "serve.yaml").write_text(lead + text, encoding="utf-8")


def _report(out: Path, metrics: dict[str, float], stages: list[Stage], seed: int) -> Report:
    run = RunFolder.open(out)
    skeleton = run.config.skeleton
    assert skeleton is not None, "the demo's config names its skeleton"
    total = sum(stage.seconds for stage in stages)
    cards = [
        Number(label="AP", value=f"{metrics['coco/AP']:.3f}", note="COCO keypoints, OKS"),
        Number(label="AP at OKS 0.5", value=f"{metrics['coco/AP .5']:.3f}"),
        Number(label="AR", value=f"{metrics['coco/AR']:.3f}"),
        Number(label="people a second", value=f"{metrics['samples/s']:.0f}", note="training"),
    ]
    new = Gallery(
        heading="New pictures",
        about="Annotated by `raypose annotate`, in boxes that were drawn with the people.",
        examples=_examples(out, skeleton)[:_SHOWN],
    )
    commands = [
        Command(line=f"raypose serve {out / 'serve.yaml'}", about="Answer over HTTP."),
        Command(
            line=f"curl -F image=@{out / 'pictures' / '000000.jpg'} http://127.0.0.1:8000/v1/pose",
            about="Ask it.",
        ),
        Command(
            line=f"raypose annotate FOLDER --pose {out / 'best.pth'} --out poses",
            about="Annotate pictures of your own to Parquet.",
        ),
    ]
    # Its own cards say the same in words for those who have never seen a pose estimator.
    _, *parts = run_parts(run, run.answers() or [])
    return Report(
        title="raypose demo",
        summary=(
            f"A pose estimator, trained from nothing in {total:.0f} seconds on drawn people: Ray "
            "Data drew the crops, Ray Train the gradients, and Ray Data annotated the pictures "
            "below, which were not in the training set."
        ),
        parts=[Numbers(cards), Timeline(stages), new, *parts, Commands(commands)],
        footer=f"seed {seed}",
    )


def _examples(out: Path, skeleton: Skeleton) -> list[Example]:
    """Return the new pictures with their annotations."""
    examples = []
    for row in read_annotations(out / "annotations"):
        image = np.asarray(cv2.imread(str(out / "pictures" / row["source"])), np.uint8)
        poses = poses_of(row, skeleton.num_keypoints)
        examples.append(
            Example(
                views=[("annotated", draw_poses(image, poses, skeleton))],
                caption=f"{row['source']}: {len(poses)} people",
            )
        )
    return examples
