"""`Node`: a piece of YAML that knows the file and line it came from.

Loading, merging, overriding and resolving references all work on trees of nodes, so that whatever
is wrong later can be reported at the line that a person has to change.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KeyPath = tuple[Any, ...]
"""Keys and list indices from the root of a config to one of its nodes."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a key was written: a file and a line (from 1), or no line for the command line."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        file = _shortened(self.file)
        return file if self.line is None else f"{file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Node:
    """A mapping of nodes, a list of nodes or a scalar, with its place.

    Attributes:
        value: `dict[key, Node]`, `list[Node]`, or a plain scalar.
        mark: the line of the key (of the item, in a list).
        copied: true for what a `${reference}` brought here; its content is checked where it was
            written.
        broken: true for a reference that could not be resolved; it has been reported.
    """

    value: Any
    mark: Mark
    copied: bool = False
    broken: bool = False

    def plain(self) -> Any:
        """Return the content without marks."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def child(self, key: Any) -> Node | None:
        """Return the node at a key or list index (indices also as text), or None."""
        if isinstance(self.value, dict):
            if key in self.value:
                return self.value[key]
            return next((node for k, node in self.value.items() if str(k) == str(key)), None)
        if isinstance(self.value, list) and str(key).lstrip("-").isdigit():
            index = int(key)
            if -len(self.value) <= index < len(self.value):
                return self.value[index]
        return None

    def keys(self) -> list[str]:
        """Return the keys of a mapping or the indices of a list, as text."""
        if isinstance(self.value, dict):
            return [str(key) for key in self.value]
        if isinstance(self.value, list):
            return [str(index) for index in range(len(self.value))]
        return []

    def at(self, path: Iterable[Any]) -> Node | None:
        """Return the node at `path`, or None."""
        node: Node | None = self
        for key in path:
            node = None if node is None else node.child(key)
        return node

    def replaced(self, path: KeyPath, node: Node) -> Node:
        """Return a copy of this mapping with another node at `path`, below mappings that exist."""
        if not path:
            return node
        child = self.value[path[0]].replaced(path[1:], node)
        return Node({**self.value, path[0]: child}, self.mark)

    def nearest(self, path: Iterable[Any]) -> Node:
        """Return the node at `path`, or its closest ancestor that exists."""
        node = self
        for key in path:
            child = node.child(key)
            if child is None:
                return node
            node = child
        return node

    def walk(self, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Node]]:
        """Yield every node below (and this one) with its path, in order."""
        yield path, self
        if isinstance(self.value, dict):
            for key, node in self.value.items():
                yield from node.walk((*path, key))
        elif isinstance(self.value, list):
            for index, node in enumerate(self.value):
                yield from node.walk((*path, index))


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it was written, the key it is about, and what to do about it."""

    mark: Mark
    path: KeyPath
    message: str

    def __str__(self) -> str:
        key = dotted(self.path)
        return f"{self.mark}: {key}: {self.message}" if key else f"{self.mark}: {self.message}"


def from_plain(value: Any, mark: Mark) -> Node:
    """Return nodes for plain data that have all the same mark."""
    if isinstance(value, dict):
        return Node({key: from_plain(item, mark) for key, item in value.items()}, mark)
    if isinstance(value, (list, tuple)):
        return Node([from_plain(item, mark) for item in value], mark)
    return Node(value, mark)


def dotted(path: KeyPath) -> str:
    """Return a path as people write it: `data.train.pipeline.0.type`."""
    return ".".join(str(key) for key in path)


def report(problems: Iterable[Problem]) -> list[str]:
    """Return the lines of a report, by file and line, none twice."""
    ordered = sorted(problems, key=lambda p: (p.mark.file, p.mark.line or 0))
    return list(dict.fromkeys(str(problem) for problem in ordered))


def _shortened(file: str) -> str:
    """Return a path below the current folder as a relative one."""
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return os.path.relpath(path)
    return file
