"""Scalars, marks and mistakes of one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raypose.config.loading import dump, parse, read_file
from raypose.config.nodes import Mark, Problem
from raypose.errors import ConfigError


def read(text: str) -> Any:
    return parse(text, Mark("a.yaml", 1), []).plain()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("5E4", 50000.0),
        ("-2.5e-1", -0.25),
        (".5e1", 5.0),
        ("1.0e-5", 1e-5),
        ("3", 3),
        ("'1e-3'", "1e-3"),
        ("e3", "e3"),
        ("true", True),
        ("~", None),
        ("2024-01-01", "2024-01-01"),
    ],
)
def test_scalars(text: str, value: object) -> None:
    found = read(f"key: {text}")["key"]
    assert found == value
    assert type(found) is type(value)


def test_every_key_and_item_knows_its_line() -> None:
    text = "a: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n"
    root = parse(text, Mark("a.yaml", 1), [])
    lines = {path: node.mark.line for path, node in root.walk()}
    assert lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 1): 4,
        ("b", 1, "c"): 4,
        ("b", 1, "d"): 5,
    }


def test_an_alias_is_a_copy() -> None:
    assert read("a: &x {b: 1}\nc: *x") == {"a": {"b": 1}, "c": {"b": 1}}


def test_an_alias_of_its_own_parent_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"a.yaml:2: an alias .* stands inside what it refers"):
        read("a: &x\n  b: *x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "a.yaml:3: the key 'a' is there twice, first a.yaml:1"),
        ("a: {<<: {b: 1}}", "a.yaml:1: '<<' is not supported; use _base_ or a ${reference}"),
        ("? [a, b]\n: 1", "a.yaml:1: a key is a word, not a list or a mapping"),
    ],
)
def test_mistakes_that_leave_the_rest_readable(text: str, message: str) -> None:
    problems: list[Problem] = []
    parse(text, Mark("a.yaml", 1), problems)
    assert [str(problem) for problem in problems] == [message]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2", r"a.yaml:1: not valid YAML: .*expected ',' or '\]'"),
        ("a: 1\n\tb: 2", r"a.yaml:2: not valid YAML: .*'\\t'"),
        ("a: !!python/name:os.system x", r"a.yaml:1: not valid YAML: could not determine"),
        ("a: 1\nb: {c: ${codec}}", r'a.yaml:2: .* a reference needs quotes: "\$\{codec\}"'),
        ("a: 1\n---\nb: 2", r"a.yaml:2: not valid YAML: .*another document"),
    ],
)
def test_text_that_is_no_yaml(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(text)


def test_a_file_that_is_no_mapping(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n- 2\n")
    with pytest.raises(
        ConfigError, match=r"list.yaml:1: a config is a mapping of keys, got \[1, 2"
    ):
        read_file(path, [])


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml: cannot be read: .*No such file"):
        read_file(tmp_path / "none.yaml", [])


def test_an_empty_file_has_no_keys(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    assert read_file(path, []).plain() == {}


@pytest.mark.parametrize(
    "data",
    [
        {"a": "1e-3", "b": 1e-3, "c": "3", "d": 3, "e": "null", "f": None, "g": "yes"},
        {"a": 1e-20, "b": 1.5e300, "c": [1, [2.0, "x"]], "d": {"e": []}},
        {"a": "${codec}", "b": "x: y", "c": "", "d": " space ", "e": "100%", "f": "\u00e4"},
        {1: "number as key", "list": [{"a": 1}, {"b": [1, 2]}]},
    ],
)
def test_what_is_written_is_read_back_the_same(data: dict[str, object]) -> None:
    assert read(dump(data)) == data


def test_the_same_list_twice_is_written_out_twice() -> None:
    shared = [1, 2]
    assert "*" not in dump({"a": shared, "b": shared})
