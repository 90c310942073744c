"""Label Studio: tasks with predictions, which its users correct, and the labels of a project."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from raypose.converters.label_studio_regions import box_region, labelling_interface, point_region
from raypose.inference.annotation.sinks.answers import Answers, is_frame
from raypose.inference.annotation.sinks.coco import box_of, score_of, write_list
from raypose.inference.annotation.table import Row

_VERSION = "raypose"


def write_tasks(answers: Answers, file: BinaryIO) -> None:
    """Write a task for each image that could be read, to be imported into a project.

    `data.image` is the name of the image; what it is below is up to the project's storage.
    Frames of videos are left out: Label Studio knows no keypoints there.
    """
    write_list(file, _tasks(answers))
    file.write(b"\n")


def write_labels(answers: Answers, file: BinaryIO) -> None:
    """Write the labelling interface of a project that takes these tasks."""
    file.write(labelling_interface(answers.skeleton, answers.categories()).encode())


def _tasks(answers: Answers) -> Iterator[dict[str, Any]]:
    for row in answers.readable():
        if is_frame(row):
            continue
        instances = row["instances"]
        scores = [score_of(instance) for instance in instances]
        prediction = {
            "model_version": _VERSION,
            "score": round(sum(scores) / len(scores), 5) if scores else 0.0,
            "result": [
                region
                for number, instance in enumerate(instances)
                for region in _regions(answers, row, instance, number)
            ],
        }
        yield {"data": {"image": row["source"]}, "predictions": [prediction]}


def _regions(
    answers: Answers, row: Row, instance: dict[str, Any], number: int
) -> Iterator[dict[str, Any]]:
    """Yield the box of an instance and its keypoints, which are below it."""
    size = row["width"], row["height"]
    box = f"instance-{number}"
    category = instance["category"] or answers.category
    region = box_region(box, category, box_of(instance), size)
    yield {**region, "score": score_of(instance)}
    named = zip(
        answers.skeleton.keypoint_names,
        instance["keypoints"],
        instance["keypoint_scores"],
        strict=True,
    )
    for name, (x, y, *_), score in named:
        yield {**point_region(box, name, x, y, size), "score": round(score, 5)}
