"""Lines of a config and its bases that refusals are about."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from pathlib import Path

_QUOTED = re.compile(r"'([^']+)'")


class Places:
    """Where the words of a config stand.

    Values come from anywhere in a program, so a place is the first line that has the word: as a
    text, as the name of an argument or variable, or as a class.

    Args:
        files: the config and those it inherits from, the nearest ones first.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._words: dict[str, str] = {}
        for file in files:
            for word, line in sorted(_words(file), key=lambda pair: pair[1]):
                self._words.setdefault(word, f"{file}:{line}")

    def of(self, refusal: str) -> str | None:
        """Return `file:line` for a refusal `key.path: why`, None if none of its words is there.

        What it quotes says more than the end of its path.
        """
        path, _, why = refusal.partition(": ")
        keys = [key for key in reversed(path.split(".")) if not key.isdigit() and key != "type"]
        for word in [*_QUOTED.findall(why)[:1], *keys]:
            if word in self._words:
                return self._words[word]
        return None


def _words(file: Path) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [(node.value, node.lineno), (node.value.rsplit(".", 1)[-1], node.lineno)]
        elif isinstance(node, ast.keyword) and node.arg is not None:
            found.append((node.arg, node.value.lineno))
        elif isinstance(node, ast.Name):
            found.append((node.id, node.lineno))
    return found
