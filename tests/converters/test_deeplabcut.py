"""DeepLabCut projects: tables by hand and by pandas, round trips, broken files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from raypose.converters import convert_labels, guess_format, read_labels
from raypose.converters.deeplabcut import write_deeplabcut
from raypose.converters.dlc_hdf import read_hdf
from raypose.converters.dlc_table import LabelTable, read_csv, write_csv
from raypose.errors import DataError
from tests.converters.samples import MOUSE, NAN, SECOND, assert_same, draw, labels_of, mouse

# Written by pandas 2.3 and PyTables 3.11, as DeepLabCut calls them.
DATA = Path(__file__).parent / "data"
SINGLE = """\
scorer,,,Ann,Ann,Ann,Ann,Ann,Ann
bodyparts,,,snout,snout,leftear,leftear,tail,tail
coords,,,x,y,x,y,x,y
labeled-data,m1,img0001.png,10.5,20.25,,,30.0,40.0
labeled-data,m1,img0005.png,11.5,21.25,5.0,6.0,31.0,41.0
"""
MULTI = """\
scorer,,,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann
individuals,,,ind1,ind1,ind1,ind1,ind2,ind2,ind2,ind2,single,single
bodyparts,,,snout,snout,tail,tail,snout,snout,tail,tail,corner,corner
coords,,,x,y,x,y,x,y,x,y,x,y
labeled-data,m1,img0001.png,0.0,1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0,9.0
labeled-data,m1,img0005.png,10.0,11.0,12.0,13.0,,,,,18.0,19.0
"""
CONFIG = {"Task": "openfield", "scorer": "Ann", "bodyparts": ["snout", "leftear", "tail"]}
MULTI_CONFIG = {
    "Task": "pair",
    "scorer": "Ann",
    "multianimalproject": True,
    "individuals": ["ind1", "ind2"],
    "multianimalbodyparts": ["snout", "tail"],
    "uniquebodyparts": ["corner"],
    "bodyparts": "MULTI!",
    "skeleton": [["snout", "tail"], ["bodypart1", "bodypart2"]],
}


def project(folder: Path, config: dict[str, Any], table: str | Path) -> Path:
    """Write a project of one video; the table is the text of a csv, or an h5 file."""
    videos = folder / "labeled-data" / "m1"
    for name in ("img0001.png", "img0005.png"):
        draw(videos / name)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    if isinstance(table, Path):
        shutil.copy(table, videos / "CollectedData_Ann.h5")
    else:
        (videos / "CollectedData_Ann.csv").write_text(table)
    return folder


@pytest.mark.parametrize("table", [SINGLE, DATA / "single_fixed.h5"], ids=["csv", "h5"])
def test_read_single(tmp_path: Path, table: str | Path) -> None:
    source = project(tmp_path, CONFIG, table)
    assert guess_format(source) == guess_format(source / "config.yaml") == "deeplabcut"
    labels = read_labels(source)
    assert labels.skeleton.name == "openfield"
    assert [(i.name, i.video, i.frame) for i in labels.images] == [
        ("m1/img0001.png", "m1", 1),
        ("m1/img0005.png", "m1", 5),
    ]
    points = [image.instances[0].keypoints for image in labels.images]
    np.testing.assert_array_equal(
        points, [[[10.5, 20.25], [NAN, NAN], [30, 40]], [[11.5, 21.25], [5, 6], [31, 41]]]
    )
    assert labels.images[0].instances[0].visibility.tolist() == [2, 0, 2]
    assert labels.images[0].instances[0].track is None


@pytest.mark.parametrize("table", [MULTI, DATA / "multi_fixed.h5"], ids=["csv", "h5"])
@pytest.mark.parametrize("identity", [False, True])
def test_read_multi(tmp_path: Path, table: str | Path, identity: bool) -> None:
    labels = read_labels(project(tmp_path, {**MULTI_CONFIG, "identity": identity}, table))
    assert labels.skeleton.keypoint_names == ("snout", "tail")
    assert labels.skeleton.links == ((0, 1),)
    first, second = labels.images
    assert [each.keypoints.tolist() for each in first.instances] == [
        [[0, 1], [2, 3]],
        [[4, 5], [6, 7]],
    ]
    assert [each.keypoints.tolist() for each in second.instances] == [[[10, 11], [12, 13]]]
    tracks = [each.track for each in first.instances]
    assert tracks == (["ind1", "ind2"] if identity else [None, None])
    assert labels.notes == ["the body parts of no animal: corner"]


def test_round_trip_of_one_animal(tmp_path: Path) -> None:
    labels = labels_of(tmp_path / "in", {"m1/a.png": [mouse()], "m2/a.png": [mouse(SECOND)]})
    write_deeplabcut(labels, tmp_path / "out")
    again = read_labels(tmp_path / "out")
    assert_same(again, labels)
    assert again.skeleton.links == MOUSE.links
    assert yaml.safe_load((tmp_path / "out/config.yaml").read_text())["multianimalproject"] is False


@pytest.mark.parametrize("tracks", [("b", "a"), (None, None)])
def test_round_trip_of_several(tmp_path: Path, tracks: tuple[str | None, ...]) -> None:
    first, second = tracks
    instances = {
        "m1/a.png": [mouse(track=first), mouse(SECOND, track=second)],
        "m1/b.png": [mouse(SECOND, track=first)],
    }
    labels = labels_of(tmp_path / "in", instances)
    write_deeplabcut(labels, tmp_path / "out")
    assert_same(read_labels(tmp_path / "out"), labels)
    config = yaml.safe_load((tmp_path / "out/config.yaml").read_text())
    assert config["multianimalproject"] is True
    assert config["individuals"] == (["b", "a"] if first else ["individual1", "individual2"])
    assert config["identity"] is (first is not None)


def test_a_track_twice_on_a_picture_is_an_error(tmp_path: Path) -> None:
    labels = labels_of(tmp_path / "in", {"m1/a.png": [mouse(track="a"), mouse(track="a")]})
    with pytest.raises(DataError, match=r"m1/a.png: the track a is there twice"):
        write_deeplabcut(labels, tmp_path / "out")


def test_written_csv_by_hand(tmp_path: Path) -> None:
    table = read_csv(project(tmp_path, CONFIG, SINGLE) / "labeled-data/m1/CollectedData_Ann.csv")
    write_csv(table, tmp_path / "again.csv", "Ann", split_path=True)
    assert (tmp_path / "again.csv").read_text() == SINGLE
    write_csv(table, tmp_path / "flat.csv", "Ann", split_path=False)
    lines = (tmp_path / "flat.csv").read_text().splitlines()
    assert lines[0] == "scorer,Ann,Ann,Ann,Ann,Ann,Ann"
    assert lines[3] == "labeled-data/m1/img0001.png,10.5,20.25,,,30.0,40.0"
    assert read_csv(tmp_path / "flat.csv").pictures == table.pictures


def test_csv_of_windows(tmp_path: Path) -> None:
    text = "scorer,A,A\r\nbodyparts,s,s\r\ncoords,x,y\r\nlabeled-data\\m1\\a.png,1,2\r\n"
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_csv(tmp_path / "a.csv").pictures == ["labeled-data/m1/a.png"]


def points_of(table: LabelTable) -> dict[str, list[list[float]]]:
    return {part: table.of("", [part])[:, 0].tolist() for _, part in table.columns}


def test_h5_with_blocks_of_several_types() -> None:
    # x of one part and y of the other are whole numbers, which pandas keeps apart.
    wanted = {"snout": [[1, 1.5], [2, 2.5]], "tail": [[3.5, 5], [4.5, 6]]}
    for name in ("mixed_fixed.h5", "mixed_appendable.h5"):
        table = read_hdf(DATA / name)
        assert table.pictures == ["labeled-data/m1/a.png", "labeled-data/m1/b.png"]
        assert points_of(table) == wanted


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("30.0,40.0", "30.0,4O.0", r"csv:4: tail.y: a number expected, got '4O.0'"),
        ("30.0,40.0", "30.0", r"csv:4: 9 cells expected, got 8"),
        ("coords,,,x,y,x,y,x,y", "coords,,,x,y,x,y,x,likelihood", r"coords is x, y, x, y"),
        ("bodyparts", "parts", r"its header has no row bodyparts"),
        ("leftear,leftear", "snout,snout", r"the body part snout has two columns"),
        ("leftear,leftear", "ear,ear", r"bodyparts: 'ear' is none of the project's"),
        ("leftear,leftear", "leftear", r"header: the row bodyparts has 8 cells, coords has 9"),
        ("img0005", "img0007", r"csv: labeled-data/m1/img0007.png: no picture img0007.png"),
    ],
)
def test_broken_table(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(project(tmp_path, CONFIG, SINGLE.replace(old, new)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bodyparts": "MULTI!"}, r"config.yaml: bodyparts: a list expected, got 'MULTI!'"),
        ({"bodyparts": []}, r"config.yaml: bodyparts: names of body parts expected"),
        ({"bodyparts": ["snout", None]}, r"config.yaml: bodyparts.1: a name expected, got None"),
        ({"bodyparts": ["tail", "tail"]}, r"config.yaml: .*'tail' is there twice"),
        ({"skeleton": ["tail"]}, r"config.yaml: skeleton.0: a list expected, got 'tail'"),
    ],
)
def test_broken_config(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(project(tmp_path, {**CONFIG, **change}, SINGLE))


def test_broken_files(tmp_path: Path) -> None:
    source = project(tmp_path, CONFIG, DATA / "single_fixed.h5")
    file = source / "labeled-data/m1/CollectedData_Ann.h5"
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"CollectedData_Ann.h5: not an HDF5 file of labels"):
        read_labels(source)
    file.unlink()
    with pytest.raises(DataError, match=r"no CollectedData_\*.csv or .h5 in a folder of labeled"):
        read_labels(source, "deeplabcut")
    (source / "config.yaml").write_text("bodyparts: [")
    with pytest.raises(DataError, match=r"config.yaml: not a YAML file"):
        read_labels(source, "deeplabcut")
    with pytest.raises(DataError, match=r"none/config.yaml: No such file"):
        read_labels(tmp_path / "none" / "config.yaml", "deeplabcut")


def test_openfield_as_a_project_and_back(shared_data: Path, tmp_path: Path) -> None:
    labels = convert_labels(shared_data / "openfield", "deeplabcut", tmp_path / "dlc", link=True)
    again = read_labels(tmp_path / "dlc")
    assert_same(again, labels, names=False)
    assert len(again.images) == 116
