"""`key.path=value`."""

from __future__ import annotations

from typing import Any

import pytest

from raypose.config.loading import parse
from raypose.config.nodes import Mark, Node, Problem
from raypose.config.overrides import apply_overrides

BASE = """\
model: {type: A, head: {type: H, sizes: [1, 2]}, decoder: "${codec}"}
pipeline: [{type: X, p: 1}, {type: Y}]
7: seven
"""


def override(*texts: str) -> tuple[Node, list[str]]:
    problems: list[Problem] = []
    root = parse(BASE, Mark("a.yaml", 1), [])
    root = apply_overrides(root, texts, ("train", "codec"), problems)
    return root, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("train.epochs=3", ("train", "epochs"), 3),
        ("train.lr=1e-3", ("train", "lr"), 0.001),
        ("train.amp=", ("train", "amp"), None),
        ("train.clip_grad={max_norm: 1}", ("train", "clip_grad"), {"max_norm": 1}),
        ("model.head.sizes.1=5", ("model", "head", "sizes"), [1, 5]),
        ("model.head.sizes=[4]", ("model", "head", "sizes"), [4]),
        ("pipeline.0.p=0.5", ("pipeline", 0), {"type": "X", "p": 0.5}),
        ("pipeline.-1.q=1", ("pipeline", 1), {"type": "Y", "q": 1}),
        ("model.head={new: 1}", ("model", "head"), {"type": "H", "sizes": [1, 2], "new": 1}),
        ("model.head={type: G}", ("model", "head"), {"type": "G"}),
        ("data_root=../x=y", ("data_root",), "../x=y"),
        ("7=eight", (7,), "eight"),
    ],
)
def test_overrides_set_and_merge(text: str, path: tuple[Any, ...], value: Any) -> None:
    root, problems = override(text)
    assert problems == []
    assert root.nearest(path).plain() == value


def test_later_overrides_win_and_say_where_they_are_from() -> None:
    root, _ = override("train.epochs=1", "train.epochs=2")
    node = root.nearest(("train", "epochs"))
    assert node.value == 2
    assert str(node.mark) == "command line"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.epochs", "command line: 'train.epochs' is no override, expected key.path=value"),
        ("=3", "command line: '=3' is no override, expected key.path=value"),
        (
            "model.hed.x=1",
            "command line: model.hed.x: model has no 'hed'. Did you mean 'head'?",
        ),
        (
            "model.zzz.x=1",
            "command line: model.zzz.x: model has no 'zzz'. It has type, head, decoder.",
        ),
        (
            "trian.epochs=1",
            "command line: trian.epochs: the config has no 'trian'. Did you mean 'train'?",
        ),
        (
            "pipeline.5.p=1",
            "command line: pipeline.5.p: pipeline has 2 items, there is no item '5'",
        ),
        (
            "model.decoder.sigma=1",
            "command line: model.decoder.sigma: model.decoder is a copy of ${codec}; override that",
        ),
        (
            "model.type.x=1",
            "command line: model.type.x: model.type is 'A' and has no keys; "
            "give a whole mapping for model.type",
        ),
    ],
)
def test_overrides_that_go_nowhere(text: str, message: str) -> None:
    _, problems = override(text)
    assert problems == [message]


def test_a_value_that_is_no_yaml() -> None:
    _, problems = override("train.epochs=[1,")
    assert len(problems) == 1
    assert problems[0].startswith("command line: train.epochs: command line: not valid YAML")
