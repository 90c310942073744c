"""`key.path=value` of the command line: one more layer over the file."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from raypose.config.loading import parse
from raypose.config.merging import merge
from raypose.config.nodes import KeyPath, Mark, Node, Problem, dotted
from raypose.config.references import is_reference
from raypose.errors import ConfigError, did_you_mean

COMMAND_LINE = Mark("command line")


def apply_overrides(
    root: Node, overrides: Sequence[str], sections: Collection[str], problems: list[Problem]
) -> Node:
    """Return the config with overrides merged in, in order.

    Args:
        root: the merged config, references not yet resolved.
        overrides: such as `train.epochs=3`, `data.train.pipeline.0.type=LoadImage`; the value is
            YAML and merges as a file's would.
        sections: top-level keys that may be named though the file does not have them.
        problems: gets overrides that are not understood or go nowhere.
    """
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            message = f"'{text}' is no override, expected key.path=value"
            problems.append(Problem(COMMAND_LINE, (), message))
            continue
        try:
            node = parse(value, COMMAND_LINE, problems)
        except ConfigError as error:
            problems.extend(Problem(COMMAND_LINE, (key,), line) for line in error.problems)
            continue
        path = tuple(key.strip().split("."))
        wrong = _obstacle(root, path, sections)
        if wrong is None:
            root = _set(root, path, node)
        else:
            problems.append(Problem(COMMAND_LINE, path, wrong))
    return root


def _obstacle(root: Node, path: KeyPath, sections: Collection[str]) -> str | None:
    """Say why nothing can be set at `path`, if so."""
    node = root
    for depth, key in enumerate(path):
        at = dotted(path[:depth]) or "the config"
        if is_reference(node.value):
            return f"{at} is a copy of {node.value}; override that"
        if not isinstance(node.value, (dict, list)):
            return f"{at} is {node.value!r} and has no keys; give a whole mapping for {at}"
        child = node.child(key)
        if child is None:
            if isinstance(node.value, list):
                return f"{at} has {len(node.value)} items, there is no item '{key}'"
            if depth == len(path) - 1 or (depth == 0 and key in sections):
                return None
            known = [*node.keys(), *sections] if depth == 0 else node.keys()
            hint = did_you_mean(str(key), known)
            return f"{at} has no '{key}'.{hint}" + (
                "" if hint else f" It has {', '.join(node.keys())}."
            )
        node = child
    return None


def _set(node: Node | None, path: KeyPath, value: Node) -> Node:
    if not path:
        return value if node is None else merge(node, value)
    key, rest = path[0], path[1:]
    if node is None:
        return Node({key: _set(None, rest, value)}, COMMAND_LINE)
    if isinstance(node.value, list):
        items = list(node.value)
        items[int(key)] = _set(items[int(key)], rest, value)
        return Node(items, node.mark)
    entries = dict(node.value)
    known = next((k for k in entries if str(k) == key), key)
    entries[known] = _set(entries.get(known), rest, value)
    return Node(entries, node.mark)
