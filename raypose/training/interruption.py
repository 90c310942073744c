"""Runs that are asked to save or to stop: SIGTERM, a node that is about to go.

All processes of a run have to agree on the step after which they save, or some would wait for the
others for ever. So each says after every step what it has been told, and the highest counts.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from raypose.training.runtime import Notice, Runtime

# Optimizer steps that the answer of a GPU is waited for: asking for that of the newest step would
# keep the next one from being prepared meanwhile.
_LAG = 2


class Notices:
    """What the processes of a run have been told, agreed upon by all of them.

    Args:
        runtime: knows what this process has been told.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._done = Notice.NONE
        self._asked: deque[Tensor] = deque()

    def look(self) -> Notice:
        """Return what to do now, the same on every process; each calls this after each step.

        A notice is returned once, and again only for a higher one.
        """
        notice = self._runtime.notice()
        if self._runtime.world_size > 1:
            device = self._runtime.device
            told = torch.full((), int(notice), dtype=torch.int32, device=device)
            self._asked.append(self._runtime.highest(told))
            if len(self._asked) <= (_LAG if device.type == "cuda" else 0):
                return Notice.NONE
            notice = Notice(int(self._asked.popleft()))
        if notice <= self._done:
            return Notice.NONE
        self._done = notice
        return notice


@contextlib.contextmanager
def stop_on_sigterm() -> Iterator[threading.Event]:
    """Give an event that SIGTERM sets, as long as the block lasts; a second SIGTERM ends at once.

    Only the main thread of a program can handle signals; in another one the event is never set.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def stop(number: int, frame: Any) -> None:
        del number, frame
        asked.set()
        signal.signal(signal.SIGTERM, before)

    # None stands for a handler that is not Python's.
    before = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL
    signal.signal(signal.SIGTERM, stop)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)
