"""CVAT XML 1.1: skeletons on images, and tracks of skeletons in videos, for people to correct."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import IO, Any, BinaryIO
from xml.sax.saxutils import quoteattr

from raypose.converters.cvat import (
    XML_END,
    XML_LEAD,
    image_element,
    label_definition,
    meta_element,
    point_element,
    skeleton_element,
)
from raypose.inference.annotation import storage
from raypose.inference.annotation.parts import Place
from raypose.inference.annotation.sinks.answers import Answers, is_frame
from raypose.inference.annotation.table import Row


def write_cvat(answers: Answers, folder: Place) -> None:
    """Write `images.xml` for all images and `SOURCE.xml` for each video, and `labels.json`.

    `labels.json` is what a task's constructor takes (tab "Raw"). Images are numbered in the order
    of the input. The frames of a track run until it is not seen; whoever has no identity is a
    track of one frame.
    """
    labels = json.dumps(
        [label_definition(answers.skeleton, name) for name in answers.categories()], indent=2
    )
    storage.write_whole(storage.join(folder, "labels.json"), labels.encode())
    has_images = False
    for source, rows in answers.by_source():
        first = next(rows)
        if not is_frame(first):
            has_images = True
            continue
        content = partial(_write_video, answers, chain([first], rows))
        storage.write_whole(storage.inside(folder, f"{source}.xml"), content)
    if has_images:
        storage.write_whole(storage.join(folder, "images.xml"), partial(_write_images, answers))


def _write_images(answers: Answers, file: BinaryIO) -> None:
    file.write((XML_LEAD + _meta(answers, "annotation")).encode())
    number = 0
    for row in answers.readable():
        if is_frame(row):
            continue
        shapes = "".join(
            skeleton_element(
                instance["category"] or answers.category, "auto", _points(answers, instance)
            )
            for instance in row["instances"]
        )
        size = row["width"], row["height"]
        file.write(image_element(number, row["source"], size, shapes).encode())
        number += 1
    file.write(XML_END.encode())


def _write_video(answers: Answers, rows: Iterator[Row], file: BinaryIO) -> None:
    file.write((XML_LEAD + _meta(answers, "interpolation")).encode())
    # Frames come in order, the file goes track by track: shapes wait in a file, not in memory.
    with tempfile.TemporaryFile() as waiting:
        tracks = _Tracks(answers, waiting)
        for row in rows:
            tracks.add(row)
        tracks.write(file)
    file.write(XML_END.encode())


class _Tracks:
    """The shapes of a video by track."""

    def __init__(self, answers: Answers, waiting: IO[bytes]) -> None:
        self._answers = answers
        self._waiting = waiting
        self._labels: list[str] = []
        self._pieces: list[list[tuple[int, int]]] = []
        self._number_of: dict[tuple[str, int], int] = {}
        self._shown: dict[int, dict[str, Any]] = {}

    def add(self, row: Row) -> None:
        """Take the next frame."""
        before, self._shown = self._shown, {}
        for instance in row["instances"]:
            number = self._track(instance)
            self._shown[number] = instance
            self._append(number, row["frame"], instance)
        for number, instance in before.items():
            if number not in self._shown:
                # Or CVAT shows it where it was last for the rest of the video.
                self._append(number, row["frame"], instance, outside=True)

    def write(self, file: BinaryIO) -> None:
        """Write all tracks."""
        for number, (label, pieces) in enumerate(zip(self._labels, self._pieces, strict=True)):
            file.write(f'  <track id="{number}" label={quoteattr(label)} source="auto">\n'.encode())
            for start, length in pieces:
                self._waiting.seek(start)
                file.write(self._waiting.read(length))
            file.write(b"  </track>\n")

    def _track(self, instance: dict[str, Any]) -> int:
        label = instance["category"] or self._answers.category
        new = len(self._labels)
        identity = instance["track_id"]
        number = new if identity is None else self._number_of.setdefault((label, identity), new)
        if number == new:
            self._labels.append(label)
            self._pieces.append([])
        return number

    def _append(
        self, number: int, frame: int, instance: dict[str, Any], outside: bool = False
    ) -> None:
        points = _points(self._answers, instance, outside, ' keyframe="1"')
        shape = (
            f'    <skeleton frame="{frame}" keyframe="1" outside="{outside:d}" z_order="0">\n'
            f"{points}    </skeleton>\n"
        ).encode()
        self._pieces[number].append((self._waiting.tell(), len(shape)))
        self._waiting.write(shape)


def _points(
    answers: Answers, instance: dict[str, Any], outside: bool = False, more: str = ""
) -> str:
    named = zip(
        answers.skeleton.keypoint_names,
        instance["keypoints"],
        instance["keypoint_scores"],
        strict=True,
    )
    return "".join(
        point_element(
            name,
            x,
            y,
            source="auto",
            outside=outside,
            occluded=score < answers.score_thr,
            more=more,
        )
        for name, (x, y, *_), score in named
    )


def _meta(answers: Answers, mode: str) -> str:
    return meta_element(answers.skeleton, answers.categories(), mode)
