"""Labelled data sets of other tools, read into one record and written from it.

Each format is a file with a reader and, where the format allows, a writer.
"""

from raypose.converters import (
    coco,
    cvat,
    deeplabcut,
    label_studio,
    lightning_pose,
    sleap,
    vott,
    yolo_pose,
)
from raypose.converters.conversion import convert_labels, read_labels
from raypose.converters.formats import (
    FORMATS,
    Format,
    guess_format,
    reader_of,
    register_format,
    writer_of,
)
from raypose.converters.labels import Instance, LabelledImage, LabelSet
from raypose.converters.splits import split_labels

for _module in (
    coco,
    yolo_pose,
    deeplabcut,
    lightning_pose,
    sleap,
    label_studio,
    cvat,
    vott,
):
    register_format(_module.FORMAT)

__all__ = [
    "FORMATS",
    "Format",
    "Instance",
    "LabelSet",
    "LabelledImage",
    "convert_labels",
    "guess_format",
    "read_labels",
    "reader_of",
    "register_format",
    "split_labels",
    "writer_of",
]
