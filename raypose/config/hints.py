"""Values of a config held against the annotations of the constructor they are for.

Only what can be said for sure is said: numbers, texts, truth values, and lists and mappings of
them. Anything else is the constructor's to judge.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from raypose.registry import unpacked_options

Shape = tuple[Callable[[Any], bool], str]


def mismatch(entry: Callable[..., Any], name: str, value: Any) -> str | None:
    """Say what is wrong with the value of an argument, None if nothing is.

    Args:
        entry: the class or function.
        name: the argument.
        value: plain data, as it is in the config.
    """
    hint = _hints(entry).get(name, Any)
    if _fits(value, hint):
        return None
    text = repr(value)
    given = text if len(text) <= 60 else f"{text[:57]}..."
    return f"got {given}, expected {_words(hint)}"


@cache
def _hints(entry: Callable[..., Any]) -> dict[str, Any]:
    target = entry.__init__ if isinstance(entry, type) else entry
    try:
        return {**typing.get_type_hints(target), **unpacked_options(entry)}
    except Exception:
        # A name that only a type checker can resolve: nothing is known then.
        return {}


def _fits(value: Any, hint: Any) -> bool:
    if hint in _SCALARS:
        return _SCALARS[hint][0](value)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, member) for member in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is typing.Annotated:
        return _fits(value, arguments[0])
    kind = origin or hint
    if kind is tuple:
        return _fits_tuple(value, arguments)
    if kind in (list, Sequence):
        item = arguments[0] if arguments else Any
        return isinstance(value, (list, tuple)) and all(_fits(v, item) for v in value)
    if kind in (dict, Mapping):
        item = arguments[1] if len(arguments) == 2 else Any
        return isinstance(value, dict) and all(_fits(v, item) for v in value.values())
    return True


def _fits_tuple(value: Any, arguments: tuple[Any, ...]) -> bool:
    if not isinstance(value, (list, tuple)):
        return False
    if not arguments:
        return True
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return all(_fits(v, arguments[0]) for v in value)
    return len(value) == len(arguments) and all(map(_fits, value, arguments))


def _words(hint: Any) -> str:
    """Return what a hint asks for, in words."""
    if hint in _SCALARS:
        return _SCALARS[hint][1]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(member) for member in arguments))
    if origin is typing.Literal:
        return " or ".join(repr(item) for item in arguments)
    if origin is typing.Annotated:
        return _words(arguments[0])
    kind = origin or hint
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        return f"a list of {len(arguments)}: {', '.join(map(_words, arguments))}"
    if kind in (list, tuple, Sequence):
        return f"a list of items, each {_words(arguments[0])}" if arguments else "a list"
    if kind in (dict, Mapping):
        return "a mapping"
    return getattr(hint, "__name__", str(hint))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_SCALARS: dict[Any, Shape] = {
    Any: (lambda value: True, "anything"),
    None: (lambda value: value is None, "null"),
    type(None): (lambda value: value is None, "null"),
    bool: (lambda value: isinstance(value, bool), "true or false"),
    int: (lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"),
    float: (_is_number, "a number"),
    str: (lambda value: isinstance(value, str), "a text"),
}
