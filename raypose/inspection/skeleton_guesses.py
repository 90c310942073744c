"""What the names of keypoints tell about a skeleton: halves of the body, colours, limbs, sigmas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from raypose.structures import Skeleton
from raypose.structures.skeleton_definition import Color, side_of

_LEFT: Color = (0, 255, 0)
_RIGHT: Color = (255, 128, 0)
_MIDDLE: Color = (51, 153, 255)
_SIDES: dict[str | None, Color] = {"left": _LEFT, "right": _RIGHT, None: _MIDDLE}

# Parts of names in the order they are looked for: a forefoot and a front leg are of the upper half.
_HALVES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("upper", ("fore", "front")),
    ("lower", ("hind", "rear", "back_leg", "back_foot", "back_paw", "back_knee")),
    ("lower", ("hip", "pelvis", "knee", "ankle", "foot", "feet", "toe", "heel", "leg", "tail")),
    ("lower", ("abdomen", "hock", "stifle")),
    ("upper", ("head", "face", "nose", "snout", "mouth", "eye", "ear", "chin", "jaw", "neck")),
    ("upper", ("shoulder", "elbow", "wrist", "hand", "palm", "finger", "thumb", "arm", "chest")),
    ("upper", ("thorax", "throat", "wither", "wing", "antenna", "whisker")),
)


def complete_skeleton(skeleton: Skeleton) -> tuple[Skeleton, list[str]]:
    """Return a skeleton with what its names tell, and a line about each guess, for people.

    * Halves of the body, for half-body augmentation, from words such as `knee` and `wrist`.
    * Green for the left side, orange for the right one and blue for the middle, as in COCO, if
      there are sides.
    * Limbs and sigmas, where the skeleton has none, of a built-in one that has all its names.
    """
    notes: list[str] = []
    names = skeleton.keypoint_names
    pairs = sum(i < j for i, j in enumerate(skeleton.flip_indices))
    some = f"{pairs} mirror pair{'s' * (pairs != 1)}"
    notes.append(some if pairs else "no mirror pairs: flips keep all names")
    halves = [_half_of(name) for name in names]
    upper = tuple(i for i, half in enumerate(halves) if half == "upper")
    lower = tuple(i for i, half in enumerate(halves) if half == "lower")
    if upper and lower and not skeleton.upper_body_ids and not skeleton.lower_body_ids:
        skeleton = replace(skeleton, upper_body_ids=upper, lower_body_ids=lower)
        rest = len(names) - len(upper) - len(lower)
        notes.append(
            f"upper and lower half from the names: {len(upper)} and {len(lower)}"
            + (f", {rest} of neither" if rest else "")
        )
    known = _of_the_same_names(names)
    if known is not None and not skeleton.links and known.links:
        skeleton = _with_links(skeleton, known)
        notes.append(f"limbs of '{known.name}', whose keypoints have these names")
    elif not skeleton.links:
        notes.append("no limbs: keypoints are drawn without lines between them")
    if known is not None and skeleton.sigmas is None and known.sigmas is not None:
        places = [known.keypoint_names.index(name) for name in names]
        skeleton = replace(skeleton, sigmas=tuple(known.sigmas[place] for place in places))
        notes.append(f"sigmas of '{known.name}', whose keypoints have these names")
    elif skeleton.sigmas is None:
        notes.append("no sigmas: OKS, and with it CocoMetric, is not defined")
    return _colored(skeleton), notes


def _half_of(name: str) -> str | None:
    words = name.lower()
    return next((half for half, parts in _HALVES if any(part in words for part in parts)), None)


def _of_the_same_names(names: Sequence[str]) -> Skeleton | None:
    """Return the smallest built-in skeleton that has all of the keypoints by name."""
    built_in = (Skeleton.load(name) for name in Skeleton.available())
    fitting = [each for each in built_in if set(names) <= set(each.keypoint_names)]
    return min(fitting, key=lambda each: (each.num_keypoints, each.sigmas is None), default=None)


def _with_links(skeleton: Skeleton, known: Skeleton) -> Skeleton:
    """Return a skeleton with those limbs of another whose ends it has."""
    names = skeleton.keypoint_names
    ends = [(known.keypoint_names[i], known.keypoint_names[j]) for i, j in known.links]
    kept = [pair for pair in ends if pair[0] in names and pair[1] in names]
    return replace(
        skeleton,
        links=tuple((names.index(first), names.index(second)) for first, second in kept),
        link_colors=(_MIDDLE,) * len(kept),
    )


def _colored(skeleton: Skeleton) -> Skeleton:
    names = skeleton.keypoint_names
    sides = [
        side_of(name, names[partner])
        for name, partner in zip(names, skeleton.flip_indices, strict=True)
    ]
    if not any(sides):
        return skeleton
    link_sides = [{sides[i], sides[j]} - {None} for i, j in skeleton.links]
    return replace(
        skeleton,
        keypoint_colors=tuple(_SIDES[side] for side in sides),
        link_colors=tuple(
            _SIDES[next(iter(found)) if len(found) == 1 else None] for found in link_sides
        ),
    )
