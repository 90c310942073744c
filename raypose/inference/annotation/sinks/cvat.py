"""CVAT XML 1.1: skeletons on images, and tracks of skeletons in videos, for people to correct.

Source of the format: https://docs.cvat.ai/docs/dataset_management/formats/xml_format.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import IO, Any, BinaryIO
from xml.sax.saxutils import escape, quoteattr

from raypose.inference.annotation import storage
from raypose.inference.annotation.parts import Place
from raypose.inference.annotation.sinks.answers import Answers, is_frame
from raypose.inference.annotation.table import Row

_LEAD = "<?xml version='1.0' encoding='utf-8'?>\n<annotations>\n  <version>1.1</version>\n"
_END = b"</annotations>\n"
# Extent of the picture of a skeleton, in which CVAT wants per cent.
_PICTURE = 100


def write_cvat(answers: Answers, folder: Place) -> None:
    """Write `images.xml` for all images and `SOURCE.xml` for each video, and `labels.json`.

    `labels.json` is what a task's constructor takes (tab "Raw"). Images are numbered in the order
    of the input. The frames of a track run until it is not seen; whoever has no identity is a
    track of one frame.
    """
    labels = json.dumps([_label(answers, name) for name in answers.categories()], indent=2)
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
    file.write((_LEAD + _meta(answers, "annotation")).encode())
    number = 0
    for row in answers.readable():
        if is_frame(row):
            continue
        file.write(
            f'  <image id="{number}" name={quoteattr(row["source"])} width="{row["width"]}" '
            f'height="{row["height"]}">\n'.encode()
        )
        for instance in row["instances"]:
            label = quoteattr(instance["category"] or answers.category)
            file.write(
                f'    <skeleton label={label} source="auto" z_order="0">\n'
                f"{_points(answers, instance)}    </skeleton>\n".encode()
            )
        file.write(b"  </image>\n")
        number += 1
    file.write(_END)


def _write_video(answers: Answers, rows: Iterator[Row], file: BinaryIO) -> None:
    file.write((_LEAD + _meta(answers, "interpolation")).encode())
    # Frames come in order, the file goes track by track: shapes wait in a file, not in memory.
    with tempfile.TemporaryFile() as waiting:
        tracks = _Tracks(answers, waiting)
        for row in rows:
            tracks.add(row)
        tracks.write(file)
    file.write(_END)


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
        f'      <points label={quoteattr(name)} source="auto"{more} outside="{outside:d}" '
        f'occluded="{score < answers.score_thr:d}" points="{x:.2f},{y:.2f}"/>\n'
        for name, (x, y, *_), score in named
    )


def _meta(answers: Answers, mode: str) -> str:
    parts = []
    for name in answers.categories():
        parts.append(f"<label><name>{escape(name)}</name><type>skeleton</type></label>")
        parts += [
            f"<label><name>{escape(point)}</name><type>points</type>"
            f"<parent>{escape(name)}</parent></label>"
            for point in answers.skeleton.keypoint_names
        ]
    labels = "".join(parts)
    return f"  <meta><task><mode>{mode}</mode><labels>{labels}</labels></task></meta>\n"


def _label(answers: Answers, name: str) -> dict[str, Any]:
    """Return a label of a task: the keypoints in two columns, which people may rearrange."""
    names = answers.skeleton.keypoint_names
    rows = (len(names) + 1) // 2
    places = [
        (
            _PICTURE * (1 + 2 * (index // rows)) / 4,
            _PICTURE * (1 + index % rows) / (rows + 1),
        )
        for index in range(len(names))
    ]
    lines = "".join(
        f'<line x1="{places[a][0]:.1f}" y1="{places[a][1]:.1f}" x2="{places[b][0]:.1f}" '
        f'y2="{places[b][1]:.1f}" data-type="edge" data-node-from="{a + 1}" '
        f'data-node-to="{b + 1}"></line>'
        for a, b in answers.skeleton.links
    )
    circles = "".join(
        f'<circle r="1.5" cx="{x:.1f}" cy="{y:.1f}" data-type="element node" '
        f'data-element-id="{index}" data-node-id="{index}" data-label-name={quoteattr(point)}>'
        "</circle>"
        for index, (point, (x, y)) in enumerate(zip(names, places, strict=True), start=1)
    )
    sublabels = [{"name": point, "type": "points", "attributes": []} for point in names]
    return {
        "name": name,
        "type": "skeleton",
        "attributes": [],
        "sublabels": sublabels,
        "svg": lines + circles,
    }
