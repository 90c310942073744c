"""The same pictures, however they are named: the same names, pixels and boxes."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raypose.inference.annotation import storage
from raypose.inference.annotation.inputs import InputOptions, TableShard, plan_shards
from tests.inference.annotation.inputs.conftest import (
    BOXES,
    EXPECTED,
    NAMES,
    Read,
    coco_json,
    csv_list,
    image_table,
    seen,
    tar_of,
    upload,
)


def make_input(kind: str, folder: Path) -> Path:
    if kind == "glob":
        return folder / "**" / "*.[pP][nN][gG]"
    if kind == "txt":
        path = folder / "list.txt"
        path.write_text("\n".join(NAMES) + "\n\n")
        return path
    if kind == "csv":
        return csv_list(folder / "list.csv", BOXES)
    if kind == "list.parquet":
        path = folder / "list.parquet"
        pq.write_table(pa.table({"path": NAMES, "boxes": list(BOXES.values())}), path)
        return path
    if kind == "json":
        return coco_json(folder / "instances.json", BOXES)
    if kind == "parquet":
        return image_table(folder / "table.parquet", folder, boxes=list(BOXES.values()))
    if kind in ("tar", "tar.gz"):
        path = folder / f"shard.{kind}"
        return tar_of(path, folder, mode="w" if kind == "tar" else "w:gz")
    return folder


KINDS = ["folder", "glob", "txt", "csv", "list.parquet", "json", "parquet", "tar", "tar.gz"]
WITH_BOXES = {"csv", "list.parquet", "json", "parquet"}


@pytest.mark.parametrize("where", ["local", "s3"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_pictures_whatever_names_them(
    kind: str, where: str, folder: Path, read: Read, request: pytest.FixtureRequest
) -> None:
    given: Any = make_input(kind, folder)
    if where == "s3":
        target = upload(folder, storage.join(request.getfixturevalue("bucket"), "data"))
        below = given.relative_to(folder).as_posix()
        given = target if below == "." else storage.join(target, below)
    pictures = read(given)
    assert seen(pictures) == EXPECTED
    expected = list(BOXES.values()) if kind in WITH_BOXES else [None] * 5
    assert [picture.boxes for picture in pictures] == expected
    if kind in WITH_BOXES:
        assert {p.boxes is None for p in read(given, use_boxes=False)} == {True}


def test_names_of_parts_follow_from_the_input(folder: Path, tmp_path: Path) -> None:
    first = [shard.part_name for shard in plan_shards(folder, 2)]
    assert first == [shard.part_name for shard in plan_shards(str(folder), 2)]
    assert len(first) == 3
    moved = folder.rename(tmp_path / "elsewhere")
    assert first == [shard.part_name for shard in plan_shards(moved, 2)]
    (moved / "bb.png").touch()
    assert first[0] == plan_shards(moved, 2)[0].part_name
    assert first[1] != plan_shards(moved, 2)[1].part_name
    other = plan_shards(moved, 2, {"b.PNG": [[0.0, 0.0, 1.0, 1.0]]})[0].part_name
    assert other not in first


def test_boxes_of_a_json_beside_a_folder(folder: Path, read: Read) -> None:
    pictures = read(folder, boxes={"c.png": BOXES["c.png"]})
    assert [picture.boxes for picture in pictures] == [[], [], BOXES["c.png"], [], []]


def test_several_inputs_are_named_from_the_folder_they_have_in_common(
    folder: Path, tmp_path: Path, read: Read
) -> None:
    tar_of(tmp_path / "more.tar", folder, ["c.png"])
    (tmp_path / "list.txt").write_text(f"pictures/e.png\n{folder / 'd.png'}\n")
    found = seen(read(folder / "a", tmp_path / "more.tar", tmp_path / "list.txt", folder / "a"))
    assert found == [
        ("pictures/a/z.png", 0, 10),
        ("more.tar/c.png", 0, 30),
        ("pictures/e.png", 0, 50),
        (str(folder / "d.png"), 0, 40),
    ]


def test_what_a_shell_makes_of_a_glob_is_that_glob(folder: Path) -> None:
    files = sorted(folder.glob("*.[pP]*"))
    by_shell = plan_shards(files, 2)
    assert [len(shard) for shard in by_shell] == [2, 2]
    assert [s.part_name for s in by_shell] == [
        s.part_name for s in plan_shards(folder / "*.[pP]*", 2)
    ]


def test_inputs_on_two_stores(folder: Path, bucket: str, read: Read) -> None:
    upload(folder / "a", f"{bucket}/b")
    found = seen(read(folder / "a", f"{bucket}/b"))
    assert found == [(f"{folder}/a/z.png", 0, 10), (f"{bucket}/b/z.png", 0, 10)]


def test_a_list_may_name_files_of_a_store(folder: Path, bucket: str, read: Read) -> None:
    upload(folder, f"{bucket}/b")
    (folder / "list.txt").write_text(f"{bucket}/b/c.png\nd.png\n")
    assert seen(read(folder / "list.txt")) == [(f"{bucket}/b/c.png", 0, 30), ("d.png", 0, 40)]


def test_the_pictures_of_a_list_may_be_elsewhere(folder: Path, tmp_path: Path, read: Read) -> None:
    path = coco_json(tmp_path / "annotations.json", {"c.png": []})
    (picture,) = read(path, images=str(folder))
    assert picture.frame.source == "c.png"
    assert picture.frame.image is not None
    assert picture.boxes is None  # no image has any: they are to be found
    (folder.parent / "pictures").rename(tmp_path / "images")
    assert seen(read(path)) == [("c.png", 0, 30)]


def test_answers_below_the_input_are_no_input(folder: Path) -> None:
    before = plan_shards(folder, 2, skip=folder / "out")
    (folder / "out" / "overlays").mkdir(parents=True)
    os.link(folder / "c.png", folder / "out" / "overlays" / "c.png")
    assert plan_shards(folder, 2, skip=folder / "out") == before
    assert plan_shards(folder, 2) != before


def test_members_of_several_archives_carry_their_name(
    folder: Path, tmp_path: Path, read: Read
) -> None:
    (tmp_path / "shards").mkdir()
    for number, name in enumerate(("1.tar", "0.tar")):
        tar_of(tmp_path / "shards" / name, folder, NAMES[2 * number : 2 * number + 2])
    expected = [
        ("0.tar/c.png", 0, 30), ("0.tar/d.png", 0, 40),
        ("1.tar/a/z.png", 0, 10), ("1.tar/b.PNG", 0, 20),
    ]  # fmt: skip
    assert seen(read(tmp_path / "shards")) == expected
    assert seen(read(tmp_path / "shards" / "*.tar")) == expected


def test_columns_of_a_table(folder: Path, tmp_path: Path, read: Read) -> None:
    images = [{"bytes": (folder / n).read_bytes(), "path": f"in/{n}"} for n in NAMES]
    images[1] = {"bytes": None, "path": "gone.png"}
    pq.write_table(pa.table({"jpg": images, "number": range(5)}), tmp_path / "t.parquet")
    pictures = read(tmp_path / "t.parquet")
    assert [p.frame.source for p in pictures] == [
        "in/a/z.png", "gone.png", "in/c.png", "in/d.png", "in/e.png",
    ]  # fmt: skip
    assert "the row has no image" in str(pictures[1].frame.error)
    by_number = read(tmp_path / "t.parquet", image_column="jpg", id_column="number")
    assert [p.frame.source for p in by_number] == list("01234")
    pq.write_table(
        pa.table({"image": [(folder / n).read_bytes() for n in NAMES]}),
        tmp_path / "bare.parquet",
        row_group_size=2,
    )
    assert seen(read(tmp_path / "bare.parquet")) == [
        (f"bare.parquet#{i}", 0, 10 * i + 10) for i in range(5)
    ]


def test_shards_of_a_table_keep_to_its_row_groups(folder: Path, tmp_path: Path) -> None:
    shards = plan_shards(image_table(tmp_path / "t.parquet", folder), 2)
    assert [(s.group, s.start, s.stop) for s in shards if isinstance(s, TableShard)] == [
        (0, 0, 2), (0, 2, 3), (1, 0, 2),
    ]  # fmt: skip


def test_a_name_that_is_no_text(tmp_path: Path, folder: Path, read: Read) -> None:
    odd = os.fsdecode(b"odd-\xff.png")
    (folder / "c.png").rename(tmp_path / odd)
    assert seen(read(tmp_path / "*.png")) == [("odd-\\xff.png", 0, 30)]


def test_names_are_held_in_little_memory(tmp_path: Path) -> None:
    count = 20_000
    (tmp_path / "list.txt").write_text("".join(f"{i // 1000}/{i:08d}.jpg\n" for i in range(count)))
    plan_shards(tmp_path / "list.txt", 256)
    tracemalloc.start()
    shards = plan_shards(tmp_path / "list.txt", 256)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(len(shard) for shard in shards) == count
    assert held < 40 * count  # bytes; the names have 16 letters


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match=r"n is above 0, got 0"):
        InputOptions(every=0)
