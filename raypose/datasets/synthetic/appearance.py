"""What the synthetic people look like: skin, hair and clothes. Colours are BGR, 0 to 255."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from raypose.datasets.synthetic.shapes import Color

_SKIN = (
    (196, 214, 244), (176, 200, 236), (152, 182, 226), (126, 160, 208),
    (100, 134, 186), (78, 108, 158), (60, 82, 124), (44, 60, 92),
)  # fmt: skip
_HAIR = (
    (28, 26, 26), (34, 40, 52), (40, 56, 84), (46, 72, 112), (90, 140, 186),
    (130, 190, 224), (40, 74, 160), (150, 150, 152), (200, 200, 204), (150, 70, 120),
)  # fmt: skip
_TROUSERS = (
    (112, 74, 46), (140, 100, 66), (80, 52, 36), (44, 40, 40), (92, 88, 86),
    (120, 160, 190), (74, 96, 120), (66, 84, 62), (60, 40, 96), (210, 214, 216),
)  # fmt: skip


@dataclass(frozen=True)
class Appearance:
    """Colours and garments of one person.

    Attributes:
        sleeves: covered part of the arm, 0 (none) to 2 (down to the wrist).
        legs: covered part of the leg, 0.5 (shorts) to 2 (down to the ankle).
        skirt: length of a skirt in thighs, 0 for none.
        pattern: plain, stripes, band, pinstripes, print, open (jacket) or buttons.
        hair_style: short, long, bun, tail, bald or cap.
    """

    skin: Color
    hair: Color
    top: Color
    accent: Color
    bottom: Color
    shoes: Color
    socks: Color
    sleeves: float
    legs: float
    skirt: float
    pattern: str
    hair_style: str
    beard: bool
    glasses: bool
    backpack: bool

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Appearance:
        """Draw an outfit."""
        top = _cloth(rng)
        dressed = rng.random() < 0.14
        style = rng.random()
        skirt = float(rng.uniform(0.75, 1.45)) if style < 0.2 or dressed else 0.0
        legs = float(rng.uniform(0.72, 1.05)) if 0.2 <= style < 0.42 else 2.0
        if skirt:
            legs = 0.0 if rng.random() < 0.75 else 2.0
        bottom = _pick(rng, _TROUSERS) if rng.random() < 0.7 else _cloth(rng)
        return cls(
            skin=_jitter(rng, _pick(rng, _SKIN), 8),
            hair=_jitter(rng, _pick(rng, _HAIR), 8),
            top=top,
            accent=_contrast(rng, top),
            bottom=top if dressed else _jitter(rng, bottom, 12),
            shoes=_cloth(rng) if rng.random() < 0.5 else _grey(rng),
            socks=(236, 236, 236) if rng.random() < 0.6 else _cloth(rng),
            sleeves=float(rng.choice((0.0, rng.uniform(0.4, 0.75), 2.0), p=(0.14, 0.44, 0.42))),
            legs=legs,
            skirt=skirt,
            pattern=_choose(rng, _PATTERNS),
            hair_style=_choose(rng, _HAIR_STYLES),
            beard=bool(rng.random() < 0.14),
            glasses=bool(rng.random() < 0.12),
            backpack=bool(rng.random() < 0.1),
        )


_PATTERNS = {
    "plain": 0.3, "stripes": 0.16, "band": 0.1, "pinstripes": 0.06, "print": 0.14,
    "open": 0.14, "buttons": 0.1,
}  # fmt: skip
_HAIR_STYLES = {
    "short": 0.4, "long": 0.22, "bun": 0.08, "tail": 0.1, "bald": 0.07, "cap": 0.13,
}  # fmt: skip


def _choose(rng: np.random.Generator, weights: dict[str, float]) -> str:
    shares = np.array(list(weights.values()))
    return str(rng.choice(list(weights), p=shares / shares.sum()))


def _pick(rng: np.random.Generator, palette: tuple[Color, ...]) -> Color:
    return palette[int(rng.integers(len(palette)))]


def _jitter(rng: np.random.Generator, color: Color, spread: float) -> Color:
    blue, green, red = np.clip(np.asarray(color) + rng.normal(0, spread, 3), 10, 250).tolist()
    return blue, green, red


def _cloth(rng: np.random.Generator) -> Color:
    if rng.random() < 0.18:
        return _grey(rng)
    red, green, blue = colorsys.hsv_to_rgb(
        rng.random(), rng.uniform(0.3, 0.85), rng.uniform(0.35, 0.95)
    )
    return 255 * blue, 255 * green, 255 * red


def _grey(rng: np.random.Generator) -> Color:
    level = float(rng.choice((rng.uniform(28, 70), rng.uniform(90, 160), rng.uniform(205, 248))))
    return _jitter(rng, (level, level, level), 3)


def _contrast(rng: np.random.Generator, color: Color) -> Color:
    if rng.random() < 0.55:
        bright = sum(color) > 3 * 130
        return (48.0, 44.0, 44.0) if bright else (238.0, 240.0, 242.0)
    return _cloth(rng)
