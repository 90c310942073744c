"""Typed sections held against what a config says: pydantic's findings as lines for people."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from raypose.config.nodes import KeyPath, dotted
from raypose.errors import did_you_mean


def section_problems(section: type[BaseModel], data: Any) -> Iterator[tuple[KeyPath, str]]:
    """Yield the mistakes of plain data as (key path, message)."""
    try:
        section.model_validate(data)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            location = item["loc"]
            path = _present(location, data, item["type"])
            yield path, _message(item, section, location)


def _present(location: Sequence[Any], data: Any, kind: str) -> KeyPath:
    """Return the keys of a location; pydantic puts names of union members between them."""
    path: list[Any] = []
    for key in location:
        if isinstance(data, Mapping) and key in data:
            path.append(key)
            data = data[key]
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            path.append(key)
            data = data[key]
    # A union's tag that is wrong or missing is a mistake of 'type'.
    if kind == "union_tag_invalid":
        path.append("type")
    return tuple(path)


def _message(item: Mapping[str, Any], section: type[BaseModel], location: Sequence[Any]) -> str:
    kind, given, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden":
        fields = _fields(section, location[:-1])
        hint = did_you_mean(str(location[-1]), fields)
        return f"unknown key.{hint}" if hint else f"unknown key, expected {_any_of(fields)}"
    if kind == "missing":
        return f"'{location[-1]}' is missing"
    if kind == "union_tag_not_found":
        return "'type' is missing"
    if kind == "union_tag_invalid":
        known = [name.strip("'") for name in context["expected_tags"].split(", ")]
        hint = did_you_mean(str(context["tag"]), known)
        return f"unknown '{context['tag']}', expected {_any_of(known)}.{hint}"
    if kind == "literal_error":
        known = [name.strip("'") for name in context["expected"].replace(" or ", ", ").split(", ")]
        return f"got {given!r}, expected {_any_of(known)}.{did_you_mean(str(given), known)}"
    if kind == "model_type":
        return f"got {_brief(given)}, expected a mapping"
    message = item["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    for word, plain in _PLAIN_WORDS:
        message = message.replace(word, plain)
    if isinstance(given, Mapping) and kind == "value_error":
        return message
    return f"got {_brief(given)}, {message}" if message.startswith("expected") else message


_PLAIN_WORDS = (
    ("a valid dictionary", "a mapping"),
    ("a valid list", "a list"),
    ("a valid string", "a text"),
    ("a valid integer", "a whole number"),
    ("a valid number", "a number"),
    ("a valid boolean", "true or false"),
)


def _fields(section: type[BaseModel], location: Sequence[Any]) -> list[str]:
    """Return the keys that the section at a location knows."""
    current: list[type[BaseModel]] = [section]
    for key in location:
        tagged = [s for s in current if _tag(s) == key]
        if tagged:
            current = tagged
            continue
        found = [s.model_fields[key].annotation for s in current if key in s.model_fields]
        if found:
            current = [s for annotation in found for s in _sections_in(annotation)]
    return sorted({name for s in current for name in s.model_fields})


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [s for part in typing.get_args(annotation) for s in _sections_in(part)]


def _tag(section: type[BaseModel]) -> str | None:
    field = section.model_fields.get("type")
    arguments = typing.get_args(field.annotation) if field is not None else ()
    return arguments[0] if len(arguments) == 1 else None


def _any_of(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names) or "no keys"
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _brief(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a mapping with {dotted(tuple(value)) or 'no keys'}".replace(".", ", ")
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
