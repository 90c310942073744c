"""The folder of exported networks, so that each is exported once and not by every process."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeVar

from raypose.errors import RayposeError
from raypose.weights.cache import weights_folder
from raypose.weights.file_lock import file_lock

logger = logging.getLogger(__name__)

Opened = TypeVar("Opened")

_KEPT = 32


def open_cached(
    key: str, open_model: Callable[[bytes], Opened], make: Callable[[], tuple[bytes, Opened]]
) -> Opened:
    """Open the network of a key, which is made if it is not there.

    A file that does not open, or not to what it should be, is made anew. Where the folder cannot
    be written to, the network is made every time.

    Args:
        key: names what the network depends on.
        open_model: opens the content of a file and checks it; raises RayposeError if it is wrong.
        make: returns the content of a new file and what `open_model` makes of it.

    Returns:
        What `open_model` returned.
    """
    path = weights_folder() / "exported" / f"{key}.onnx"
    found = _open(path, open_model)
    if found is not None:
        return found
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            waiting = f"waiting for another process that exports {path.name}"
            lock = file_lock(path.with_suffix(".lock"), lambda: logger.info(waiting))
            stack.enter_context(lock)
        except OSError as error:
            logger.info("exported networks are not kept: %s", error)
            return make()[1]
        found = _open(path, open_model)  # the process that held the lock may have made it
        if found is None:
            model, found = make()
            try:
                _write(path, model)
            except OSError as error:
                logger.info("exported networks are not kept: %s", error)
        return found


def _open(path: Path, open_model: Callable[[bytes], Opened]) -> Opened | None:
    try:
        model = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    try:
        return open_model(model)
    except RayposeError as error:
        logger.info("%s is made anew: %s", path, error)
        return None


def _write(path: Path, model: bytes) -> None:
    """Write a file that appears whole; those that nobody has used for longest leave."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        partial.write_bytes(model)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    files = sorted(path.parent.glob("*.onnx"), key=_last_used, reverse=True)
    for old in files[_KEPT:]:
        with suppress(OSError):
            old.unlink()


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process has removed it
        return 0.0
