"""SLEAP files: one by sleap-io, videos and image files, round trips, broken files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest

from raypose.converters import LabelSet, guess_format, read_labels
from raypose.converters.pictures import FramePicture, save_pictures
from raypose.converters.sleap import write_sleap
from raypose.errors import DataError
from tests.converters.samples import (
    FIRST,
    MOUSE,
    SECOND,
    assert_same,
    draw,
    labels_of,
    mouse,
    write_video,
)

# Written by sleap-io 0.9.5: three frames, the middle one with a prediction only, images embedded.
PACKAGE = Path(__file__).parent / "data" / "mice.pkg.slp"


def labels(folder: Path) -> LabelSet:
    return labels_of(
        folder,
        {
            "m1/a.png": [mouse(track="B"), mouse(SECOND, track="A", visibility=[2, 2, 1, 2])],
            "m1/b.png": [mouse(SECOND)],
            "m2/a.png": [mouse()],
        },
    )


def test_package_of_sleap(tmp_path: Path) -> None:
    assert guess_format(PACKAGE) == "sleap"
    found = read_labels(PACKAGE)
    assert found.skeleton.keypoint_names == ("snout", "left_ear", "right_ear", "tail")
    assert found.skeleton.links == ((0, 1), (0, 2))
    assert found.skeleton.flip_indices == (0, 2, 1, 3)
    assert found.notes == ["1 frames without a person's labels"]
    first, second = found.images
    assert (first.frame, second.frame) == (0, 2)
    one, other = first.instances
    np.testing.assert_array_equal(one.keypoints, FIRST)
    np.testing.assert_array_equal(other.keypoints, SECOND)
    assert (one.track, other.track) == ("B", "A")
    # One that is marked invisible and has a place.
    assert other.visibility.tolist() == [2, 2, 1, 2]
    save_pictures((image.picture, tmp_path / f"{image.frame}.png") for image in found.images)
    for frame in (0, 2):
        wanted = np.full((48, 64, 3), 50 + 10 * frame, np.uint8)
        wanted[5:15, 5:25] = (255, 0, 128)
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / f"{frame}.png")), wanted)


def test_round_trip(tmp_path: Path) -> None:
    wanted = labels(tmp_path / "in")
    write_sleap(wanted, tmp_path / "out")
    again = read_labels(tmp_path / "out")
    assert_same(again, wanted)
    assert again.skeleton.links == MOUSE.links
    assert again.skeleton.flip_indices == MOUSE.flip_indices
    # The folder may be moved.
    shutil.move(tmp_path / "out", tmp_path / "moved")
    assert_same(read_labels(tmp_path / "moved" / "labels.slp"), wanted)


def test_images_of_several_sizes_are_several_videos(tmp_path: Path) -> None:
    small = labels_of(tmp_path / "in", {"m1/a.png": [mouse()]})
    large = labels_of(tmp_path / "in", {"m1/b.png": [mouse()]})
    draw(tmp_path / "in" / "m1" / "b.png", (100, 80))
    both = replace(small, images=[*small.images, *large.images])
    write_sleap(both, tmp_path / "out")
    with h5py.File(tmp_path / "out" / "labels.slp") as file:
        content: Any = file
        shapes = [json.loads(text)["backend"]["shape"] for text in content["videos_json"][()]]
    assert shapes == [[1, 48, 64, 3], [1, 80, 100, 3]]
    assert_same(read_labels(tmp_path / "out"), both)


def test_frames_of_a_video(tmp_path: Path) -> None:
    write_sleap(labels(tmp_path / "in"), tmp_path / "out")
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "clip.avi", 5)
    file = tmp_path / "out" / "labels.slp"
    entry = {"backend": {"filename": r"D:\recordings\clip.avi", "type": "MediaVideo"}}
    change(file, "videos_json", lambda texts: [json.dumps(entry)] * len(texts))
    with pytest.raises(DataError, match=r"videos_json: video 0: no picture clip.avi .looked in"):
        read_labels(file)
    found = read_labels(file, images=tmp_path / "videos")
    # Both videos are called alike.
    assert [image.name for image in found.images] == [
        "video0/clip/000000.jpg",
        "video0/clip/000001.jpg",
        "video1/clip/000000.jpg",
    ]
    assert found.images[1].picture == FramePicture(tmp_path / "videos" / "clip.avi", 1)
    assert found.images[1].video == "video0/clip"


def test_old_files_have_the_middle_of_a_pixel_at_a_half(tmp_path: Path) -> None:
    write_sleap(labels(tmp_path / "in"), tmp_path / "out")
    with h5py.File(tmp_path / "out" / "labels.slp", "a") as file:
        file["metadata"].attrs["format_id"] = 1.0
    (instance, *_) = read_labels(tmp_path / "out").images[0].instances
    np.testing.assert_array_equal(instance.keypoints, np.array(FIRST) - 0.5)


def change(path: Path, name: str, edit: Callable[[Any], Any]) -> None:
    """Put something else into a dataset."""
    with h5py.File(path, "a") as file:
        content: Any = file
        value = edit(content[name][()])
        del content[name]
        if value is not None:
            content[name] = value


def without_field(field: str) -> Callable[[Any], Any]:
    return lambda table: table[[name for name in table.dtype.names if name != field]].copy()


def with_value(field: str, value: int) -> Callable[[Any], Any]:
    def edit(table: Any) -> Any:
        table[field][0] = value
        return table

    return edit


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("points", lambda _: None, r"labels.slp: not a SLEAP file, it has no points"),
        ("points", without_field("visible"), r"labels.slp: points: no field visible"),
        ("instances", with_value("point_id_end", 3), r"instance 0: 4 points expected, got 3"),
        ("instances", with_value("track", 5), r"instances: instance 0: track 5, there are 2"),
        ("frames", with_value("video", 5), r"labels.slp: frames: video 5: there are 2 videos"),
        ("frames", with_value("frame_idx", 9), r"labels.slp: m1: no frame 9, it has 2"),
        ("videos_json", lambda _: [b"{"], r"labels.slp: not a SLEAP file"),
        ("videos_json", lambda _: [b"[]", b"[]"], r"videos_json.0: keys with values expected"),
    ],
)
def test_broken_tables(tmp_path: Path, name: str, edit: Callable[[Any], Any], message: str) -> None:
    write_sleap(labels(tmp_path / "in"), tmp_path / "out")
    change(tmp_path / "out" / "labels.slp", name, edit)
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / "out")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m.update(skeletons=[]), r"metadata.skeletons: one skeleton expected, got 0"),
        (lambda m: m.update(nodes=[]), r"metadata.skeletons.0 is broken"),
        (lambda m: m["nodes"][1].update(name="snout"), r"labels.slp: .*'snout' is there twice"),
    ],
)
def test_broken_metadata(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None], message: str
) -> None:
    write_sleap(labels(tmp_path / "in"), tmp_path / "out")
    with h5py.File(tmp_path / "out" / "labels.slp", "a") as file:
        attributes: Any = file["metadata"].attrs
        metadata = json.loads(attributes["json"])
        edit(metadata)
        attributes["json"] = json.dumps(metadata)
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / "out")


def test_broken_files(tmp_path: Path) -> None:
    (tmp_path / "cut.slp").write_bytes(PACKAGE.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"cut.slp: not a SLEAP file"):
        read_labels(tmp_path / "cut.slp")
    shutil.copy(PACKAGE, tmp_path / "other.slp")
    with pytest.raises(DataError, match=r"one .slp file in this folder expected, got cut.slp, oth"):
        read_labels(tmp_path)


def test_flies(shared_data: Path, tmp_path: Path) -> None:
    wanted = read_labels(shared_data / "fly_pair")
    write_sleap(wanted, tmp_path / "out", link=True)
    assert_same(read_labels(tmp_path / "out"), wanted, names=False)
