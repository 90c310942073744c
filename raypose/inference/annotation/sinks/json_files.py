"""One JSON for each image or video, as MMPose writes its predictions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import BinaryIO

from raypose.inference.annotation import storage
from raypose.inference.annotation.parts import Place
from raypose.inference.annotation.sinks.answers import Answers
from raypose.inference.annotation.sinks.coco import write_list
from raypose.inference.annotation.table import Row


def write_json_files(answers: Answers, folder: Place) -> None:
    """Write `SOURCE.json` for each image or video.

    It holds `meta_info`, the skeleton, and `instance_info`, for each frame its `frame_id` and
    `instances` with the columns that the tables have; a frame that could not be read has `error`.
    """
    skeleton = answers.skeleton
    meta = {
        "dataset_name": skeleton.name,
        "num_keypoints": skeleton.num_keypoints,
        "keypoint_id2name": dict(enumerate(skeleton.keypoint_names)),
        "skeleton_links": [list(link) for link in skeleton.links],
    }
    for source, rows in answers.by_source():
        content = partial(_write, source, meta, rows)
        storage.write_whole(storage.inside(folder, f"{source}.json"), content)


def _write(source: str, meta: object, rows: Iterable[Row], file: BinaryIO) -> None:
    lead = {"source": source, "meta_info": meta}
    file.write(json.dumps(lead).encode()[:-1] + b', "instance_info": ')
    write_list(file, map(_entry, rows))
    file.write(b"}\n")


def _entry(row: Row) -> dict[str, object]:
    instances = [
        {name: value for name, value in instance.items() if value is not None}
        for instance in row["instances"]
    ]
    entry = {"frame_id": row["frame"], "instances": instances}
    if row["error"] is not None:
        entry["error"] = row["error"]
    return entry
