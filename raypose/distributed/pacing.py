"""`Paced`: keeps Ray Data from taking the interpreter, or a core, of the process that consumes.

Ray Data plans in a thread of the process that consumes, in a loop that waits for tasks while some
are running. Once enough is loaded ahead it runs none, and the loop goes round without a pause:
it held the interpreter lock of a training 95 % of the time, and the step waited for it.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar


class Paced:
    """A callback of Ray Data's executions that pauses between the rounds of its loop."""

    # Short against a data task, which takes some hundred milliseconds; long against a round.
    PAUSE: ClassVar[float] = 0.02

    def before_execution_starts(self, executor: Any) -> None:
        """Do nothing."""

    def on_execution_step(self, executor: Any) -> None:
        """Pause after one round."""
        time.sleep(self.PAUSE)

    def after_execution_succeeds(self, executor: Any) -> None:
        """Do nothing."""

    def after_execution_fails(self, executor: Any, error: Exception) -> None:
        """Do nothing."""
