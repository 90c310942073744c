"""Marks, paths and the order of a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from raypose.config.nodes import Mark, Node, Problem, dotted, from_plain, report

MARK = Mark("a.yaml", 3)


def test_a_tree_gives_back_the_data_it_was_made_of() -> None:
    data = {"a": [1, {"b": None}], 2: "x"}
    assert from_plain(data, MARK).plain() == data


def test_children_are_found_by_key_and_by_index_also_as_text() -> None:
    node = from_plain({"list": [10, 20], 5: "five"}, MARK)
    items = node.child("list")
    assert items is not None
    assert [items.child(key).value for key in (0, "1", -1)] == [10, 20, 20]  # type: ignore[union-attr]
    assert items.child(2) is None
    assert items.child("x") is None
    assert node.child("5").value == "five"  # type: ignore[union-attr]


def test_nearest_stops_at_the_last_key_that_exists() -> None:
    inner = Node({}, Mark("b.yaml", 9))
    root = Node({"a": Node({"b": inner}, MARK)}, Mark("a.yaml", 1))
    assert root.nearest(("a", "b", "c", "d")).mark == Mark("b.yaml", 9)


def test_a_report_is_ordered_by_file_and_line_and_says_nothing_twice() -> None:
    found = [
        Problem(Mark("b.yaml", 1), ("x",), "late"),
        Problem(Mark("a.yaml", 10), ("y",), "second"),
        Problem(Mark("a.yaml", 2), ("z", 0), "first"),
        Problem(Mark("a.yaml", 2), ("z", 0), "first"),
        Problem(Mark("command line"), (), "last"),
    ]
    assert report(found) == [
        "a.yaml:2: z.0: first",
        "a.yaml:10: y: second",
        "b.yaml:1: x: late",
        "command line: last",
    ]


def test_files_below_the_current_folder_are_named_shortly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(Mark(str(tmp_path / "sub" / "a.yaml"), 4)) == "sub/a.yaml:4"
    assert str(Mark("/elsewhere/a.yaml", 4)) == "/elsewhere/a.yaml:4"


def test_dotted_names_a_list_item_by_its_index() -> None:
    assert dotted(("data", "train", "pipeline", 0, "type")) == "data.train.pipeline.0.type"
