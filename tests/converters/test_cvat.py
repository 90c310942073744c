"""CVAT XML: skeletons, points in boxes and groups by hand; round trips; broken files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from raypose.converters import guess_format, read_labels
from raypose.converters.cvat import write_cvat
from raypose.errors import DataError
from tests.converters.samples import NAN, SECOND, assert_same, draw, labels_of, mouse

LABELS = """<label><name>mouse</name><type>skeleton</type><svg>&lt;line x1="1" data-type="edge"
 data-node-from="2" data-node-to="1"&gt;&lt;/line&gt;</svg></label>
<label><name>snout</name><type>points</type><parent>mouse</parent></label>
<label><name>tail</name><type>points</type><parent>mouse</parent></label>"""
SKELETON = """<skeleton label="mouse" z_order="0">
<points label="tail" outside="0" occluded="1" points="30.50,40.25"/>
<points label="snout" outside="1" occluded="0" points="1.00,2.00"/></skeleton>"""


def export(folder: Path, shapes: str, labels: str = "", more: str = "") -> Path:
    draw(folder / "images" / "m1" / "a.png")
    (folder / "annotations.xml").write_text(
        "<?xml version='1.0' encoding='utf-8'?>\n<annotations><version>1.1</version>"
        f"<meta><job><labels>{labels}</labels></job></meta>"
        f'<image id="0" name="m1/a.png" width="64" height="48"{more}>{shapes}</image></annotations>'
    )
    return folder


def test_skeleton(tmp_path: Path) -> None:
    source = export(tmp_path, SKELETON, LABELS, ' subset="Train"')
    assert guess_format(source) == guess_format(source / "annotations.xml") == "cvat"
    labels = read_labels(source)
    assert labels.skeleton.keypoint_names == ("snout", "tail")
    assert labels.skeleton.links == ((1, 0),)
    (image,) = labels.images
    assert (image.name, image.split) == ("m1/a.png", "train")
    np.testing.assert_array_equal(image.instances[0].keypoints, [[NAN, NAN], [30.5, 40.25]])
    assert image.instances[0].visibility.tolist() == [0, 1]


def test_points_in_boxes_and_groups(tmp_path: Path) -> None:
    shapes = """
    <box label="mouse" xtl="0" ytl="0" xbr="20" ybr="20"/>
    <box label="rat" xtl="30" ytl="0" xbr="60" ybr="20" group_id="4"/>
    <points label="snout" points="5.00,6.00"/>
    <points label="tail" points="1.00,2.00" group_id="4" occluded="1"/>
    <points label="tail" points="9.00,9.00" outside="1"/>"""
    labels = read_labels(export(tmp_path, shapes))
    assert labels.skeleton.keypoint_names == ("snout", "tail")
    first, second = labels.images[0].instances
    np.testing.assert_array_equal(first.keypoints, [[5, 6], [NAN, NAN]])
    np.testing.assert_array_equal(second.keypoints, [[NAN, NAN], [1, 2]])
    assert (first.category, second.category) == ("mouse", "rat")
    assert second.bbox == (30, 0, 60, 20)
    assert second.visibility.tolist() == [0, 1]


def test_shape_of_several_points(tmp_path: Path) -> None:
    labels = read_labels(export(tmp_path, '<points label="fly" points="1.0,2.0;3.0,4.0"/>'))
    assert labels.skeleton.keypoint_names == ("fly_1", "fly_2")
    assert labels.images[0].instances[0].keypoints.tolist() == [[1, 2], [3, 4]]


def test_round_trip(tmp_path: Path) -> None:
    instances = {
        "m1/a.png": [mouse(), mouse(SECOND, category="rat", visibility=[2, 1, 2, 2])],
        "m1/b.png": [],
        "m2/a & b.png": [mouse(SECOND)],
    }
    labels = labels_of(tmp_path / "in", instances)
    write_cvat(labels, tmp_path / "out")
    again = read_labels(tmp_path / "out")
    # It has hundredths of a pixel.
    assert_same(again, labels, atol=0.006)
    assert again.categories() == ["mouse", "rat"]
    definitions = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert [entry["name"] for entry in definitions] == ["mouse", "rat"]
    assert [each["name"] for each in definitions[0]["sublabels"]] == [
        "snout",
        "left_ear",
        "right_ear",
        "tail",
    ]


@pytest.mark.parametrize(
    ("shapes", "labels", "message"),
    [
        (SKELETON.replace("30.50,40.25", "30.50"), LABELS, r"image 0 m1/a.png: points tail: 'x,y;"),
        (SKELETON.replace("tail", "toe"), LABELS, r"a.png: points: the labels of the task have no"),
        (
            '<box label="m" xtl="a" ytl="0" xbr="1" ybr="1"/>',
            LABELS,
            r"box: xtl: a number expect",
        ),
        ("", "", r"annotations.xml: no skeleton and no points in it"),
        (
            '<points label="a" points="1,1"/><points label="a" points="2,2"/>',
            "",
            r"image 0 m1/a.png: an instance has the keypoint 'a' twice",
        ),
    ],
)
def test_broken_shapes(tmp_path: Path, shapes: str, labels: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(export(tmp_path, shapes, labels))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name="m1/a.png"', "", r"image 0 None: it has no name"),
        ("m1/a.png", "m1/b.png", r"image 0 m1/b.png: no picture m1/b.png"),
        ("</annotations>", "", r"annotations.xml: not an XML file: no element found: line"),
        ("<image", '<track id="0"/><image', r"tracks of a video; export it as 'CVAT for images"),
        ("annotations>", "labels>", r"the element annotations expected, got labels"),
    ],
)
def test_broken_files(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = export(tmp_path, SKELETON, LABELS) / "annotations.xml"
    text = file.read_text().replace("<annotations>", "<annotations>")
    file.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message):
        read_labels(file, "cvat")
    with pytest.raises(DataError, match=r"no XML of CVAT in this folder"):
        read_labels(tmp_path / "images", "cvat")


def test_openfield(shared_data: Path, tmp_path: Path) -> None:
    wanted = read_labels(shared_data / "openfield")
    write_cvat(wanted, tmp_path / "out", link=True)
    assert_same(read_labels(tmp_path / "out"), wanted, atol=0.006)
