"""Files inside of a larger file: addresses that say where, and reading them.

`DIR/images-00000.parquet#4096+81920:photos/a.jpg` is 81920 bytes from byte 4096 on; what follows
the colon is the name that the file had, for people.
"""

from __future__ import annotations

import functools
import os
import re
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

_ADDRESS = re.compile(r"(.+\.parquet)#(\d+)\+(\d+):.*", re.DOTALL)
# Files of a data set that are held open: opening one is what slow storage is slow at.
_OPEN_FILES = 256


def packed_address(file: str | Path, offset: int, length: int, name: str) -> str:
    """Return the address of `length` bytes of a file from an offset on."""
    return f"{file}#{offset}+{length}:{name}"


def read_file(path: str | Path) -> npt.NDArray[np.uint8]:
    """Return the (n,) bytes of a file, or of what an address names inside of one.

    Raises:
        OSError: if the file cannot be read, or ends before it should.
    """
    found = _ADDRESS.fullmatch(str(path))
    if found is None:
        with open(path, "rb", buffering=0) as file:
            return np.frombuffer(file.read(), np.uint8)
    length, offset = int(found[3]), int(found[2])
    data = _opened(found[1]).read(length, offset)
    if len(data) < length:
        raise OSError(f"{found[1]} ends before byte {offset + length}; it is another file now")
    return np.frombuffer(data, np.uint8)


class _OpenFile:
    """A file that stays open as long as this is kept."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._lock = threading.Lock()

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):  # it could be opened
            os.close(self._descriptor)

    def read(self, length: int, offset: int) -> bytes:
        """Return bytes from an offset on; fewer at the end of the file."""
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, length, offset)
        with self._lock:  # Windows reads from where the file stands.
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.read(self._descriptor, length)


@functools.lru_cache(maxsize=_OPEN_FILES)
def _opened(path: str) -> _OpenFile:
    return _OpenFile(path)
