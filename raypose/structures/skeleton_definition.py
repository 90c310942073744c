"""What the mapping of a skeleton says, checked: the content of its YAML.

Every mistake is kept with the keys that lead to it, so that it can be shown where it was written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raypose.errors import did_you_mean
from raypose.structures.skeleton_yaml import KeyPath, Mistake, SkeletonError

Color = tuple[int, int, int]
_PALETTE: tuple[Color, ...] = (
    (51, 153, 255),
    (0, 200, 83),
    (255, 128, 0),
    (213, 0, 109),
    (124, 77, 255),
    (0, 184, 212),
    (255, 196, 0),
    (141, 110, 99),
)

_KEYS = ("name", "keypoints", "links", "sigmas", "weights", "paper")
_KEYPOINT_KEYS = ("name", "swap", "one_way", "color", "type", "sigma", "weight")

Entry = Mapping[str, Any]


def parse_definition(definition: Any, *, where: str, name: str) -> dict[str, Any]:
    """Return the fields of a `Skeleton`.

    Args:
        definition: the mapping.
        where: what to call it in messages.
        name: of the skeleton, if it does not say one itself.

    Raises:
        SkeletonError: with every mistake.
    """
    if not isinstance(definition, Mapping) or definition.get("keypoints") in (None, []):
        raise SkeletonError(where, [((), "a skeleton needs 'keypoints', a list of names")])
    mistakes: list[Mistake] = []
    for key in definition:
        if key not in _KEYS:
            mistakes.append(((key,), f"unknown key.{did_you_mean(str(key), _KEYS)}"))
    entries = _entries(definition["keypoints"], where, mistakes)
    names = [entry["name"] for entry in entries]
    mistakes += _mistakes_of_entries(entries)
    flips = _flips(entries, mistakes)
    links, link_colors = _links(definition.get("links") or [], names, mistakes)
    colors = [
        _color(entry.get("color"), i, ("keypoints", i), mistakes) for i, entry in enumerate(entries)
    ]
    sigmas = _numbers(definition.get("sigmas"), entries, "sigma", mistakes)
    weights = _numbers(definition.get("weights"), entries, "weight", mistakes)
    if mistakes:
        raise SkeletonError(where, mistakes)
    return {
        "name": str(definition.get("name", name)),
        "keypoint_names": tuple(names),
        "flip_indices": tuple(flips),
        "links": tuple(links),
        "upper_body_ids": tuple(i for i, e in enumerate(entries) if e.get("type") == "upper"),
        "lower_body_ids": tuple(i for i, e in enumerate(entries) if e.get("type") == "lower"),
        "keypoint_colors": tuple(colors),
        "link_colors": tuple(link_colors),
        "sigmas": sigmas,
        "keypoint_weights": weights or (1.0,) * len(names),
    }


def _entries(given: Any, where: str, mistakes: list[Mistake]) -> list[Entry]:
    """Return the keypoints as mappings with a name; what is none is reported and stands in."""
    if not isinstance(given, (list, tuple)):
        message = f"a list of names expected, got {given!r}"
        raise SkeletonError(where, [*mistakes, (("keypoints",), message)])
    entries: list[Entry] = []
    for i, item in enumerate(given):
        entry = {"name": item} if isinstance(item, str) else item
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            message = f"a name, or a mapping with 'name', expected, got {item!r}"
            mistakes.append((("keypoints", i), message))
            entry = {"name": f"keypoint {i}"}
        entries.append(entry)
    return entries


def _mistakes_of_entries(entries: Sequence[Entry]) -> Iterator[Mistake]:
    """Yield unknown keys, halves of the body that are none, and names that are there twice."""
    first: dict[str, int] = {}
    for i, entry in enumerate(entries):
        for key in entry:
            if key not in _KEYPOINT_KEYS:
                hint = did_you_mean(str(key), _KEYPOINT_KEYS)
                yield ("keypoints", i, key), f"unknown key.{hint}"
        if entry.get("type") not in (None, "", "upper", "lower"):
            yield ("keypoints", i, "type"), f"'upper' or 'lower', got {entry['type']}"
        known = first.setdefault(entry["name"], i)
        if known != i:
            yield ("keypoints", i), f"'{entry['name']}' is there twice, first as keypoints.{known}"


def _index(name: Any, names: list[str], path: KeyPath, mistakes: list[Mistake]) -> int:
    if name in names:
        return names.index(name)
    hint = did_you_mean(str(name), names)
    mistakes.append((path, f"no keypoint is called '{name}'.{hint}"))
    return 0


def _flips(entries: Sequence[Entry], mistakes: list[Mistake]) -> list[int]:
    """Return the partner of each keypoint in a mirror."""
    names = [entry["name"] for entry in entries]
    flips = [
        _index(entry["swap"], names, ("keypoints", i, "swap"), mistakes)
        if entry.get("swap")
        else _mirror(i, names)
        for i, entry in enumerate(entries)
    ]
    for i, j in enumerate(flips):
        if not mistakes and flips[j] != i and entries[i].get("one_way") is not True:
            message = (
                f"'{names[i]}' mirrors '{names[j]}', but '{names[j]}' mirrors '{names[flips[j]]}'"
            )
            mistakes.append((("keypoints", i, "swap"), message))
    return flips


# What tells a side in a name: a word (left_ear, RightWing), else a letter that stands out
# (eye_l, L_Eye, wingL, forelegR4).
_SIDES = (
    re.compile("left|right|Left|Right|LEFT|RIGHT"),
    re.compile("(?<![A-Za-z])[lr](?![A-Za-z])|(?<![A-Z])[LR](?![a-z])"),
)
_OTHER_SIDE = dict(
    pair
    for left, right in (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT"), "lr", "LR")
    for pair in ((left, right), (right, left))
)


def _mirror(index: int, names: list[str]) -> int:
    """Return the partner by name, `left...` with `right...`; a keypoint without one is its own."""
    for side in _SIDES:
        partner = _of_other_side(side, names[index])
        if partner in names and partner != names[index]:
            return names.index(partner)
    return index


def side_of(name: str, partner: str) -> str | None:
    """Return the side of a keypoint, `left` or `right`, None if its name does not tell it.

    Args:
        name: of the keypoint.
        partner: name of its partner in a mirror.
    """
    for side in _SIDES:
        found = side.search(name)
        if found is not None and name != partner == _of_other_side(side, name):
            return "left" if found[0].lower().startswith("l") else "right"
    return None


def _of_other_side(side: re.Pattern[str], name: str) -> str:
    return side.sub(lambda found: _OTHER_SIDE[found[0]], name)


def _links(
    given: Any, names: list[str], mistakes: list[Mistake]
) -> tuple[list[tuple[int, int]], list[Color]]:
    """Return the limbs and their colours."""
    links: list[tuple[int, int]] = []
    colors: list[Color] = []
    if not isinstance(given, (list, tuple)):
        mistakes.append((("links",), f"a list of pairs of keypoints expected, got {given!r}"))
        return links, colors
    first: dict[frozenset[Any], int] = {}
    for i, item in enumerate(given):
        ends = item.get("link") if isinstance(item, Mapping) else item
        path = ("links", i)
        if not isinstance(ends, (list, tuple)) or len(ends) != 2:
            mistakes.append((path, f"two keypoint names, got {item!r}"))
            continue
        before = len(mistakes)
        start, end = (_index(name, names, path, mistakes) for name in ends)
        known = first.setdefault(frozenset((start, end)), i)
        if len(mistakes) == before and start == end:
            mistakes.append((path, f"it leads from '{ends[0]}' to itself"))
        elif len(mistakes) == before and known != i:
            mistakes.append((path, f"it is there twice, first as links.{known}"))
        links.append((start, end))
        color = item.get("color") if isinstance(item, Mapping) else None
        colors.append(_color(color, start, path, mistakes))
    return links, colors


def _color(given: Any, index: int, path: KeyPath, mistakes: list[Mistake]) -> Color:
    if given is None:
        return _PALETTE[index % len(_PALETTE)]
    if (
        isinstance(given, (list, tuple))
        and len(given) == 3
        and all(isinstance(value, (int, float)) and 0 <= value <= 255 for value in given)
    ):
        red, green, blue = (int(value) for value in given)
        return red, green, blue
    message = f"three numbers from 0 to 255 expected, got {given!r}"
    mistakes.append(((*path, "color"), message))
    return _PALETTE[0]


def _numbers(
    values: Any, entries: Sequence[Entry], key: str, mistakes: list[Mistake]
) -> tuple[float, ...] | None:
    """Read one number for each keypoint: a list, one for all, or entries of the keypoints."""
    paths: list[KeyPath] = [(f"{key}s", i) for i in range(len(entries))]
    if isinstance(values, (int, float)):
        values, paths = [values] * len(entries), [(f"{key}s",)] * len(entries)
    elif values is None:
        values = [entry.get(key) for entry in entries]
        missing = [entry["name"] for entry in entries if entry.get(key) is None]
        if len(missing) == len(entries):
            return None
        if missing:
            mistakes.append((("keypoints",), f"'{key}' is missing for {', '.join(missing)}"))
            return None
        paths = [("keypoints", i, key) for i in range(len(entries))]
    elif not isinstance(values, (list, tuple)):
        mistakes.append(((f"{key}s",), f"{len(entries)} numbers expected, got {values!r}"))
        return None
    elif len(values) != len(entries):
        message = f"{len(entries)} numbers expected, one for each keypoint, got {len(values)}"
        mistakes.append(((f"{key}s",), message))
        return None
    kind = "a number above 0" if key == "sigma" else "a number from 0"
    wrong: list[Mistake] = [
        (path, f"{kind} expected, got {value!r}")
        for path, value in zip(paths, values, strict=True)
        if isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or (value <= 0 if key == "sigma" else value < 0)
    ]
    mistakes += dict.fromkeys(wrong)
    return None if wrong else tuple(float(value) for value in values)
