"""`Skeleton`: the keypoints of a kind of body, read from one YAML.

It drives the loader, the size of heads, flips, metrics and drawing. K keypoints, L links.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from raypose.errors import ConfigError, did_you_mean
from raypose.structures.skeleton_definition import Color, parse_definition
from raypose.structures.skeleton_yaml import SkeletonError, read_definition


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
            ConfigError: for an unknown name or a file that is no YAML.
            SkeletonError: for a definition that contradicts itself, with every mistake of it.
        """
        if isinstance(source, Skeleton):
            return source
        if isinstance(source, Mapping):
            name = str(source.get("name", "skeleton"))
            return cls(**parse_definition(source, where=name, name=name))
        path = Path(source)
        if path.suffix in (".yaml", ".yml"):
            if not path.is_file():
                raise ConfigError(f"no skeleton file at {path}")
            return cls._of_yaml(path.read_text(encoding="utf-8"), str(path))
        folder = resources.files("raypose") / "datasets" / "skeletons"
        file = folder.joinpath(f"{source}.yaml")
        if not file.is_file():
            names = cls.available()
            raise ConfigError(
                f"unknown skeleton '{source}'.{did_you_mean(str(source), names)} "
                f"Built in are {', '.join(names)}; for one of your own give a .yaml file."
            )
        return cls._of_yaml(file.read_text(encoding="utf-8"), f"{source}.yaml")

    @classmethod
    def _of_yaml(cls, text: str, file: str) -> Skeleton:
        definition, lines = read_definition(text, file)
        try:
            return cls(**parse_definition(definition, where=file, name=Path(file).stem))
        except SkeletonError as error:
            raise SkeletonError(file, error.mistakes, lines) from None

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
        # Files of others may have a link twice, which is only drawn.
        different: dict[frozenset[int], list[str]] = {}
        for i, j in links:
            if i != j:
                different.setdefault(frozenset((i, j)), [names[i - 1], names[j - 1]])
        definition: dict[str, Any] = {
            "name": category.get("name", "skeleton"),
            "keypoints": [{"name": name} for name in names],
            "links": [*different.values()],
        }
        for entry, partner in zip(definition["keypoints"], flips, strict=False):
            entry["swap"] = names[partner]
        if "sigmas" in category:
            definition["sigmas"] = list(category["sigmas"])
        name = str(definition["name"])
        return cls(**parse_definition(definition, where=where, name=name))

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
