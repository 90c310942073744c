from __future__ import annotations

from typing import Any

import pytest

from raypose.config.sections import OneEuroSection, TrackingSection
from raypose.config.validation import section_problems


def problems(data: dict[str, Any]) -> list[str]:
    return [
        f"{'.'.join(map(str, path))}: {message}"
        for path, message in section_problems(TrackingSection, data)
    ]


def test_a_filter_by_name_or_with_its_parameters() -> None:
    for smoothing in ("one_euro", {"type": "one_euro"}):
        section = TrackingSection.model_validate({"smoothing": smoothing})
        assert section.smoothing == OneEuroSection()
    assert TrackingSection.model_validate({"smoothing": "none"}).smoothing is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"smoothing": "one_euros"}, "Did you mean 'one_euro'?"),
        ({"smoothing": {"type": "one_euro", "polyorder": 2}}, "smoothing.polyorder: unknown key"),
        ({"smoothing": {"type": "savitzky_golay", "window_length": 6}}, "window_length is odd"),
        ({"causal": True, "smoothing": "savitzky_golay"}, "causal: smoothing savitzky_golay needs"),
        ({"causal": True, "max_gap": 4}, "causal: max_gap needs frames that are not there yet"),
        ({"low_thr": 0.6}, "low_thr is at most new_track_thr"),
        ({"match_thr": 0}, "match_thr"),
        ({"association": "oks "}, "Did you mean 'oks'?"),
    ],
)
def test_mistakes(data: dict[str, Any], message: str) -> None:
    (found,) = problems(data)
    assert message in found
