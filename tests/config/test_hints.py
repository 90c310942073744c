"""Values against annotations: what is certainly wrong, and what is left to the constructor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pytest
from typing_extensions import TypedDict, Unpack

from raypose.config.hints import mismatch


def build(
    count: int = 0,
    rate: float = 0.0,
    flag: bool = False,
    name: str = "",
    maybe: int | None = None,
    size: tuple[int, int] = (0, 0),
    many: Sequence[float] = (),
    any_length: tuple[int, ...] = (),
    options: Mapping[str, Any] | None = None,
    mode: Literal["a", "b"] = "a",
    scale: float | Sequence[float] = 1.0,
    free: Any = None,
    function: Callable[[], int] | None = None,
) -> None:
    """Take one of everything."""


class Unresolved:
    """Has an annotation that only a type checker can resolve."""

    def __init__(self, x: NotThere) -> None:  # type: ignore[name-defined]  # noqa: F821
        """Take anything."""


class Options(TypedDict, total=False):
    """Arguments by name."""

    size: int


def build_with_options(**options: Unpack[Options]) -> None:
    """Take options of another function."""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 3),
        ("rate", 3),
        ("rate", 2.5),
        ("flag", True),
        ("name", "x"),
        ("maybe", None),
        ("size", [1, 2]),
        ("many", [1, 2.5]),
        ("any_length", [1, 2, 3]),
        ("any_length", []),
        ("options", {"a": object()}),
        ("mode", "b"),
        ("scale", [1.0, 2]),
        ("free", {"a": 1}),
        ("function", "anything"),
        ("unknown", 1),
    ],
)
def test_what_fits(name: str, value: Any) -> None:
    assert mismatch(build, name, value) is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", True, "got True, expected a whole number"),
        ("count", 1.0, "got 1.0, expected a whole number"),
        ("rate", "1", "got '1', expected a number"),
        ("flag", 1, "got 1, expected true or false"),
        ("name", 3, "got 3, expected a text"),
        ("maybe", "x", "got 'x', expected a whole number or null"),
        ("size", [1], r"got [1], expected a list of 2: a whole number, a whole number"),
        ("size", 3, "got 3, expected a list of 2: a whole number, a whole number"),
        ("many", "abc", "got 'abc', expected a list of items, each a number"),
        ("many", ["x"], "got ['x'], expected a list of items, each a number"),
        ("any_length", [1.5], "got [1.5], expected a list of items, each a whole number"),
        ("options", [1], "got [1], expected a mapping or null"),
        ("mode", "c", "got 'c', expected 'a' or 'b'"),
        ("scale", "big", "got 'big', expected a number or a list of items, each a number"),
    ],
)
def test_what_does_not_fit(name: str, value: Any, message: str) -> None:
    assert mismatch(build, name, value) == message


def test_a_long_value_is_cut() -> None:
    message = mismatch(build, "count", list(range(100)))
    assert message is not None
    assert len(message) < 100


def test_annotations_that_cannot_be_resolved_are_no_mistake() -> None:
    assert mismatch(Unresolved, "x", 3) is None


def test_unpacked_options_have_types() -> None:
    assert mismatch(build_with_options, "size", 3) is None
    assert mismatch(build_with_options, "size", "big") == "got 'big', expected a whole number"
