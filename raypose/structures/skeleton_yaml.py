"""YAML of a skeleton, with the line of each key, and what its mistakes are reported as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from raypose.errors import ConfigError

KeyPath = tuple[Any, ...]
"""Keys and list indices from the root of a definition."""
Mistake = tuple[KeyPath, str]
Lines = Mapping[KeyPath, int]


class SkeletonError(ConfigError):
    """A skeleton that contradicts itself; every mistake of it.

    Args:
        where: a file or a name.
        mistakes: what is wrong, with the keys that lead to it.
        lines: of the keys in the file, from 1.
    """

    def __init__(self, where: str, mistakes: Sequence[Mistake], lines: Lines | None = None) -> None:
        self.where = where
        self.mistakes = list(mistakes)
        self.lines = dict(lines or {})
        ordered = sorted(self.mistakes, key=lambda mistake: self._line(mistake[0]) or 0)
        super().__init__([self._problem(path, message) for path, message in ordered])

    def __reduce__(self) -> Any:
        return type(self), (self.where, self.mistakes, self.lines)

    def _line(self, path: KeyPath) -> int | None:
        """Return the line of a key, or of the nearest one above it that is in the file."""
        above = (path[:length] for length in range(len(path), -1, -1))
        return next((self.lines[part] for part in above if part in self.lines), None)

    def _problem(self, path: KeyPath, message: str) -> str:
        line, keys = self._line(path), ".".join(str(key) for key in path)
        place = self.where if line is None else f"{self.where}:{line}"
        return f"{place}: {keys}: {message}" if keys else f"{place}: {message}"


def read_definition(text: str, file: str) -> tuple[Any, Lines]:
    """Return what the YAML of a skeleton says, and the line of each of its keys.

    Args:
        text: one YAML document.
        file: what to call it in messages.

    Raises:
        ConfigError: if it is no YAML.
        SkeletonError: if a key is there twice, of which YAML would drop the first.
    """
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, {}
        marks = list(_marks(root, ()))
        lines = {path: line for path, line in reversed(marks)}
        twice: list[Mistake] = [
            (path, f"the key is there twice, again in line {line}")
            for path, line in marks
            if lines[path] != line
        ]
        if twice:
            raise SkeletonError(file, twice, lines)
        return loader.construct_document(root), lines
    except yaml.MarkedYAMLError as error:
        spot = error.problem_mark or error.context_mark
        place = file if spot is None else f"{file}:{spot.line + 1}"
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{place}: not valid YAML: {what}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: not valid YAML: {error}") from error
    finally:
        loader.dispose()


def _marks(node: yaml.Node, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    """Yield the path of every key and item below a node, and its line."""
    if not path:
        yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, key.value)
            yield below, key.start_mark.line + 1
            yield from _marks(value, below)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            below = (*path, index)
            yield below, item.start_mark.line + 1
            yield from _marks(item, below)
