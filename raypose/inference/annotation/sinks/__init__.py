"""What finished annotations are also written as, beside Parquet.

A sink reads the parts of a complete job from the first to the last and holds no more than a few
rows. What it writes follows from them alone, and each file appears whole: who is interrupted does
it once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import BinaryIO

from raypose.errors import ConfigError, did_you_mean
from raypose.inference.annotation import storage
from raypose.inference.annotation.parts import Place
from raypose.inference.annotation.sinks.answers import Answers
from raypose.inference.annotation.sinks.coco import write_dataset, write_results
from raypose.inference.annotation.sinks.cvat import write_cvat
from raypose.inference.annotation.sinks.json_files import write_json_files
from raypose.inference.annotation.sinks.label_studio import write_labels, write_tasks

__all__ = ["FILES", "FOLDERS", "OVERLAY", "Answers", "check_sinks", "write_sinks"]

OVERLAY = "overlay"
"""The sink that draws on the pictures; see `raypose.inference.annotation.overlays`."""

FILES: dict[str, dict[str, Callable[[Answers, BinaryIO], None]]] = {
    "coco": {"coco.json": write_dataset},
    "coco-results": {"coco_results.json": write_results},
    "label-studio": {"label_studio.json": write_tasks, "label_studio.xml": write_labels},
}
"""Sinks of single files, by format: what writes each."""

FOLDERS: dict[str, tuple[str, Callable[[Answers, Place], None]]] = {
    "json": ("json", write_json_files),
    "cvat": ("cvat", write_cvat),
}
"""Sinks of many files, by format: their folder and what writes it."""


def write_sinks(formats: Sequence[str], answers: Answers, out: Place) -> None:
    """Write annotations in other formats.

    Args:
        formats: keys of `FILES` and `FOLDERS`.
        answers: the annotations.
        out: folder that they are written below.

    Raises:
        RayposeError: if a format cannot hold them, or a file cannot be written.
    """
    for name in formats:
        for file, write in FILES.get(name, {}).items():
            storage.write_whole(storage.join(out, file), partial(write, answers))
        if name in FOLDERS:
            folder, write_all = FOLDERS[name]
            write_all(answers, storage.join(out, folder))


def check_sinks(formats: Sequence[str], has_videos: bool) -> None:
    """Refuse formats that are unknown or cannot hold what there is, before any work is done.

    Raises:
        ConfigError: if there is such a format.
    """
    known = [*FILES, *FOLDERS, OVERLAY]
    for name in formats:
        if name not in known:
            near = did_you_mean(name, known)
            raise ConfigError(f"no format {name!r}; there are {', '.join(known)}.{near}")
    if has_videos and "label-studio" in formats:
        raise ConfigError(
            "label-studio: Label Studio has no keypoints in videos; take cvat, or --select, "
            "which writes frames as images"
        )
