"""Arms, legs, feet and hands of a synthetic figure: tapered capsules with shading and clothes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from raypose.datasets.synthetic.appearance import Appearance
from raypose.datasets.synthetic.body import BodyShape, FloatArray, Posture
from raypose.datasets.synthetic.camera import View
from raypose.datasets.synthetic.shapes import Color, Part, Shape, capsule_outlines, tint

# (shade of the colour, shift towards the light, share of the radius), painted in this order.
_SHADING = ((0.7, 0.0, 1.0), (0.9, 0.12, 0.82), (1.05, 0.34, 0.46))


@dataclass(frozen=True)
class Capsule:
    """A tapered capsule in body space, metres; `part` is the part it is painted with."""

    part: str
    start: FloatArray
    end: FloatArray
    start_radius: float
    end_radius: float
    color: Color


def limb_parts(
    body: BodyShape, posture: Posture, looks: Appearance, view: View, labels: dict[str, int]
) -> list[Part]:
    """Build the painted parts of both arms and both legs.

    Args:
        body: sizes.
        posture: joints in body space.
        looks: colours and garments.
        view: camera.
        labels: label of each part, by name ("left_forearm").
    """
    capsules = [
        capsule
        for side in ("left", "right")
        for group in (_arm(side, body, posture, looks), _leg(side, body, posture, looks))
        for capsule in group
    ]
    ends = view.to_camera(np.stack([[c.start, c.end] for c in capsules]))
    shapes = _shaded_outlines(capsules, ends, view)
    parts: dict[str, Part] = {}
    for capsule, (start, end), outlines in zip(capsules, ends, shapes, strict=True):
        if capsule.part not in parts:
            depth = 0.5 * (start[2] + end[2]) + _bias(capsule.part)
            parts[capsule.part] = Part(labels[capsule.part], float(depth))
        parts[capsule.part].shapes.extend(outlines)
    return list(parts.values())


def _arm(side: str, body: BodyShape, posture: Posture, looks: Appearance) -> Iterator[Capsule]:
    h, g = body.stature, body.limb_girth
    shoulder, elbow = posture.position(f"{side}_shoulder"), posture.position(f"{side}_elbow")
    wrist, hand = posture.position(f"{side}_wrist"), posture.position(f"{side}_hand")
    upper, fore = f"{side}_upper_arm", f"{side}_forearm"
    radii = (0.0295 * h * g, 0.0245 * h * g, 0.0165 * h * g)
    loose = 1.14
    yield Capsule(upper, shoulder, elbow, radii[0], radii[1], looks.skin)
    if looks.sleeves > 0:
        cover = min(looks.sleeves, 1.0)
        cuff = shoulder + cover * (elbow - shoulder)
        radius = radii[0] + cover * (radii[1] - radii[0])
        yield Capsule(upper, shoulder, cuff, 1.08 * radii[0], loose * radius, looks.top)
    thumb = posture.local(f"{side}_wrist", (0.0, -0.022 * h, 0.02 * h))
    yield Capsule(fore, 0.6 * wrist + 0.4 * hand, hand, 0.0175 * h * g, 0.0125 * h * g, looks.skin)
    yield Capsule(fore, 0.8 * wrist + 0.2 * hand, thumb, 0.009 * h * g, 0.006 * h * g, looks.skin)
    yield Capsule(fore, elbow, wrist, radii[1], radii[2], looks.skin)
    if looks.sleeves > 1:
        cuff = elbow + (looks.sleeves - 1) * 0.93 * (wrist - elbow)
        yield Capsule(fore, elbow, cuff, loose * radii[1], 1.25 * radii[2], looks.top)


def _leg(side: str, body: BodyShape, posture: Posture, looks: Appearance) -> Iterator[Capsule]:
    h, g = body.stature, body.limb_girth
    hip, knee = posture.position(f"{side}_hip"), posture.position(f"{side}_knee")
    ankle, toe = posture.position(f"{side}_ankle"), posture.position(f"{side}_toe")
    thigh, shin, foot = f"{side}_thigh", f"{side}_shin", f"{side}_foot"
    radii = (0.05 * h * g, 0.033 * h * g, 0.021 * h * g)
    yield Capsule(thigh, hip, knee, radii[0], radii[1], looks.skin)
    yield Capsule(shin, knee, ankle, radii[1], radii[2], looks.skin)
    if looks.legs < 2:
        band = knee + 0.72 * (ankle - knee)
        yield Capsule(shin, band, ankle, 1.18 * radii[2], 1.12 * radii[2], looks.socks)
    if looks.legs > 0:
        cover = min(looks.legs, 1.0)
        hem = hip + cover * (knee - hip)
        radius = (1 - cover) * radii[0] + cover * radii[1]
        yield Capsule(thigh, hip, hem, 1.06 * radii[0], 1.16 * radius, looks.bottom)
    if looks.legs > 1:
        hem = knee + (looks.legs - 1) * 0.95 * (ankle - knee)
        yield Capsule(shin, knee, hem, 1.16 * radii[1], 1.35 * radii[2], looks.bottom)
    drop = posture.orientation(f"{side}_ankle") @ np.array([0.0, -0.012 * h, 0.0])
    heel = posture.local(f"{side}_ankle", (0.0, -0.021 * h, -0.014 * h))
    sole = tint((235.0, 235.0, 235.0), 1.0 if sum(looks.shoes) < 480 else 0.35)
    yield Capsule(foot, heel + drop, toe + drop, 0.019 * h, 0.014 * h, sole)
    yield Capsule(foot, heel, toe, 0.023 * h, 0.0185 * h, looks.shoes)
    yield Capsule(foot, ankle, 0.55 * heel + 0.45 * toe, 1.1 * radii[2], 0.018 * h, looks.shoes)


def _shaded_outlines(capsules: list[Capsule], ends: FloatArray, view: View) -> list[list[Shape]]:
    """Outline every capsule with its shading; `ends` is (M, 2, 3) in camera space."""
    plane = view.project(ends)
    scale = view.magnification(ends[..., 2])
    radii = np.array([[c.start_radius, c.end_radius] for c in capsules]) * scale
    axis = plane[:, 1] - plane[:, 0]
    across = np.stack([-axis[:, 1], axis[:, 0]], axis=-1)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    lit = across * (across @ view.light[:2])[:, None]
    _, shift, share = np.array(_SHADING).T
    moved = plane + (shift[:, None, None, None] * radii[..., None]) * lit[:, None]
    narrowed = (share[:, None, None] * radii).reshape(-1, 2)
    moved = moved.reshape(-1, 2, 2)
    outlines = capsule_outlines(moved[:, 0], moved[:, 1], narrowed[:, 0], narrowed[:, 1])
    outlines = outlines.reshape(len(_SHADING), len(capsules), -1, 2)
    return [
        [
            Shape(outlines[layer, i], tint(capsule.color, shade), solid=layer == 0)
            for layer, (shade, _, _) in enumerate(_SHADING)
        ]
        for i, capsule in enumerate(capsules)
    ]


def _bias(part: str) -> float:
    """Return what is added to a part's depth, metres: arms lie on the body, thighs under it."""
    if part.endswith(("upper_arm", "forearm")):
        return -0.06
    return 0.08 if part.endswith("thigh") else 0.04
