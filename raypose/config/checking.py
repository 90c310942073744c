"""`type:` nodes held against the registries: names, arguments, and the kinds of their values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from raypose.config.hints import mismatch
from raypose.config.nodes import KeyPath, Node, Problem
from raypose.config.slots import Slot, slot_of
from raypose.registry import CODECS, MODELS, argument_problems

_CHECKED = ("codec", "model", "data", "metrics", "optimizer", "schedules")
# Mappings whose `type` is no entry of a registry.
_PLAIN = ("norm_cfg", "act_cfg", "conv_cfg", "init_cfg")
_PLAIN_OF = {"Albumentation": ("transforms",), "MultiDatasetEvaluator": ("datasets",)}


def type_problems(root: Node) -> Iterator[Problem]:
    """Yield what is wrong with the `type` mappings of a config and with their arguments."""
    checker = _Checker(has_skeleton=root.child("skeleton") is not None)
    for key in _CHECKED:
        node = root.child(key)
        if node is not None:
            yield from checker.visit(node, (key,), slot_of(key))


class _Checker:
    def __init__(self, has_skeleton: bool) -> None:
        self.has_skeleton = has_skeleton

    def visit(self, node: Node, path: KeyPath, slot: Slot | None) -> Iterator[Problem]:
        expects_type = slot is not None and slot.typed
        if isinstance(node.value, list):
            for index, item in enumerate(node.value):
                yield from self.visit(item, (*path, index), slot)
        elif isinstance(node.value, dict):
            if "type" in node.value:
                yield from self._typed(node, path, slot)
            else:
                if slot is not None and expects_type:
                    yield Problem(node.mark, path, f"a mapping for the {slot.role} needs 'type'")
                yield from self._children(node, path)
        elif slot is not None and expects_type and node.value is not None:
            message = f"got {node.value!r}, expected a mapping with the 'type' of the {slot.role}"
            yield Problem(node.mark, path, message)

    def _typed(self, node: Node, path: KeyPath, slot: Slot | None) -> Iterator[Problem]:
        name, place = node.value["type"].value, (*path, "type")
        mark = node.mark if node.copied else node.value["type"].mark
        if not isinstance(name, str):
            yield Problem(
                mark, place, f"got {node.plain()['type']!r}, expected the name of a class"
            )
            return
        wrong = None if slot is None else slot.wrong_name(name)
        if wrong is not None:
            yield Problem(mark, place, wrong)
        elif not node.copied:
            registries = (MODELS, CODECS) if slot is None else (slot.registry,)
            entry = next((r.find(name) for r in registries if name in r), None)
            if entry is not None:
                yield from self._arguments(node, path, entry, slot)
        yield from self._children(node, path, _PLAIN_OF.get(name, ()))

    def _children(
        self, node: Node, path: KeyPath, plain: tuple[str, ...] = ()
    ) -> Iterator[Problem]:
        # What a reference copied is checked where it was written.
        if node.copied:
            return
        for key, child in node.value.items():
            if key not in plain and key not in _PLAIN:
                yield from self.visit(child, (*path, key), slot_of(str(key)))

    def _arguments(
        self, node: Node, path: KeyPath, entry: Callable[..., Any], slot: Slot | None
    ) -> Iterator[Problem]:
        skipped = ("type", *(slot.section_keys if slot is not None else ()))
        arguments = {str(key): c for key, c in node.value.items() if key not in skipped}
        handed = dict.fromkeys(slot.builder_arguments) if slot is not None else {}
        if self.has_skeleton and "skeleton" in inspect.signature(entry).parameters:
            handed["skeleton"] = None
        for key, message in argument_problems(entry, {**handed, **arguments}):
            if key is None:
                yield Problem(node.mark, path, message)
            else:
                yield Problem(arguments[key].mark, (*path, key), message)
        for key, child in arguments.items():
            wrong = None if child.broken else mismatch(entry, key, child.plain())
            if wrong is not None:
                yield Problem(child.mark, (*path, key), wrong)
