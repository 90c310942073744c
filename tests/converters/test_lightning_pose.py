"""Lightning Pose: folders of one view and of several, read and written; broken files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from raypose.converters import guess_format, read_labels
from raypose.converters.lightning_pose import write_lightning_pose
from raypose.errors import DataError
from tests.converters.samples import (
    SECOND,
    assert_same,
    draw,
    labels_of,
    mouse,
)

TABLE = """\
scorer,Ann,Ann,Ann,Ann
bodyparts,snout,snout,tail,tail
coords,x,y,x,y
labeled-data/m1{view}/a.png,10.5,20.25,30.0,40.0
labeled-data/m1{view}/b.png,{second}
"""
CONFIG = {"data": {"csv_file": "CollectedData.csv", "keypoint_names": ["tail", "snout"]}}
VIEWS = {
    "data": {
        "csv_file": ["top.csv", "side.csv"],
        "view_names": ["top", "side"],
        "keypoint_names": ["snout", "tail"],
    }
}


def folder_of(folder: Path, tables: dict[str, str], config: dict[str, Any] | None) -> Path:
    for view in ("", "_top", "_side"):
        for name in ("a.png", "b.png"):
            draw(folder / f"labeled-data/m1{view}" / name)
    for name, text in tables.items():
        (folder / name).write_text(text)
    if config is not None:
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def views_of(folder: Path, second: str = ",,,", config: dict[str, Any] = VIEWS) -> Path:
    tables = {
        "top.csv": TABLE.format(view="_top", second="1,2,3,4"),
        "side.csv": TABLE.format(view="_side", second=second),
    }
    return folder_of(folder, tables, config)


def test_read(tmp_path: Path) -> None:
    source = folder_of(tmp_path, {"CollectedData.csv": TABLE.format(view="", second=",,,")}, CONFIG)
    for path in (source, source / "config.yaml", source / "CollectedData.csv"):
        assert guess_format(path) == "lightning-pose"
    labels = read_labels(source)
    # The order of keypoints is the config's.
    assert labels.skeleton.keypoint_names == ("tail", "snout")
    (image,) = labels.images
    assert image.name == "m1/a.png"
    np.testing.assert_array_equal(image.instances[0].keypoints, [[30, 40], [10.5, 20.25]])
    assert labels.notes == ["1 pictures in which nothing is labelled"]
    assert read_labels(source / "CollectedData.csv").skeleton.keypoint_names == ("snout", "tail")


def test_config_apart_from_the_data(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "data", {"mice.csv": TABLE.format(view="", second="1,2,3,4")}, {})
    config = {"data": {"csv_file": "mice.csv", "data_dir": str(source)}}
    (tmp_path / "lp.yaml").write_text(yaml.safe_dump(config))
    assert len(read_labels(tmp_path / "lp.yaml").images) == 2


def test_views_go_row_by_row(tmp_path: Path) -> None:
    labels = read_labels(views_of(tmp_path))
    found = [(i.name, i.view, i.moment, len(i.instances)) for i in labels.images]
    assert found == [
        ("m1_top/a.png", "top", "000000", 1),
        ("m1_top/b.png", "top", "000001", 1),
        ("m1_side/a.png", "side", "000000", 1),
        # This camera does not see it.
        ("m1_side/b.png", "side", "000001", 0),
    ]
    write_lightning_pose(labels, tmp_path / "out")
    again = read_labels(tmp_path / "out")
    assert_same(again, labels)
    assert [(i.view, i.moment) for i in again.images] == [(v, m) for _, v, m, _ in found]


def test_round_trip(tmp_path: Path) -> None:
    labels = labels_of(tmp_path / "in", {"m1/a.png": [mouse()], "m2/a.png": [mouse(SECOND)]})
    write_lightning_pose(labels, tmp_path / "out")
    assert_same(read_labels(tmp_path / "out"), labels)
    lines = (tmp_path / "out" / "CollectedData.csv").read_text().splitlines()
    assert lines[3] == "labeled-data/m1/a.png,10.5,20.25,12.0,18.5,,,30.0,40.75"


def test_what_it_cannot_say(tmp_path: Path) -> None:
    labels = labels_of(tmp_path / "in", {"a.png": [mouse(), mouse(SECOND)]})
    with pytest.raises(DataError, match=r"a.png: Lightning Pose knows one animal a picture, here"):
        write_lightning_pose(labels, tmp_path / "out")
    labels = labels_of(tmp_path / "in", {"a.png": [mouse()], "b.png": [mouse()]})
    views = zip(labels.images, ("top", "side"), ("1", "2"), strict=True)
    images = [replace(image, view=view, moment=moment) for image, view, moment in views]
    with pytest.raises(DataError, match=r"the view top lacks the moment 2, others have it"):
        write_lightning_pose(replace(labels, images=images), tmp_path / "out")


def test_broken_files(tmp_path: Path) -> None:
    short = views_of(tmp_path / "a")
    (short / "side.csv").write_text("\n".join((short / "side.csv").read_text().splitlines()[:-1]))
    with pytest.raises(DataError, match=r"side.csv: 2 rows expected, as in .*top.csv"):
        read_labels(short)
    with pytest.raises(DataError, match=r"side.csv:5: tail.x: a number expected, got 'x'"):
        read_labels(views_of(tmp_path / "b", second="1,2,x,4"))
    one = {"data": {**VIEWS["data"], "view_names": ["top"]}}
    with pytest.raises(DataError, match=r"data.view_names: as many names as data.csv_file"):
        read_labels(views_of(tmp_path / "c", config=one))
    other = {"data": {**VIEWS["data"], "keypoint_names": ["snout", "ear"]}}
    with pytest.raises(DataError, match=r"its body parts are not the config's data.keypoint_names"):
        read_labels(views_of(tmp_path / "d", config=other))
    with pytest.raises(DataError, match=r"CollectedData.csv: cannot be read as csv"):
        read_labels(tmp_path, "lightning-pose")
