"""`Skeleton`: the keypoints of a kind of body, read from one YAML.

It drives the loader, the size of heads, flips, metrics and drawing. K keypoints, L links.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from raypose.errors import ConfigError, did_you_mean

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """Names, symmetry, links and weights of K keypoints.

    Attributes:
        name: what it is called ("coco").
        keypoint_names: K names.
        flip_indices: for each keypoint the one it trades places with in a mirror.
        links: pairs of keypoint indices, the limbs that are drawn.
        upper_body_ids: keypoints of the upper half, for half-body augmentation.
        lower_body_ids: keypoints of the lower half.
        keypoint_colors: K colours, RGB.
        link_colors: L colours, RGB.
        sigmas: K spreads of OKS, or None where OKS is not defined.
        keypoint_weights: K weights of the loss.

    Example:
        The whole of a skeleton of one's own:

            name: mouse
            keypoints: [snout, left_ear, right_ear, tail_base]
            links: [[snout, left_ear], [snout, right_ear], [left_ear, tail_base]]

        Names that differ in their side alone (`left_ear` and `right_ear`, `wingL` and `wingR`,
        `eye_l` and `eye_r`) mirror each other unless `swap` says otherwise. A keypoint whose
        partner does not swap with it in turn is a mistake, unless it says `one_way: true`.
    """

    name: str
    keypoint_names: tuple[str, ...]
    flip_indices: tuple[int, ...]
    links: tuple[tuple[int, int], ...]
    upper_body_ids: tuple[int, ...]
    lower_body_ids: tuple[int, ...]
    keypoint_colors: tuple[Color, ...]
    link_colors: tuple[Color, ...]
    sigmas: tuple[float, ...] | None
    keypoint_weights: tuple[float, ...]

    @property
    def num_keypoints(self) -> int:
        """Return K."""
        return len(self.keypoint_names)

    @classmethod
    def load(cls, source: str | Path | Mapping[str, Any] | Skeleton) -> Skeleton:
        """Return a skeleton from a built-in name, a YAML file or the mapping such a file holds.

        Raises:
            ConfigError: for an unknown name or a definition that contradicts itself; every
                mistake of the definition is listed.
        """
        if isinstance(source, Skeleton):
            return source
        if isinstance(source, Mapping):
            return _parse(source, str(source.get("name", "skeleton")))
        path = Path(source)
        if path.suffix in (".yaml", ".yml"):
            if not path.is_file():
                raise ConfigError(f"no skeleton file at {path}")
            return _parse(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
        folder = resources.files("raypose") / "datasets" / "skeletons"
        file = folder.joinpath(f"{source}.yaml")
        if not file.is_file():
            names = cls.available()
            raise ConfigError(
                f"unknown skeleton '{source}'.{did_you_mean(str(source), names)} "
                f"Built in are {', '.join(names)}; for one of your own give a .yaml file."
            )
        return _parse(yaml.safe_load(file.read_text(encoding="utf-8")), f"{source}.yaml")

    @classmethod
    def available(cls) -> list[str]:
        """Return the names of the built-in skeletons."""
        folder = resources.files("raypose") / "datasets" / "skeletons"
        return sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".yaml"))

    @classmethod
    def from_coco_category(cls, category: Mapping[str, Any]) -> Skeleton:
        """Return the skeleton that a COCO `categories` entry describes (1-based links).

        Besides COCO's own keys it may have `flip_indices` and `sigmas`.

        Raises:
            ConfigError: if the entry contradicts itself.
        """
        names = list(category["keypoints"])
        where = f"category {category.get('name')!r}"
        links = category.get("skeleton") or []
        flips = category.get("flip_indices") or []
        problems = [
            f"{where}: skeleton.{i}: two numbers from 1 to {len(names)} expected, got {link}"
            for i, link in enumerate(links)
            if len(link) != 2 or not all(1 <= end <= len(names) for end in link)
        ]
        if flips and sorted(flips) != list(range(len(names))):
            problems.append(
                f"{where}: flip_indices: each number from 0 to {len(names) - 1} once, got {flips}"
            )
        if problems:
            raise ConfigError(problems)
        definition: dict[str, Any] = {
            "name": category.get("name", "skeleton"),
            "keypoints": [{"name": name} for name in names],
            "links": [[names[i - 1], names[j - 1]] for i, j in links],
        }
        for entry, partner in zip(definition["keypoints"], flips, strict=False):
            entry["swap"] = names[partner]
        if "sigmas" in category:
            definition["sigmas"] = list(category["sigmas"])
        return _parse(definition, where)

    def to_dict(self) -> dict[str, Any]:
        """Return the mapping that `load` reads, plain types only."""
        names = self.keypoint_names
        kinds = {**dict.fromkeys(self.upper_body_ids, "upper")}
        kinds.update(dict.fromkeys(self.lower_body_ids, "lower"))
        keypoints = [
            {
                "name": name,
                "swap": names[self.flip_indices[i]],
                **({} if self.flip_indices[self.flip_indices[i]] == i else {"one_way": True}),
                "color": list(self.keypoint_colors[i]),
                "weight": self.keypoint_weights[i],
                **({"type": kinds[i]} if i in kinds else {}),
                **({} if self.sigmas is None else {"sigma": self.sigmas[i]}),
            }
            for i, name in enumerate(names)
        ]
        links = [
            {"link": [names[i], names[j]], "color": list(color)}
            for (i, j), color in zip(self.links, self.link_colors, strict=True)
        ]
        return {"name": self.name, "keypoints": keypoints, "links": links}


_KEYS = ("name", "keypoints", "links", "sigmas", "weights", "paper")
_KEYPOINT_KEYS = ("name", "swap", "one_way", "color", "type", "sigma", "weight")


def _parse(definition: Any, where: str) -> Skeleton:
    problems: list[str] = []
    if not isinstance(definition, Mapping) or definition.get("keypoints") in (None, []):
        raise ConfigError(f"{where}: a skeleton needs 'keypoints', a list of names")
    for key in definition:
        if key not in _KEYS:
            problems.append(f"{where}: {key}: unknown key.{did_you_mean(str(key), _KEYS)}")
    entries = _entries(definition["keypoints"], where, problems)
    names = [entry["name"] for entry in entries]
    for i, entry in enumerate(entries):
        for key in entry:
            if key not in _KEYPOINT_KEYS:
                hint = did_you_mean(str(key), _KEYPOINT_KEYS)
                problems.append(f"{where}: keypoints.{i}.{key}: unknown key.{hint}")
        if entry.get("type") not in (None, "", "upper", "lower"):
            problems.append(f"{where}: keypoints.{i}.type: 'upper' or 'lower', got {entry['type']}")
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(f"{where}: keypoints: '{name}' is there twice")

    def index(name: Any, place: str) -> int:
        if name in names:
            return names.index(name)
        problems.append(
            f"{where}: {place}: no keypoint is called '{name}'.{did_you_mean(str(name), names)}"
        )
        return 0

    flips = [
        index(entry["swap"], f"keypoints.{i}.swap") if entry.get("swap") else _mirror(i, names)
        for i, entry in enumerate(entries)
    ]
    for i, j in enumerate(flips):
        if not problems and flips[j] != i and entries[i].get("one_way") is not True:
            problems.append(
                f"{where}: keypoints.{i}.swap: '{names[i]}' mirrors '{names[j]}', "
                f"but '{names[j]}' mirrors '{names[flips[j]]}'"
            )
    links, link_colors = [], []
    for i, item in enumerate(_list_of_links(definition, where, problems)):
        ends = item.get("link") if isinstance(item, Mapping) else item
        if not isinstance(ends, (list, tuple)) or len(ends) != 2:
            problems.append(f"{where}: links.{i}: two keypoint names, got {item!r}")
            continue
        first, second = (index(end, f"links.{i}") for end in ends)
        links.append((first, second))
        given = item.get("color") if isinstance(item, Mapping) else None
        link_colors.append(_color(given, first, f"{where}: links.{i}", problems))
    colors = [
        _color(entry.get("color"), i, f"{where}: keypoints.{i}", problems)
        for i, entry in enumerate(entries)
    ]
    sigmas = _numbers(definition.get("sigmas"), entries, "sigma", where, problems)
    weights = _numbers(definition.get("weights"), entries, "weight", where, problems)
    if problems:
        raise ConfigError(problems)
    return Skeleton(
        name=str(definition.get("name", Path(where).stem)),
        keypoint_names=tuple(names),
        flip_indices=tuple(flips),
        links=tuple(links),
        upper_body_ids=tuple(i for i, e in enumerate(entries) if e.get("type") == "upper"),
        lower_body_ids=tuple(i for i, e in enumerate(entries) if e.get("type") == "lower"),
        keypoint_colors=tuple(colors),
        link_colors=tuple(link_colors),
        sigmas=sigmas,
        keypoint_weights=weights or (1.0,) * len(names),
    )


def _entries(given: Any, where: str, problems: list[str]) -> list[Mapping[str, Any]]:
    """Return the keypoints as mappings with a name; what is none is reported and stands in."""
    if not isinstance(given, (list, tuple)):
        raise ConfigError(
            [*problems, f"{where}: keypoints: a list of names expected, got {given!r}"]
        )
    entries: list[Mapping[str, Any]] = []
    for i, item in enumerate(given):
        entry = {"name": item} if isinstance(item, str) else item
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            problems.append(
                f"{where}: keypoints.{i}: a name, or a mapping with 'name', expected, got {item!r}"
            )
            entry = {"name": f"keypoint {i}"}
        entries.append(entry)
    return entries


def _list_of_links(definition: Mapping[str, Any], where: str, problems: list[str]) -> Sequence[Any]:
    links = definition.get("links") or []
    if isinstance(links, (list, tuple)):
        return links
    problems.append(f"{where}: links: a list of pairs of keypoints expected, got {links!r}")
    return []


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
        partner = side.sub(lambda found: _OTHER_SIDE[found[0]], names[index])
        if partner in names and partner != names[index]:
            return names.index(partner)
    return index


def _color(given: Any, index: int, place: str, problems: list[str]) -> Color:
    if given is None:
        return _PALETTE[index % len(_PALETTE)]
    if (
        isinstance(given, (list, tuple))
        and len(given) == 3
        and all(isinstance(value, (int, float)) and 0 <= value <= 255 for value in given)
    ):
        red, green, blue = (int(value) for value in given)
        return red, green, blue
    problems.append(f"{place}.color: three numbers from 0 to 255 expected, got {given!r}")
    return _PALETTE[0]


def _numbers(
    values: Any,
    entries: list[Mapping[str, Any]],
    key: str,
    where: str,
    problems: list[str],
) -> tuple[float, ...] | None:
    """Read one number for each keypoint: a list, one for all, or entries of the keypoints."""
    places = [f"{key}s.{i}" for i in range(len(entries))]
    if isinstance(values, (int, float)):
        return (float(values),) * len(entries)
    if values is None:
        values = [entry.get(key) for entry in entries]
        missing = [entry["name"] for entry in entries if entry.get(key) is None]
        if len(missing) == len(entries):
            return None
        if missing:
            problems.append(f"{where}: keypoints: '{key}' is missing for {', '.join(missing)}")
            return None
        places = [f"keypoints.{i}.{key}" for i in range(len(entries))]
    if not isinstance(values, (list, tuple)) or len(values) != len(entries):
        problems.append(f"{where}: {key}s: {len(entries)} numbers expected, got {values!r}")
        return None
    wrong = [
        f"{where}: {place}: a number expected, got {value!r}"
        for place, value in zip(places, values, strict=True)
        if not isinstance(value, (int, float))
    ]
    problems += wrong
    return None if wrong else tuple(float(value) for value in values)
