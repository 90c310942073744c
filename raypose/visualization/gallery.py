"""`Gallery`: pictures of a report, several views of each case beside each other."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import cv2
import numpy.typing as npt

from raypose.visualization.report_parts import section
from raypose.visualization.sheets import fit_inside

Image = npt.NDArray[Any]

_LARGEST = 480


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """What a case is worth, in a word and a colour."""

    text: str
    grade: Literal["good", "fair", "poor"]

    @classmethod
    def of_oks(cls, oks: float) -> Badge:
        """Return the badge of an OKS."""
        return cls(
            text=f"OKS {oks:.2f}",
            grade="good" if oks >= 0.75 else "fair" if oks >= 0.5 else "poor",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A case: the same picture drawn in several ways.

    Attributes:
        views: pairs of a name and a picture, (H, W, 3) uint8 BGR.
        caption: a line under the pictures.
        badge: beside the caption.
    """

    views: Sequence[tuple[str, Image]]
    caption: str = ""
    badge: Badge | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Cases under one heading.

    Attributes:
        heading: what they have in common.
        examples: in the order they are shown.
        about: a line below the heading.
        large: one case in a row, for pictures that are looked at closely.
    """

    heading: str
    examples: Sequence[Example]
    about: str = ""
    large: bool = False

    def to_html(self) -> str:
        """Return the pictures, inside the page."""
        if not self.examples:
            return ""
        figures = "".join(_figure(example) for example in self.examples)
        about = f'<p class="about">{escape(self.about)}</p>' if self.about else ""
        kind = "gallery large" if self.large else "gallery"
        return section(escape(self.heading), f'{about}<div class="{kind}">{figures}</div>')


def _figure(example: Example) -> str:
    pictures = "".join(
        f'<div><img src="{_data_url(image)}" alt="{escape(name, quote=True)}"/>'
        f"<em>{escape(name)}</em></div>"
        for name, image in example.views
    )
    badge = example.badge
    shown = "" if badge is None else f'<b class="badge {badge.grade}">{escape(badge.text)}</b>'
    caption = f"<figcaption><span>{escape(example.caption)}</span>{shown}</figcaption>"
    return f'<figure><div class="pair">{pictures}</div>{caption}</figure>'


def _data_url(image: Image) -> str:
    """Return a picture as a JPEG in a data URL, no larger than it is shown."""
    small = fit_inside(image, _LARGEST, _LARGEST) if max(image.shape[:2]) > _LARGEST else image
    _, data = cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, 86))
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
