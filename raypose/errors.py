"""What raypose raises for a person to read.

* `RayposeError` - base of everything below.
    * `ConfigError` - one or many mistakes of a config, each with its place.
    * `DataError` - an annotation or image that cannot be used, with file and id.
    * `CheckpointError` - weights that do not fit or cannot be trusted.
    * `RunStoppedError` - a run that was asked to stop, and how it goes on.

All of them are `ValueError`s: the user gave something that does not work, and the message says
what was given, what was expected and the nearest right choice.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar


class RayposeError(ValueError):
    """Base class of errors that a user can mend.

    Attributes:
        exit_status: of the command that ends with it.
    """

    exit_status: ClassVar[int] = 2


class ConfigError(RayposeError):
    """Mistakes of a config, all of them at once.

    Args:
        problems: one line for each mistake, such as
            `exp.yaml:4: model.head.type: unknown head 'HeatmapHed'. Did you mean 'HeatmapHead'?`.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[list[str]]]:
        return type(self), (self.problems,)


class DataError(RayposeError):
    """An annotation file or image that cannot be used; names the file and the item."""


class CheckpointError(RayposeError):
    """A weights file that is unsafe, broken or does not fit the model."""


class RunStoppedError(RayposeError):
    """A run that saved its state and stopped since it was asked to, by SIGTERM."""

    exit_status = 128 + 15


def did_you_mean(given: str, choices: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest choice, or an empty string."""
    names = list(choices)
    folded = {name.lower(): name for name in names}
    near = difflib.get_close_matches(given.lower(), folded, n=1, cutoff=0.6)
    return f" Did you mean '{folded[near[0]]}'?" if near else ""
