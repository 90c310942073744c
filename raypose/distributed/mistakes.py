"""Mistakes of the user that show up in another process, brought back as what they are.

Ray wraps what a task, an actor or a training worker raises, and starts failed work again. What the
user can mend does not go away by that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from raypose.errors import RayposeError

_LINKS = ("cause", "__cause__", "__context__", "controller_failure", "_base_exc")


def find_mistake(error: BaseException) -> RayposeError | None:
    """Return the mistake of the user behind an error of Ray, None if it is something else."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        # Ray's own errors may pass for what they wrap, with its trace in their message.
        if isinstance(current, RayposeError) and not hasattr(current, "cause"):
            return current
        waiting += [getattr(current, link, None) for link in _LINKS]
        waiting += getattr(current, "worker_failures", {}).values()
    return None


@contextlib.contextmanager
def mistakes_as_they_are() -> Iterator[None]:
    """Raise the mistake of the user in place of the error of Ray that wraps it."""
    try:
        yield
    except Exception as error:
        mistake = find_mistake(error)
        if mistake is None or mistake is error:
            raise
        raise mistake from None
