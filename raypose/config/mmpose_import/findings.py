"""What a translation meets: what it leaves out with a reason, and what it cannot translate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raypose.errors import did_you_mean


@dataclass
class Findings:
    """Collected while a config is translated.

    Attributes:
        source: the file that is translated.
        notes: what differs from the original, for the head of the YAML.
        refused: what raypose has no counterpart for; one of them stops the import.
    """

    source: Path
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep a remark, once."""
        if text not in self.notes:
            self.notes.append(text)

    def refuse(self, what: str, why: str) -> None:
        """Keep something that cannot be translated."""
        self.refused.append(f"{what}: {why}")

    def refuse_others(self, what: str, cfg: Mapping[str, Any], known: Iterable[str]) -> None:
        """Refuse the keys of a mapping that are not known."""
        names = list(known)
        for key in cfg:
            if key not in names:
                hint = did_you_mean(str(key), names)
                self.refuse(f"{what}.{key}", f"no counterpart in raypose.{hint}")


def type_name(cfg: Mapping[str, Any]) -> str:
    """Return the class that a mapping names, without MMEngine's scope or a module path."""
    return str(cfg.get("type", "")).rsplit(".", 1)[-1]


def cleaned(value: Any) -> Any:
    """Return data with plain class names and lists, without MMEngine's scopes."""
    if isinstance(value, Mapping):
        kept = {key: cleaned(item) for key, item in value.items() if key != "_scope_"}
        if isinstance(kept.get("type"), str):
            kept["type"] = type_name(kept)
        return kept
    if isinstance(value, (list, tuple)):
        return [cleaned(item) for item in value]
    return value
