"""Outputs of networks, nested in lists and tuples, as flat lists of tensors and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from raypose.errors import RayposeError


def flatten(value: Any) -> list[Tensor]:
    """Return the tensors of nested tuples, lists and mappings in order; None is left out.

    Raises:
        RayposeError: for anything else in there.
    """
    if value is None:
        return []
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in flatten(item)]
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in flatten(item)]
    raise RayposeError(
        f"outputs of a network are tensors in lists and tuples, this one has a "
        f"{type(value).__name__}"
    )


def rebuild(like: Any, leaves: Iterator[Tensor]) -> Any:
    """Return tensors nested as those of `like` are; the inverse of `flatten`."""
    if like is None:
        return None
    if isinstance(like, Tensor):
        return next(leaves)
    if isinstance(like, dict):
        return {key: rebuild(item, leaves) for key, item in like.items()}
    items = [rebuild(item, leaves) for item in like]
    # A named tuple takes its items one by one.
    return type(like)(*items) if hasattr(like, "_fields") else type(like)(items)
