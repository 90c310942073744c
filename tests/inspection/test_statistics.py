"""Numbers of labelled data, counted by hand for a few instances."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from raypose.config import load_config
from raypose.inspection.sources import read_config_labels, read_file_labels
from raypose.inspection.statistics import source_statistics
from raypose.inspection.statistics_report import statistics_lines
from tests.inspection.walkers import Content, draw_pictures, points_of, write_labels
from tests.tiny_runs import experiment


@pytest.fixture
def content(val: Content) -> Content:
    """Ten pictures: two people in the first, none in the last, a crowd in the second."""
    people = val["annotations"]
    people[-1].update(image_id=1)
    people.append({**people[1], "id": 99, "iscrowd": 1})
    for entry, (width, height) in zip(people, [(40, 80), (20, 40)] * 5, strict=False):
        entry["bbox"] = [10, 10, width, height]
    for entry in people[:4]:
        points = points_of(entry)
        points[0, 2], points[1] = 1, 0
        entry["keypoints"] = points.ravel().tolist()
    del people[5]["area"]
    val["images"][3].update(width=200)
    return val


def test_numbers_of_a_file(content: Content, tmp_path: Path) -> None:
    (file,) = write_labels(tmp_path, val=content)
    statistics = source_statistics(read_file_labels([file]))
    assert statistics["totals"] == {}
    assert statistics["notes"] == []
    numbers = statistics["splits"]["val"]
    assert numbers["file"] == file
    assert numbers["images"] == 10
    assert numbers["images_without_instances"] == 1
    assert numbers["image_sizes"] == {"160 x 120": 9, "200 x 120": 1}
    assert numbers["image_width"] == pytest.approx([160, 160, 160, 160, 182])
    assert (numbers["instances"], numbers["crowds"]) == (10, 1)
    assert numbers["instances_per_image"] == {"0": 1, "1": 8, "2": 1}
    assert (numbers["sigmas"], numbers["areas_missing"]) == (False, 1)
    assert numbers["keypoints_labelled"] == pytest.approx(76 / 80)
    assert numbers["keypoints"]["head"] == {
        "labelled": 10,
        "share": 1.0,
        "visible": 6,
        "hidden": 4,
    }
    assert numbers["keypoints"]["tail"]["labelled"] == 6
    assert numbers["keypoints_per_instance"] == [7, 7, 8, 8, 8]
    assert numbers["box_width"] == [20, 20, 30, 40, 40]
    assert numbers["box_aspect_ratio"] == [0.5] * 5
    assert "crop_scale" not in numbers


def test_lines_of_a_file(content: Content, tmp_path: Path) -> None:
    (file,) = write_labels(tmp_path, val=content)
    lines = [*statistics_lines(source_statistics(read_file_labels([file])))]
    assert lines[:9] == [
        f"val: {file}",
        "  images                10, 1 without instances",
        "  image sizes           160 x 120 in 9, 200 x 120 in 1",
        "  instances             10, and 1 crowds",
        "  instances an image    0 in 1, 1 in 8, 2 in 1",
        "  keypoints labelled    95.0%",
        "  OKS                   not defined: the skeleton has no sigmas (raypose data skeleton "
        "sigmas); 1 instances have no area, without which CocoMetric needs use_area: false",
        "",
        "                             5 %      25 %      50 %      75 %      95 %",
    ]
    assert "  box width                   20        20        30        40        40" in lines
    assert "  tail                         6     60.0%         6         0" in lines


def test_sizes_that_a_file_does_not_say_are_read_from_the_images(
    val: Content, tmp_path: Path
) -> None:
    draw_pictures(tmp_path, val)
    (tmp_path / "val2.png").unlink()
    for image in val["images"]:
        del image["width"], image["height"]
    (file,) = write_labels(tmp_path, val=val)
    numbers = source_statistics(read_file_labels([file]))["splits"]["val"]
    assert numbers["image_sizes"] == {"160 x 120": 9}


def test_a_file_without_instances(val: Content, tmp_path: Path) -> None:
    val["annotations"] = []
    (file,) = write_labels(tmp_path, val=val)
    statistics = source_statistics(read_file_labels([file]))
    numbers = statistics["splits"]["val"]
    assert numbers["instances_per_image"] == {"0": 10}
    assert numbers["box_width"] == []
    assert numbers["keypoints"]["tail"] == {"labelled": 0, "share": 0.0, "visible": 0, "hidden": 0}
    assert "  tail                         0      0.0%         0         0" in [
        *statistics_lines(statistics)
    ]


def test_a_config_says_how_large_crops_are(train: Content, val: Content, tmp_path: Path) -> None:
    # Boxes of 30 x 40, padded to 37.5 x 50: inputs of 48 x 64 enlarge them by 1.28.
    for entry in val["annotations"]:
        entry["bbox"] = [10, 10, 30, 40]
    write_labels(tmp_path, train=train, val=val)
    data = experiment(tmp_path, model__head__out_channels=8)
    data["skeleton"] = None
    assert data["codec"]["input_size"] == [48, 64]
    added = {"type": "CocoDataset", "ann_file": "val.json", "data_root": str(tmp_path)}
    data["data"]["train"]["add"] = [added]
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(data))
    config = load_config(path)
    statistics = source_statistics(read_config_labels(config), config)
    assert list(statistics["splits"]) == ["train", "train.add.0", "val"]
    assert statistics["totals"] == {"train": {"files": 2, "images": 50, "instances": 50}}
    numbers = statistics["splits"]["val"]
    assert numbers["input_size"] == [48, 64]
    assert numbers["crop_scale"] == pytest.approx([1.28] * 5)
    assert numbers["crops_enlarged"] == 1.0
    lines = [*statistics_lines(statistics)]
    assert "  crops enlarged        100.0% to the input, 48 x 64" in lines
    assert lines[-1] == "train in all: 2 files, 50 images, 50 instances"
