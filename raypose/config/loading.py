"""One YAML file (or one value of the command line) to nodes.

Reads YAML 1.1 as PyYAML does, except that `1e-3` is a number, as everybody expects.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

import yaml

from raypose.config.nodes import Mark, Node, Problem
from raypose.errors import ConfigError


def read_file(path: Path, problems: list[Problem]) -> Node:
    """Return the mapping that a YAML file holds.

    Args:
        path: the file.
        problems: gets the mistakes that leave the rest readable, such as a key given twice.

    Raises:
        ConfigError: if the file cannot be read or is no YAML mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{Mark(str(path))}: cannot be read: {error}") from error
    node = parse(text, Mark(str(path), 1), problems)
    if node.value is None:
        return Node({}, node.mark)
    if not isinstance(node.value, dict):
        raise ConfigError(f"{node.mark}: a config is a mapping of keys, got {node.plain()!r:.60}")
    return node


def parse(text: str, mark: Mark, problems: list[Problem]) -> Node:
    """Return the nodes of a YAML text.

    Args:
        text: one YAML document.
        mark: place of the text; without a line, all nodes get just this mark.
        problems: gets the mistakes that leave the rest readable.

    Raises:
        ConfigError: if the text is no YAML.
    """
    loader = _Loader(text)
    try:
        composed = loader.get_single_node()
        if composed is None:
            return Node(None, mark)
        return _Converter(loader, mark, problems).convert(composed)
    except yaml.MarkedYAMLError as error:
        spot = error.problem_mark or error.context_mark
        line = spot.line + 1 if spot is not None and mark.line is not None else mark.line
        what = " ".join(part for part in (error.context, error.problem) if part)
        lines = text.splitlines()
        if spot is not None and spot.line < len(lines) and "${" in lines[spot.line]:
            what += '; inside { } and [ ] a reference needs quotes: "${codec}"'
        raise ConfigError(f"{Mark(mark.file, line)}: not valid YAML: {what}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{mark}: not valid YAML: {error}") from error
    finally:
        loader.dispose()


def dump(data: Any) -> str:
    """Return plain data as YAML that `parse` reads back to the same data."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the floats of YAML 1.2."""


class _Dumper(yaml.SafeDumper):
    """Writes lists of scalars on one line, never aliases, and quotes what `_Loader` would read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_list(self, data: Any) -> yaml.SequenceNode:
        flat = not any(isinstance(item, (dict, list, tuple)) and item for item in data)
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flat)


_FLOAT = re.compile(r"^[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$")
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
for _type in (list, tuple):
    _Dumper.add_representer(_type, _Dumper.represent_list)


class _Converter:
    """Composed YAML to nodes, aliases included."""

    def __init__(self, loader: _Loader, mark: Mark, problems: list[Problem]) -> None:
        self.loader = loader
        self.mark = mark
        self.problems = problems
        self.open: list[yaml.Node] = []

    def convert(self, node: yaml.Node, key: yaml.Node | None = None) -> Node:
        mark = self._mark(key or node)
        if isinstance(node, yaml.ScalarNode):
            return Node(self._scalar(node), mark)
        if any(node is parent for parent in self.open):
            raise ConfigError(f"{mark}: an alias (*) stands inside what it refers to")
        self.open.append(node)
        if isinstance(node, yaml.SequenceNode):
            value: Any = [self.convert(item) for item in node.value]
        else:
            assert isinstance(node, yaml.MappingNode)
            value = self._mapping(node)
        self.open.pop()
        return Node(value, mark)

    def _mapping(self, node: yaml.MappingNode) -> dict[Any, Node]:
        entries: dict[Any, Node] = {}
        for key_node, value_node in node.value:
            mark = self._mark(key_node)
            if key_node.tag == "tag:yaml.org,2002:merge":
                self._problem(mark, "'<<' is not supported; use _base_ or a ${reference}")
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(mark, "a key is a word, not a list or a mapping")
                continue
            key = self._scalar(key_node)
            if key in entries:
                self._problem(mark, f"the key '{key}' is there twice, first {entries[key].mark}")
            entries[key] = self.convert(value_node, key_node)
        return entries

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        value = self.loader.construct_object(node)
        # Dates and the like are no config values: a name that looks like one stays text.
        if isinstance(value, (datetime.date, bytes)):
            return node.value
        return value

    def _problem(self, mark: Mark, message: str) -> None:
        self.problems.append(Problem(mark, (), message))

    def _mark(self, node: yaml.Node) -> Mark:
        if self.mark.line is None:
            return self.mark
        return Mark(self.mark.file, node.start_mark.line + self.mark.line)
