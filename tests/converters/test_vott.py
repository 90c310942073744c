"""VoTT exports by hand, broken files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.converters import guess_format, read_labels
from raypose.errors import DataError
from tests.converters.samples import NAN, draw


def region(tag: str, *points: tuple[float, float]) -> dict[str, Any]:
    return {"tags": [tag], "points": [{"x": x, "y": y} for x, y in points]}


def export(folder: Path, regions: Any, **content: Any) -> Path:
    draw(folder / "a b.png")
    asset = {"name": "a%20b.png", "path": "file:/D:/mice/a%20b.png"}
    entries = {"7f3": {"asset": asset, "regions": regions}}
    tags = [{"name": name} for name in ("mouse", "tail", "snout")]
    (folder / "mice-export.json").write_text(
        json.dumps({"name": "mice", "tags": tags, "assets": entries, **content})
    )
    return folder


def test_points_are_keypoints_and_rectangles_instances(tmp_path: Path) -> None:
    regions = [
        region("snout", (5, 6)),
        region("mouse", (0, 0), (20, 0), (20, 20), (0, 20)),
        region("mouse", (30, 0), (50, 0), (50, 20), (30, 20)),
        region("tail", (31, 1)),
    ]
    source = export(tmp_path, regions)
    assert guess_format(source) == guess_format(source / "mice-export.json") == "vott"
    labels = read_labels(source)
    # In the order of the project's tags.
    assert labels.skeleton.keypoint_names == ("tail", "snout")
    (image,) = labels.images
    assert image.name == "a b.png"
    first, second = image.instances
    np.testing.assert_array_equal(first.keypoints, [[NAN, NAN], [5, 6]])
    np.testing.assert_array_equal(second.keypoints, [[31, 1], [NAN, NAN]])
    assert second.bbox == (30, 0, 50, 20)


@pytest.mark.parametrize(
    ("regions", "content", "message"),
    [
        ([{**region("snout", (1, 2)), "tags": []}], {}, r"regions.0.tags: one tag expected, got "),
        ([{**region("snout"), "points": []}], {}, r"regions.0.points: a point or more expected"),
        ([{"tags": ["a"], "points": [{"x": 1}]}], {}, r"regions.0.points.0.y: a number expected"),
        ([region("mouse", (0, 0), (2, 2))], {}, r"mice-export.json: no region is a point"),
        ("none", {}, r"asset a%20b.png: regions: a list expected, got 'none'"),
        ([region("snout", (1, 2))], {"tags": ["mouse"]}, r"tags.0: keys with values expected"),
        ([region("snout", (1, 2))], {"assets": []}, r"not an export of VoTT, it has no 'assets'"),
    ],
)
def test_broken_files(tmp_path: Path, regions: Any, content: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(export(tmp_path, regions, **content) / "mice-export.json", "vott")


def test_picture_that_is_not_there(tmp_path: Path) -> None:
    source = export(tmp_path, [region("snout", (1, 2))])
    (source / "a b.png").unlink()
    with pytest.raises(DataError, match=r"asset 7f3: no picture a b.png"):
        read_labels(source)
