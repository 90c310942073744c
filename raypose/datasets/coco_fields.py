"""Types of what a COCO-keypoints file holds, checked before anything is made of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from raypose.datasets.base_dataset import check_problems

_NUMBERS = {int, float}


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field of a COCO file that has the wrong type.

    Attributes:
        part: `images`, `annotations` or `categories`.
        position: of the entry in its list, None if the part is no list.
        entry: what to call the entry: `image 5`, or `images.0` where it has no id.
        message: what was expected, and what is there.
    """

    part: str
    position: int | None
    entry: str
    message: str

    def __str__(self) -> str:
        return f"{self.entry}: {self.message}" if self.entry else self.message


def check_fields(content: Any, path: str) -> None:
    """Check the types of images, annotations and categories, as far as they are there.

    What else makes a file one of COCO's, and that its numbers fit each other, is checked where
    they are read.

    Args:
        content: the parsed JSON file; what is no mapping is left to those who read it.
        path: what to call it in messages.

    Raises:
        DataError: with the entries that are wrong, their keys and what is expected there.
    """
    check_problems(path, [str(problem) for problem in field_problems(content)])


def field_problems(content: Any) -> Iterator[FieldProblem]:
    """Yield every field of images, annotations and categories that has the wrong type."""
    if not isinstance(content, Mapping):
        return
    for part, fields in _FIELDS.items():
        entries = content.get(part)
        if entries is None:
            continue
        if not isinstance(entries, list):
            yield FieldProblem(part, None, "", f"'{part}' is a list, got {_shown(entries)}")
            continue
        kind = part.rstrip("s").replace("ie", "y")
        for position, entry in enumerate(entries):
            if not isinstance(entry, Mapping):
                message = f"a mapping expected, got {_shown(entry)}"
                yield FieldProblem(part, position, f"{part}.{position}", message)
                continue
            for key, value in entry.items():
                check = fields.get(key)
                if check is not None and not check[1](value):
                    named = _whole(entry.get("id"))
                    where = f"{kind} {entry['id']}" if named else f"{part}.{position}"
                    message = f"'{key}' is {check[0]}, got {_shown(value)}"
                    yield FieldProblem(part, position, where, message)


def _whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _number(value: Any) -> bool:
    return type(value) in _NUMBERS and math.isfinite(value)


def _flag(value: Any) -> bool:
    return isinstance(value, bool) or _number(value)


def _numbers(value: Any) -> bool:
    """Whether this is a list of numbers; NaN is reported elsewhere."""
    return isinstance(value, list) and set(map(type, value)) <= _NUMBERS


def _keypoints(value: Any) -> bool:
    """Whether this is a list of numbers, or of lists of numbers as some files nest them."""
    nested = isinstance(value, list) and bool(value) and set(map(type, value)) == {list}
    return all(map(_numbers, value)) if nested else _numbers(value)


def _point(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_number, value))


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_Check = tuple[str, Callable[[Any], bool]]
_WHOLE: _Check = ("a whole number", _whole)
_SIZE: _Check = ("a number of pixels above 0", lambda value: _number(value) and value > 0)
_NUMBER: _Check = ("a number", _number)
_FLAG: _Check = ("true or false", _flag)
_TEXT: _Check = ("a text", lambda value: isinstance(value, str))
_NUMBERS_CHECK: _Check = ("a list of numbers", _numbers)
_BODY_PARTS = ("foot", "face", "lefthand", "righthand")

_FIELDS: dict[str, dict[str, _Check]] = {
    "images": {
        "id": _WHOLE,
        "file_name": _TEXT,
        "height": _SIZE,
        "width": _SIZE,
        "crowdIndex": _NUMBER,
        "nframes": _WHOLE,
    },
    "annotations": {
        "id": _WHOLE,
        "image_id": _WHOLE,
        "category_id": _WHOLE,
        "iscrowd": _FLAG,
        "area": _NUMBER,
        "num_keypoints": _WHOLE,
        "num_joints": _WHOLE,
        "track_id": _WHOLE,
        "bbox": _NUMBERS_CHECK,
        "keypoints": ("a list of numbers", _keypoints),
        "keypoints_21": _NUMBERS_CHECK,
        "center": ("two numbers", _point),
        **{f"{part}_kpts": _NUMBERS_CHECK for part in _BODY_PARTS},
        **{f"{part}_box": _NUMBERS_CHECK for part in _BODY_PARTS},
        **{f"{part}_valid": _FLAG for part in _BODY_PARTS},
    },
    "categories": {"id": _WHOLE, "keypoints": ("a list of names", _names)},
}
