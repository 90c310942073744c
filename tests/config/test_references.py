"""`${key.path}`: copies, circles and dead ends."""

from __future__ import annotations

from typing import Any

import pytest

from raypose.config.loading import parse
from raypose.config.nodes import Mark, Node, Problem
from raypose.config.references import resolve_references


def resolve(text: str) -> tuple[Node, list[str]]:
    problems: list[Problem] = []
    root = resolve_references(parse(text, Mark("a.yaml", 1), []), problems)
    return root, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("a: {b: 1}\nc: ${a}", "c", {"b": 1}),
        ("a: {b: [1, 2]}\nc: ${a.b}", "c", [1, 2]),
        ("a: [x, {b: 3}]\nc: ${a.1.b}", "c", 3),
        ("a: [x, y]\nc: ${a.-1}", "c", "y"),
        ("a: ${b}\nb: ${c}\nc: 4", "a", 4),
        ("a: {d: '${c}'}\nb: ${a.d.e}\nc: {e: 5}", "b", 5),
        ("a: ${ b }\nb: 6", "a", 6),
        ("a: {b: '${c}'}\nc: 7\nd: ${a}", "d", {"b": 7}),
        ("5: x\na: ${5}", "a", "x"),
    ],
)
def test_a_reference_is_a_copy(text: str, key: str, value: Any) -> None:
    root, problems = resolve(text)
    assert problems == []
    assert root.plain()[key] == value


def test_a_copy_belongs_to_the_line_it_was_copied_to() -> None:
    root, _ = resolve("codec:\n  sigma: 2\nhead:\n  decoder: ${codec}\n")
    decoder = root.nearest(("head", "decoder"))
    assert decoder.mark.line == 4
    assert decoder.copied
    assert decoder.nearest(("sigma",)).mark.line == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "codec: 1\na: ${codc}",
            "a.yaml:2: a: ${codc} refers to nothing: no key 'codc'. Did you mean 'codec'?",
        ),
        (
            "codec: {sigma: 1}\na: ${codec.sigmas}",
            "a.yaml:2: a: ${codec.sigmas} refers to nothing: 'codec' has no 'sigmas'. "
            "Did you mean 'codec.sigma'?",
        ),
        ("a: ${zzz}\nb: 1", "a.yaml:1: a: ${zzz} refers to nothing: no key 'zzz'."),
        (
            "r: x\na: ${r}/train.json",
            "a.yaml:2: a: '${r}/train.json': a reference is the whole value, such as ${data_root}",
        ),
        ("a: ${a}", "a.yaml:1: a: references go in a circle: a -> a"),
        ("a:\n  b: ${a}", "a.yaml:2: a.b: references go in a circle: a.b -> a.b"),
        ("a: ${b}\nb: ${a}", "a.yaml:1: a: references go in a circle: a -> b -> a"),
    ],
)
def test_references_that_lead_nowhere(text: str, message: str) -> None:
    root, problems = resolve(text)
    assert message in problems
    assert any(node.broken for _, node in root.walk())
