"""Label Studio: tasks by hand, round trips, storages of pictures, broken files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raypose.converters import guess_format, read_labels
from raypose.converters.label_studio import write_label_studio
from raypose.errors import DataError
from tests.converters.samples import SECOND, assert_same, draw, labels_of, mouse


def keypoint(name: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": 0.6, "keypointlabels": [name]}
    return {"type": "keypointlabels", "value": value, **more}


def rectangle(x: float, y: float, wide: float, high: float, **more: Any) -> dict[str, Any]:
    rotation = more.pop("rotation", 0)
    value = {"x": x, "y": y, "width": wide, "height": high, "rotation": rotation}
    return {"type": "rectanglelabels", "value": {**value, "rectanglelabels": ["mouse"]}, **more}


def export(folder: Path, *regions: Any, image: str = "images/a.png", **task: Any) -> Path:
    """Write an export of one task; its picture is 64 x 48."""
    draw(folder / "images" / "a.png")
    entry = {"id": 5, "data": {"image": image}, "annotations": [{"result": list(regions)}], **task}
    (folder / "export.json").write_text(json.dumps([entry]))
    return folder / "export.json"


def test_read(tmp_path: Path) -> None:
    # Per cent of 64 x 48; the second rectangle has no child.
    source = export(
        tmp_path,
        rectangle(0, 0, 50, 50, id="r1"),
        keypoint("tail", 25, 75, parentID="r1"),
        keypoint("snout", 100, 100),
        rectangle(50, 50, 50, 50, id="r2"),
        {"type": "choices", "value": {"choices": ["blurred"]}},
    )
    assert guess_format(source) == guess_format(tmp_path) == "label-studio"
    labels = read_labels(source)
    # In the order of their first use.
    assert labels.skeleton.keypoint_names == ("tail", "snout")
    first, second = labels.images[0].instances
    assert first.bbox == (0, 0, 32, 24)
    assert first.keypoints[0].tolist() == [16, 36]
    assert second.bbox == (32, 24, 64, 48)
    assert second.keypoints[1].tolist() == [64, 48]
    assert second.visibility.tolist() == [0, 2]


def test_extent_of_a_turned_rectangle(tmp_path: Path) -> None:
    # Turned by a quarter about its first corner (32, 24): 16 wide and 12 high lies to the left.
    source = export(tmp_path, rectangle(50, 50, 25, 25, rotation=90), keypoint("a", 45, 60))
    (instance,) = read_labels(source).images[0].instances
    assert instance.bbox == pytest.approx((20, 24, 32, 40))


def test_the_labelling_interface_has_the_order(tmp_path: Path) -> None:
    source = export(tmp_path, keypoint("tail", 25, 75), keypoint("snout", 50, 50))
    (tmp_path / "view.xml").write_text(
        "<View><KeyPointLabels><Label value='snout'/><Label value='ear'/><Label value='tail'/>"
        "</KeyPointLabels></View>"
    )
    assert read_labels(source).skeleton.keypoint_names == ("snout", "ear", "tail")


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/3/0a1b2c3d-a.png",
        "/data/local-files/?d=mice/images/a.png",
        "s3://bucket/mice/a.png",
        "http://localhost:8080/static/a.png?x=1",
    ],
)
def test_addresses_of_pictures(tmp_path: Path, address: str) -> None:
    labels = read_labels(export(tmp_path, keypoint("tail", 25, 75), image=address))
    assert labels.images[0].name == "a.png"


def test_tasks_that_are_left_out(tmp_path: Path) -> None:
    result = [keypoint("tail", 25, 75)]
    skipped = {"was_cancelled": True, "result": []}
    source = export(tmp_path, annotations=[skipped, {"result": result}, {"result": []}])
    tasks = json.loads(source.read_text())
    tasks.append({**tasks[0], "id": 6, "annotations": [skipped]})
    source.write_text(json.dumps(tasks))
    labels = read_labels(source)
    assert len(labels.images) == 1
    assert labels.images[0].instances[0].keypoints.tolist() == [[16, 36]]
    assert labels.notes == [
        "1 tasks that nobody has labelled",
        "all but the first labels of 1 tasks",
    ]


def test_round_trip(tmp_path: Path) -> None:
    instances = {
        "m1/a.png": [
            mouse(bbox=[4, 6, 36, 42]),
            mouse(SECOND, category="rat", visibility=[2, 1, 2, 2]),
        ],
        "m1/b.png": [],
        "m2/a.png": [mouse(SECOND)],
    }
    labels = labels_of(tmp_path / "in", instances)
    write_label_studio(labels, tmp_path / "out")
    again = read_labels(tmp_path / "out")
    # A ten-thousandth of a per cent; it knows no hidden keypoints.
    assert_same(again, labels, atol=1e-4, hidden=False)
    assert again.images[0].instances[0].bbox == pytest.approx((4, 6, 36, 42), abs=1e-4)
    assert again.categories() == ["mouse", "rat"]
    task = json.loads((tmp_path / "out" / "label_studio.json").read_text())[0]
    assert task["data"] == {"image": "images/m1/a.png"}
    box, point = task["annotations"][0]["result"][:2]
    assert box["value"]["x"] == 6.25
    assert box["original_width"] == 64
    assert point["value"] == {
        "x": 16.4062,
        "y": 42.1875,
        "width": 0.6,
        "keypointlabels": ["snout"],
    }
    assert point["parentID"] == box["id"]


def broken(region: dict[str, Any], **value: Any) -> dict[str, Any]:
    return {**region, "value": {**region["value"], **value}}


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ([broken(keypoint("a", 1, 1), x="1")], r"task 5: result.0.value.x: a number expected"),
        (
            [broken(keypoint("a", 1, 1), keypointlabels=[])],
            r"value.keypointlabels: one label",
        ),
        ([broken(rectangle(1, 1, 1, 1), width=None)], r"result.0.value.width: a number expected"),
        ([{**keypoint("a", 1, 1), "image_rotation": 90}], r"result.0.image_rotation: labels on a"),
        (["region"], r"task 5: result.0: keys with values expected, got 'region'"),
        ([rectangle(1, 1, 1, 1)], r"export.json: no task has a keypoint"),
        (
            [keypoint("a", 1, 1), keypoint("a", 2, 2)],
            r"task 5: an instance has the keypoint 'a'",
        ),
        ([keypoint("a", 1, 1), rectangle(50, 50, 5, 5)], r"task 5: the keypoint 'a' at .* lies in"),
    ],
)
def test_broken_regions(tmp_path: Path, regions: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(export(tmp_path, *regions))


def test_broken_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"task 5: no picture b.png"):
        read_labels(export(tmp_path, keypoint("a", 1, 1), image="b.png"))
    with pytest.raises(DataError, match=r"task 5: annotations.0: keys with values expected, got 3"):
        read_labels(export(tmp_path, annotations=[3]))
    (tmp_path / "export.json").write_text('[{"image": "a.png", "keypoints": []}]')
    with pytest.raises(DataError, match=r"a list of tasks with 'data' and 'annotations' expected"):
        read_labels(tmp_path / "export.json", "label-studio")
    with pytest.raises(DataError, match=r"no json of Label Studio in this folder"):
        read_labels(tmp_path, "label-studio")
    source = export(tmp_path, keypoint("toe", 1, 1))
    interface = "<View><KeyPointLabels><Label value='a'/></KeyPointLabels></View>"
    (tmp_path / "a.xml").write_text(interface)
    with pytest.raises(DataError, match=r"task 5: the labelling interface has no keypoint 'toe'"):
        read_labels(source)


def test_flies(shared_data: Path, tmp_path: Path) -> None:
    wanted = read_labels(shared_data / "fly_pair")
    write_label_studio(wanted, tmp_path / "out", link=True)
    assert_same(read_labels(tmp_path / "out"), wanted, atol=1e-3, tracks=False, hidden=False)
