"""Label Studio: tasks with predictions, which its users correct, and the labels of a project.

Source of the format: https://labelstud.io/guide/predictions. Places and sizes are in per cent of
the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.sax.saxutils import quoteattr

from raypose.inference.annotation.sinks.answers import Answers, is_frame
from raypose.inference.annotation.sinks.coco import box_of, score_of, write_list
from raypose.inference.annotation.table import Row

_POINT_SIZE = 0.6
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
    points = "".join(
        f"    <Label value={quoteattr(name)} background='#{r:02x}{g:02x}{b:02x}'/>\n"
        for name, (r, g, b) in zip(
            answers.skeleton.keypoint_names, answers.skeleton.keypoint_colors, strict=True
        )
    )
    boxes = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in answers.categories())
    file.write(
        (
            "<View>\n"
            '  <Image name="image" value="$image"/>\n'
            f'  <RectangleLabels name="box" toName="image">\n{boxes}  </RectangleLabels>\n'
            f'  <KeyPointLabels name="keypoint" toName="image">\n{points}  </KeyPointLabels>\n'
            "</View>\n"
        ).encode()
    )


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
    width, height = row["width"], row["height"]
    across, down = 100 / width, 100 / height
    common = {
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    box = f"instance-{number}"
    left, top, wide, high = box_of(instance)
    yield {
        **common,
        "id": box,
        "from_name": "box",
        "type": "rectanglelabels",
        "score": score_of(instance),
        "value": {
            "x": round(left * across, 4),
            "y": round(top * down, 4),
            "width": round(wide * across, 4),
            "height": round(high * down, 4),
            "rotation": 0,
            "rectanglelabels": [instance["category"] or answers.category],
        },
    }
    named = zip(
        answers.skeleton.keypoint_names,
        instance["keypoints"],
        instance["keypoint_scores"],
        strict=True,
    )
    for name, (x, y, *_), score in named:
        yield {
            **common,
            "id": f"{box}-{name}",
            "parentID": box,
            "from_name": "keypoint",
            "type": "keypointlabels",
            "score": round(score, 5),
            "value": {
                "x": round(x * across, 4),
                "y": round(y * down, 4),
                "width": _POINT_SIZE,
                "keypointlabels": [name],
            },
        }
