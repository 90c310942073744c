"""`Peer`: MMPose in an environment of its own, asked for its speed between our measurements."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_PEER = Path(__file__).with_name("mmpose_peer.py")


class Peer:
    """A running `mmpose_peer.py`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def rate(self, seconds: float) -> float:
        """Return its samples a second; nothing else should run meanwhile."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"go {seconds}\n")
        self._process.stdin.flush()
        return float(self._line())

    def wait_until_ready(self) -> None:
        """Wait for its first round, which warms it up.

        Raises:
            RuntimeError: if it has ended instead; why is on stderr.
        """
        while self._line() != "ready":
            pass

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("MMPose has ended")
        return line.strip()


@contextmanager
def mmpose_peer(python: str, arguments: Sequence[str], quiet: bool = True) -> Iterator[Peer]:
    """Start a peer.

    Args:
        python: interpreter of an environment with MMPose (for `data`, MMDetection and
            albumentations too).
        arguments: of `mmpose_peer.py`.
        quiet: drop its log.
    """
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        process = subprocess.Popen(
            [python, str(_PEER), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=nowhere if quiet else None,
            text=True,
        )
        try:
            peer = Peer(process)
            peer.wait_until_ready()
            yield peer
        finally:
            process.terminate()
            process.wait()
