"""COCO json of the keypoint task: a dataset, as for labelling and training, or bare results.

Source of the formats: https://cocodataset.org/#format-data and #format-results.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from raypose.converters.coco_entries import area, category_entry, image_entry, triples, xywh
from raypose.inference.annotation.sinks.answers import Answers, frame_name, is_frame
from raypose.inference.annotation.table import Row


def write_dataset(answers: Answers, file: BinaryIO) -> None:
    """Write images, categories and annotations.

    Images are numbered from 1 in the order of the input, and so are annotations; those that could
    not be read are left out. A frame of a video is called `VIDEO/000012.jpg`. Keypoints have
    visibility 2, or 1 where their score is below `score_thr`.
    """
    names = {name: number for number, name in enumerate(answers.categories(), start=1)}
    categories = [category_entry(answers.skeleton, name, number) for name, number in names.items()]
    file.write(b'{"categories": ' + json.dumps(categories).encode() + b',\n"images": ')
    write_list(file, (image_of(row, number) for number, row in _numbered(answers)))
    file.write(b',\n"annotations": ')
    write_list(file, _annotations(answers, names))
    file.write(b"}\n")


def write_results(answers: Answers, file: BinaryIO) -> None:
    """Write what a model found, for `loadRes` of an evaluator; images are numbered as above."""
    names = {name: number for number, name in enumerate(answers.categories(), start=1)}
    write_list(file, _results(answers, names))
    file.write(b"\n")


def image_of(row: Row, number: int) -> dict[str, Any]:
    """Return the entry of an image."""
    size = row["width"], row["height"]
    if not is_frame(row):
        return image_entry(frame_name(row), number, size)
    image = image_entry(frame_name(row), number, size, row["source"], row["frame"])
    image["time"] = round(row["time"], 6)
    return image


def write_list(file: BinaryIO, items: Iterable[Any]) -> None:
    """Write a JSON list, an item a line, without holding it."""
    lead = b"["
    for item in items:
        file.write(lead + b"\n" + json.dumps(item).encode())
        lead = b","
    file.write(b"[]" if lead == b"[" else b"]")


def box_of(instance: dict[str, Any]) -> list[float]:
    """Return the box xywh of an instance: its own, or the extent of its keypoints."""
    if instance["bbox"] is not None:
        return xywh(instance["bbox"])
    xs, ys = zip(*(point[:2] for point in instance["keypoints"]), strict=True)
    return xywh((min(xs), min(ys), max(xs), max(ys)))


def score_of(instance: dict[str, Any]) -> float:
    """Return how sure an instance is: its score, that of its box, or the mean of its keypoints'."""
    for name in ("score", "bbox_score"):
        if instance[name] is not None:
            return round(instance[name], 5)
    scores = instance["keypoint_scores"]
    return round(sum(scores) / len(scores), 5)


def _numbered(answers: Answers) -> Iterator[tuple[int, Row]]:
    yield from enumerate(answers.readable(), start=1)


def _annotations(answers: Answers, names: dict[str, int]) -> Iterator[dict[str, Any]]:
    number = 0
    for image, row in _numbered(answers):
        for instance in row["instances"]:
            number += 1
            seen = [2 if s >= answers.score_thr else 1 for s in instance["keypoint_scores"]]
            box = box_of(instance)
            entry = {
                "id": number,
                "image_id": image,
                "category_id": names[instance["category"] or answers.category],
                "bbox": box,
                "area": area(box),
                "iscrowd": 0,
                "keypoints": triples(instance["keypoints"], seen),
                "num_keypoints": len(seen),
                "score": score_of(instance),
            }
            if instance["track_id"] is not None:
                entry["track_id"] = instance["track_id"]
            yield entry


def _results(answers: Answers, names: dict[str, int]) -> Iterator[dict[str, Any]]:
    for image, row in _numbered(answers):
        for instance in row["instances"]:
            scores = [round(score, 5) for score in instance["keypoint_scores"]]
            yield {
                "image_id": image,
                "category_id": names[instance["category"] or answers.category],
                "keypoints": triples(instance["keypoints"], scores),
                "score": score_of(instance),
            }
