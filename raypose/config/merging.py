"""`_base_`: a config file and those it inherits from, merged.

Mappings merge deeply. Lists and scalars replace. A mapping whose `type` is another one replaces
the one of its base. Bases of one file are on a par: where two set the same key, the file itself
must decide. A base is a file beside the one that names it, or the name of a config that comes with
raypose.
"""

from __future__ import annotations

from pathlib import Path

from raypose.config.loading import read_file
from raypose.config.lookup import available_configs, find_config
from raypose.config.nodes import KeyPath, Node, Problem
from raypose.errors import did_you_mean

BASE_KEY = "_base_"


def read_with_bases(path: Path, problems: list[Problem], chain: tuple[Path, ...] = ()) -> Node:
    """Return a config file merged over its bases.

    Args:
        path: the file.
        problems: gets missing bases, cycles and keys that two bases set.
        chain: files that led here, against cycles.

    Raises:
        ConfigError: if a file cannot be read or is no YAML.
    """
    node = read_file(path, problems)
    own = Node({key: item for key, item in node.value.items() if key != BASE_KEY}, node.mark)
    merged: Node | None = None
    for base_path, listed in _bases(path, node, problems):
        if base_path in (*chain, path):
            names = " -> ".join(p.name for p in (*chain, path, base_path))
            problems.append(
                Problem(listed.mark, (BASE_KEY,), f"files inherit in a circle: {names}")
            )
            continue
        base = read_with_bases(base_path, problems, (*chain, path))
        merged = base if merged is None else _join(merged, base, own, (), problems)
    return own if merged is None else merge(merged, own)


def merge(base: Node, own: Node) -> Node:
    """Return `own` laid over `base`."""
    if not (isinstance(base.value, dict) and isinstance(own.value, dict)):
        return own
    if _has_other_type(base, own):
        return own
    merged = dict(base.value)
    for key, node in own.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return Node(merged, own.mark)


def _bases(path: Path, node: Node, problems: list[Problem]) -> list[tuple[Path, Node]]:
    entry = node.child(BASE_KEY)
    if entry is None:
        return []
    found = []
    for item in entry.value if isinstance(entry.value, list) else [entry]:
        if not isinstance(item.value, str):
            message = f"a path or a list of paths expected, got {item.plain()!r}"
            problems.append(Problem(item.mark, (BASE_KEY,), message))
            continue
        file = (path.parent / item.value).resolve()
        if not file.is_file() and item.value in available_configs():
            file = find_config(item.value)
        if file.is_file():
            found.append((file, item))
            continue
        nearby = sorted(p.name for p in file.parent.glob("*.yaml")) if file.parent.is_dir() else []
        hint = did_you_mean(file.name, nearby)
        message = f"no file '{item.value}' beside {path.name}.{hint}"
        problems.append(Problem(item.mark, (BASE_KEY,), message))
    return found


def _join(one: Node, other: Node, own: Node | None, path: KeyPath, problems: list[Problem]) -> Node:
    """Return two bases as one; what they disagree on, `own`, the file that names them, settles."""
    joined = dict(one.value)
    for key, node in other.value.items():
        before = joined.get(key)
        decided = None if own is None else own.child(key)
        if before is None:
            joined[key] = node
        elif isinstance(before.value, dict) and isinstance(node.value, dict):
            joined[key] = _join(before, node, decided, (*path, key), problems)
        elif before.mark != node.mark and decided is None:
            message = (
                f"two bases set it, the other one is {before.mark}; set it here or in one base"
            )
            problems.append(Problem(node.mark, (*path, key), message))
    return Node(joined, other.mark)


def _has_other_type(base: Node, own: Node) -> bool:
    before, now = base.child("type"), own.child("type")
    return before is not None and now is not None and before.plain() != now.plain()
