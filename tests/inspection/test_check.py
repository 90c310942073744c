"""One planted mistake at a time: it is found, with its place, and nothing else is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from raypose.inspection.check import check_labels
from raypose.inspection.finding import KINDS, Finding
from raypose.inspection.sources import read_file_labels
from tests.inspection.walkers import (
    HEIGHT,
    WIDTH,
    Content,
    draw_pictures,
    points_of,
    save_picture,
    set_points,
    write_labels,
)

Plant = Callable[[Content, Path], None]


def check(folder: Path, **splits: Content) -> list[Finding]:
    return check_labels(read_file_labels(write_labels(folder, **splits)))


def test_nothing_is_found_in_clean_data(train: Content, val: Content, tmp_path: Path) -> None:
    draw_pictures(tmp_path, train, val)
    assert check(tmp_path, train=train, val=val) == []


def no_file_name(content: Content, folder: Path) -> None:
    del content["images"][4]["file_name"]


def wide_as_text(content: Content, folder: Path) -> None:
    content["images"][4]["width"] = "wide"


def no_id(content: Content, folder: Path) -> None:
    del content["annotations"][4]["id"]


def infinite(content: Content, folder: Path) -> None:
    content["annotations"][4]["keypoints"][0] = float("inf")


def no_mapping(content: Content, folder: Path) -> None:
    content["annotations"].append(7)


def no_box(content: Content, folder: Path) -> None:
    del content["annotations"][4]["bbox"]


def too_few_keypoints(content: Content, folder: Path) -> None:
    del content["annotations"][4]["keypoints"][-3:]


def same_annotation_id(content: Content, folder: Path) -> None:
    content["annotations"][4]["id"] = 9


def same_image_id(content: Content, folder: Path) -> None:
    content["images"].append({**content["images"][4], "file_name": "another.png"})
    save_picture(folder / "another.png", seed=0)


def image_unknown(content: Content, folder: Path) -> None:
    content["annotations"][4]["image_id"] = 400


def category_unknown(content: Content, folder: Path) -> None:
    content["annotations"][4]["category_id"] = 2


def image_missing(content: Content, folder: Path) -> None:
    (folder / "train5.png").unlink()


def image_cut_off(content: Content, folder: Path) -> None:
    path = folder / "train5.png"
    path.write_bytes(path.read_bytes()[:200])


def image_turned(content: Content, folder: Path) -> None:
    content["images"][4].update(width=HEIGHT, height=WIDTH)
    points = points_of(content["annotations"][4])
    points[:, :2] += (HEIGHT - WIDTH) / 2 * np.array([1, -1])
    set_points(content["annotations"][4], points)


def box_empty(content: Content, folder: Path) -> None:
    content["annotations"][4]["bbox"][2] = 0


def box_outside(content: Content, folder: Path) -> None:
    box = content["annotations"][4]["bbox"]
    box[2] = WIDTH - box[0] + 12.5


def box_beside(content: Content, folder: Path) -> None:
    nothing = {"keypoints": [0] * 24, "num_keypoints": 0, "bbox": [WIDTH + 5, 10, 40, 40]}
    content["annotations"][4].update(nothing)


def keypoint_outside_image(content: Content, folder: Path) -> None:
    points = points_of(content["annotations"][4])
    # All of it moves, for a keypoint alone would be a limb too long.
    points[:, 0] += WIDTH + 3 - points[:, 0].max()
    box = [points[:, 0].min(), 0, WIDTH - points[:, 0].min(), HEIGHT]
    set_points(content["annotations"][4], points)
    content["annotations"][4]["bbox"] = box


def keypoint_outside_box(content: Content, folder: Path) -> None:
    content["annotations"][4]["bbox"] = [1, 1, 10, 10]


def count_wrong(content: Content, folder: Path) -> None:
    content["annotations"][4]["num_keypoints"] = 3


def at_the_origin(content: Content, folder: Path) -> None:
    points = points_of(content["annotations"][4])
    points[:, :2] -= points[0, :2]
    points[1:, 2] = 0
    set_points(content["annotations"][4], points)
    content["annotations"][4]["bbox"] = [0, 0, WIDTH, HEIGHT]


def below_zero(content: Content, folder: Path) -> None:
    points = points_of(content["annotations"][4])
    points[7, 2] = -1
    set_points(content["annotations"][4], points)


def never_labelled(content: Content, folder: Path) -> None:
    for entry in content["annotations"]:
        points = points_of(entry)
        points[7] = 0
        set_points(entry, points)


def crossed_knees(content: Content, folder: Path) -> None:
    points = points_of(content["annotations"][4])
    points[[4, 5]] = points[[5, 4]]
    set_points(content["annotations"][4], points)


def foot_astray(content: Content, folder: Path) -> None:
    points = points_of(content["annotations"][4])
    away = points[6, :2] - points[4, :2]
    points[6, :2] += 2.5 * away
    set_points(content["annotations"][4], points)


def labelled_twice(content: Content, folder: Path) -> None:
    again = {**content["annotations"][4], "id": 500}
    points = points_of(again)
    points[:, :2] += 0.3
    set_points(again, points)
    content["annotations"].append(again)


def picture_twice(content: Content, folder: Path) -> None:
    (folder / "train6.png").write_bytes((folder / "train5.png").read_bytes())


def picture_saved_again(content: Content, folder: Path) -> None:
    picture = cv2.imread(str(folder / "train5.png"))
    cv2.imwrite(str(folder / "train6.png"), np.asarray(picture) // 4 * 4 + 1)


def no_area(content: Content, folder: Path) -> None:
    content["categories"][0]["sigmas"] = [0.05] * 8
    del content["annotations"][4]["area"]


def picture_in_both_splits(content: Content, folder: Path) -> None:
    (folder / "train5.png").write_bytes((folder / "val3.png").read_bytes())


def picture_like_one_of_val(content: Content, folder: Path) -> None:
    picture = cv2.imread(str(folder / "val3.png"))
    cv2.imwrite(str(folder / "train5.png"), np.asarray(picture) // 4 * 4 + 1)


MISTAKES: list[tuple[Plant, str, str, str]] = [
    (no_file_name, "image-entry", "image 5", "no file_name"),
    (wide_as_text, "image-entry", "image 5", "'width' is a number of pixels above 0, got 'wide'"),
    (no_id, "annotation-entry", "annotation None", "no id"),
    (infinite, "annotation-entry", "annotation 5", "'keypoints' holds NaN or infinity"),
    (no_mapping, "annotation-entry", "annotations.40", "a mapping expected, got 7"),
    (no_box, "no-box", "annotation 5", "no 'bbox'"),
    (too_few_keypoints, "keypoint-count", "annotation 5", "24 numbers .* got 21"),
    (same_annotation_id, "id-clash", "annotation 9", "2 times"),
    (same_image_id, "id-clash", "image 5", "2 times"),
    (image_unknown, "unknown-image", "annotation 5", "no image has the id 400"),
    (category_unknown, "unknown-category", "annotation 5", "no category has the id 2"),
    (image_missing, "missing-image", "image 5", "no such file"),
    (image_cut_off, "unreadable-image", "image 5", ""),
    (
        image_turned,
        "image-size",
        "image 5",
        "160 x 120 pixels, .*train.json says 120 x 160; .*EXIF",
    ),
    (box_empty, "empty-box", "annotation 5", "a box of 0 x .* has no area"),
    (box_outside, "box-outside", "annotation 5", r"reaches 12\.5 pixels beyond the image"),
    (box_beside, "box-outside", "annotation 5", r"\(165, 10, 205, 50\) lies beside the image"),
    (no_area, "no-area", "", "1 of 40 instances have no 'area'"),
    (keypoint_outside_image, "keypoint-outside-image", "annotation 5", " is 3 pixels beyond"),
    (keypoint_outside_box, "keypoint-outside-box", "annotation 5", "the farthest of 8 keypoints"),
    (count_wrong, "visibility", "annotation 5", "num_keypoints says 3, 8 have"),
    (at_the_origin, "visibility", "annotation 5", r"head: at \(0, 0\)"),
    (below_zero, "visibility", "annotation 5", "right_foot: a visibility below 0"),
    (never_labelled, "never-labelled", "keypoint right_foot", "none of the 40 instances"),
    (crossed_knees, "swapped-sides", "annotation 5", "would be .* times shorter if they crossed"),
    (foot_astray, "limb-length", "annotation 5", "left_knee to left_foot is .* times as long"),
    (labelled_twice, "same-instance", "annotation 500", "those of annotation 5"),
    (
        picture_twice,
        "same-picture",
        "image 5",
        r"the same pixels as .*train6.png \(train, image 6\)",
    ),
    (picture_saved_again, "similar-picture", "image 5", "nearly the same picture as .*train6.png"),
    (picture_in_both_splits, "split-overlap", "image 5", r"val3.png \(val, image 3\)"),
    (picture_like_one_of_val, "split-similar", "image 5", r"val3.png \(val, image 3\)"),
]


@pytest.mark.parametrize(
    ("plant", "kind", "place", "message"), MISTAKES, ids=[plant.__name__ for plant, *_ in MISTAKES]
)
def test_a_mistake_is_found_and_nothing_else(
    plant: Plant,
    kind: str,
    place: str,
    message: str,
    train: Content,
    val: Content,
    tmp_path: Path,
) -> None:
    draw_pictures(tmp_path, train, val)
    plant(train, tmp_path)
    found = check(tmp_path, train=train, val=val)
    assert [(finding.kind, finding.id) for finding in found] == [(kind, place)]
    assert re.search(message, found[0].message), found[0].message
    name = "train5.png" if place == "image 5" and found[0].file.endswith(".png") else "train.json"
    assert found[0].file == str(tmp_path / name)


def test_every_kind_of_finding_has_a_test() -> None:
    assert {kind for _, kind, _, _ in MISTAKES} | {"annotation-file"} == set(KINDS)
