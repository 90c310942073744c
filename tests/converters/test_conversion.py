"""From every format to every other, what is lost on the way, and what cannot be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from raypose.converters import FORMATS, convert_labels, guess_format, read_labels
from raypose.converters.coco import write_coco
from raypose.converters.deeplabcut import write_deeplabcut
from raypose.errors import DataError, RayposeError
from tests.converters.samples import SECOND, assert_same, draw, labels_of, mouse

WRITTEN = [name for name, entry in FORMATS.items() if entry.write is not None]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """COCO json with one mouse a picture, of two videos."""
    instances = {"m1/a.png": [mouse()], "m1/b.png": [mouse(SECOND)], "m2/a.png": [mouse(SECOND)]}
    write_coco(labels_of(tmp_path / "pictures", instances), tmp_path / "coco")
    return tmp_path / "coco"


@pytest.mark.parametrize("name", WRITTEN)
def test_there_and_back(source: Path, tmp_path: Path, name: str) -> None:
    there = convert_labels(source, name, tmp_path / "there")
    assert guess_format(tmp_path / "there") == name
    convert_labels(tmp_path / "there", "coco", tmp_path / "back", val_fraction=0)
    assert_same(read_labels(tmp_path / "back"), read_labels(source), atol=0.006)
    assert there.skeleton.keypoint_names == ("snout", "left_ear", "right_ear", "tail")


def test_what_is_lost_is_said(tmp_path: Path) -> None:
    instances = {"m1/a.png": [mouse(bbox=[1, 2, 30, 40], track="1", visibility=[2, 1, 2, 2])]}
    write_coco(labels_of(tmp_path / "pictures", instances), tmp_path / "coco")
    found = convert_labels(tmp_path / "coco" / "train.json", "deeplabcut", tmp_path / "dlc")
    assert found.notes == ["boxes, hidden keypoints: the format deeplabcut cannot say them"]
    assert convert_labels(tmp_path / "coco", "coco", tmp_path / "again").notes == []


def test_skeleton_of_ones_own(source: Path, tmp_path: Path) -> None:
    (tmp_path / "rat.yaml").write_text(
        "name: rat\nkeypoints: [tail, neck, left_ear, right_ear, snout]\nlinks: [[tail, neck]]\n"
    )
    convert_labels(source, "coco", tmp_path / "out", skeleton=tmp_path / "rat.yaml")
    labels = read_labels(tmp_path / "out")
    assert labels.skeleton.keypoint_names == ("tail", "neck", "left_ear", "right_ear", "snout")
    assert labels.skeleton.links == ((0, 1),)
    assert labels.images[0].instances[0].keypoints[0].tolist() == [30, 40.75]


def test_folder_that_holds_something_is_left_alone(source: Path, tmp_path: Path) -> None:
    draw(tmp_path / "out" / "mine.png")
    with pytest.raises(DataError, match=r"out holds something already"):
        convert_labels(source, "coco", tmp_path / "out")
    with pytest.raises(DataError, match=r"mine.png holds something already"):
        convert_labels(source, "coco", tmp_path / "out" / "mine.png")


def test_nothing_is_left_of_a_conversion_that_fails(tmp_path: Path) -> None:
    labels = labels_of(tmp_path / "in", {"a.png": [mouse(), mouse(SECOND)]})
    write_coco(labels, tmp_path / "coco")
    with pytest.raises(DataError, match=r"here are 2"):
        convert_labels(tmp_path / "coco", "lightning-pose", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"here are 2"):
        convert_labels(tmp_path / "coco", "lightning-pose", tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []


def test_options_that_contradict(source: Path, tmp_path: Path) -> None:
    with pytest.raises(RayposeError, match=r"--val and --split-by: the format cvat does not tell"):
        convert_labels(source, "cvat", tmp_path / "out", val_fraction=0.2)
    with pytest.raises(RayposeError, match=r"no format 'coko' to write; .*Did you mean 'coco'"):
        convert_labels(source, "coko", tmp_path / "out")
    with pytest.raises(RayposeError, match=r"no format 'vott' to write"):
        convert_labels(source, "vott", tmp_path / "out")
    with pytest.raises(RayposeError, match=r"no format 'slep' to read; .*Did you mean 'sleap'"):
        convert_labels(source, "coco", tmp_path / "out", format="slep")


def test_source_that_is_not_known(tmp_path: Path) -> None:
    draw(tmp_path / "mice.png")
    with pytest.raises(RayposeError, match=r"mice.png looks like no format that is known; say"):
        guess_format(tmp_path / "mice.png")
    with pytest.raises(RayposeError, match=r"no such file or folder: .*Did you mean 'mice.png'"):
        guess_format(tmp_path / "mice.pgn")
    (tmp_path / "cut.json").write_text("{")
    with pytest.raises(DataError, match=r"cut.json: not a JSON file"):
        guess_format(tmp_path)
    write_deeplabcut(labels_of(tmp_path / "in", {"m/a.png": [mouse()]}), tmp_path)
    assert guess_format(tmp_path) == "deeplabcut"
    write_coco(labels_of(tmp_path / "in", {"a.png": []}), tmp_path / "out")
    (tmp_path / "out" / "train.json").write_text(
        '{"images": [], "annotations": [], "categories": [{"id": 1, "keypoints": ["a"]}]}'
    )
    with pytest.raises(DataError, match=r"out: no labelled picture in it"):
        read_labels(tmp_path / "out")
