"""The classes of a detector by name: which there are, and which are wanted."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError, did_you_mean

# https://cocodataset.org, the order of its 80 categories.
COCO_CLASSES: tuple[str, ...] = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    *("traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat"),
    *("dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack"),
    *("umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball"),
    *("kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket"),
    *("bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair"),
    *("couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse"),
    *("remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink"),
    *("refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier"),
    "toothbrush",
)
# Names for several classes at once; those of COCO that MMPose's animal models are for.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "animal": (*("cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"),),
}
# Where exports keep the names of their classes.
_METADATA_KEYS = ("names", "class_names", "classes")

Classes = Sequence[int | str]


def names_by_number(num_classes: int) -> tuple[str, ...]:
    """Return the names that a detector of so many classes has as a rule.

    Those are COCO's for 80 and `person` for one; none for other numbers, which say nothing.
    """
    return {1: ("person",), len(COCO_CLASSES): COCO_CLASSES}.get(num_classes, ())


def names_in_metadata(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that an ONNX file carries along, none if it does not.

    Args:
        metadata: its key-value pairs; the names are a list, a mapping from index to name, both
            written as in Python or JSON, or words with commas between.
    """
    text = next((metadata[key] for key in _METADATA_KEYS if metadata.get(key)), "")
    try:
        found = ast.literal_eval(text)
        if isinstance(found, Mapping):
            found = [found[key] for key in sorted(found, key=int)]
    except (ValueError, SyntaxError, TypeError, RecursionError):
        found = [word.strip() for word in text.split(",") if word.strip()]
    return tuple(str(name) for name in found) if isinstance(found, (list, tuple)) else ()


def find_classes(wanted: Classes, names: Sequence[str], detector: str) -> npt.NDArray[np.int64]:
    """Return the indices of classes.

    Args:
        wanted: names or indices; `animal` stands for all animals of COCO that the detector knows.
        names: of the detector's classes, in order; empty if they are not known.
        detector: what it is called in messages.

    Raises:
        ConfigError: for a name that the detector does not have, with the nearest, or an index
            beyond its classes.
    """
    found: list[int] = []
    problems = []
    for item in [wanted] if isinstance(wanted, str) else wanted:
        if isinstance(item, int):
            found.append(item)
            if names and not 0 <= item < len(names):
                problems.append(f"{detector}: classes are 0 to {len(names) - 1}, got {item}")
        elif matches := _indices(item, names):
            found += matches
        elif not names:
            problems.append(
                f"{detector} does not say what its classes are called, so '{item}' cannot be "
                "found; give class_names, or the index of the class"
            )
        else:
            problems.append(
                f"{detector} finds no '{item}'.{did_you_mean(item, names)} It finds "
                f"{_listed(names)}"
            )
    if problems:
        raise ConfigError(problems)
    return np.unique(np.asarray(found, np.int64))


def _indices(name: str, names: Sequence[str]) -> list[int]:
    members = (name,) if name in names else GROUPS.get(name, ())
    return [names.index(member) for member in members if member in names]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
