"""`${key.path}`: a value that is a copy of another one.

A reference stands for a whole value. There are no expressions: what a class can derive from its
arguments it derives itself.
"""

from __future__ import annotations

import re
from typing import Any

from raypose.config.nodes import KeyPath, Node, Problem, dotted
from raypose.errors import did_you_mean

_REFERENCE = re.compile(r"^\$\{\s*([^{}]*?)\s*\}$")


def is_reference(value: Any) -> bool:
    """Return whether a scalar is a reference."""
    return isinstance(value, str) and _REFERENCE.match(value) is not None


def resolve_references(root: Node, problems: list[Problem]) -> Node:
    """Return the config with every reference replaced by a copy of what it names.

    Args:
        root: the merged config.
        problems: gets references to nothing, circles, and references inside longer text.
    """
    return _Resolver(root, problems).visit(root, ())


class _Resolver:
    def __init__(self, root: Node, problems: list[Problem]) -> None:
        self.root = root
        self.problems = problems
        self.open: list[KeyPath] = []

    def visit(self, node: Node, path: KeyPath) -> Node:
        value = node.value
        if isinstance(value, dict):
            entries = {key: self.visit(item, (*path, key)) for key, item in value.items()}
            return Node(entries, node.mark)
        if isinstance(value, list):
            items = [self.visit(item, (*path, i)) for i, item in enumerate(value)]
            return Node(items, node.mark)
        if is_reference(value):
            return self._follow(node, path)
        if isinstance(value, str) and "${" in value:
            return self._broken(
                node, path, f"{value!r}: a reference is the whole value, such as ${{data_root}}"
            )
        return node

    def _follow(self, node: Node, path: KeyPath) -> Node:
        if path in self.open:
            circle = " -> ".join(dotted(p) for p in (*self.open[self.open.index(path) :], path))
            return self._broken(node, path, f"references go in a circle: {circle}")
        self.open.append(path)
        target = self._find(node, path)
        self.open.pop()
        if target is None:
            return Node(None, node.mark, broken=True)
        return Node(target.value, node.mark, copied=True, broken=target.broken)

    def _find(self, node: Node, path: KeyPath) -> Node | None:
        """Return the resolved node that the reference `node` names; report if there is none."""
        match = _REFERENCE.match(node.value)
        assert match is not None
        keys = match.group(1).split(".")
        current, at, resolved = self.root, (), False
        for depth, key in enumerate(keys):
            if not resolved and is_reference(current.value):
                current, resolved = self.visit(current, at), True
                if current.broken:
                    return current
            child = current.child(key)
            if child is None:
                known = [".".join((*keys[:depth], name)) for name in current.keys()]
                hint = did_you_mean(match.group(1), known) or did_you_mean(
                    ".".join(keys[: depth + 1]), known
                )
                where = f"'{'.'.join(keys[:depth])}' has no '{key}'" if depth else f"no key '{key}'"
                self._broken(node, path, f"{node.value} refers to nothing: {where}.{hint}")
                return None
            current, at = child, (*at, _key(current, key))
        return current if resolved else self.visit(current, at)

    def _broken(self, node: Node, path: KeyPath, message: str) -> Node:
        self.problems.append(Problem(node.mark, path, message))
        return Node(None, node.mark, broken=True)


def _key(parent: Node, key: str) -> Any:
    """Return the key as the parent has it: an index of a list, else as written."""
    if isinstance(parent.value, list):
        return int(key) % len(parent.value)
    return next(k for k in parent.value if str(k) == key)
