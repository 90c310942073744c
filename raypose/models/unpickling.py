"""Reading torch files that name foreign classes, without importing or running any of them.

torch's own safe mode refuses such files as a whole. MMPose's are among them: beside the weights
they hold the training's history as objects of MMEngine. Here weights are rebuilt and every other
object becomes a `Foreign`, which does nothing.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
import torch._utils

# All that weights are made of. Storages are torch's own business and never come here.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): torch.Size,
    ("torch._utils", "_rebuild_tensor"): torch._utils._rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
}


class UnreadableFileError(Exception):
    """A file that cannot be read as a checkpoint; the message says why, without the name."""


class Foreign:
    """Stands for an object of a class that is not known here; swallows all that is done to it."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Foreign:
        """Ignore what the object was made from."""
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, not loaded>"

    def __call__(self, *args: Any, **kwargs: Any) -> Foreign:
        """Be an object where the file calls one."""
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        """Be empty where the file fills a mapping."""

    def append(self, value: Any) -> None:
        """Be empty where the file fills a list."""

    def extend(self, values: Any) -> None:
        """Be empty where the file fills a list."""

    def add(self, value: Any) -> None:
        """Be empty where the file fills a set."""


def load_file(path: Path) -> Any:
    """Return what `torch.save` wrote, to the CPU.

    Raises:
        UnreadableFileError: if the file is damaged, of another kind or not made of data only.
    """
    _check_kind(path)
    try:
        with warnings.catch_warnings():
            # Other protocols than torch's own are read as well, or refused.
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        pass  # names something foreign, or is damaged: the second reading tells
    except _READING_ERRORS as error:
        raise UnreadableFileError(_damaged(error)) from error
    try:
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_PICKLE)
    except _READING_ERRORS as error:
        raise UnreadableFileError(_damaged(error)) from error


class _Unpickler(pickle._Unpickler):
    """Builds weights and `Foreign`s.

    The pure-Python base: `BUILD` sets attributes of whatever is on the stack, which would let a
    file change functions of torch, and only here can it be overridden.
    """

    stack: list[Any]

    def find_class(self, module: str, name: str) -> Any:
        """Return an allowed name or a stand-in; nothing is imported."""
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        return type(name, (Foreign,), {"__module__": module})

    def load_build(self) -> None:
        """Drop the state of objects; that of weights is in their arguments."""
        self.stack.pop()

    dispatch: ClassVar[Any] = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: load_build}


def _load(file: Any, **options: Any) -> Any:
    return _Unpickler(file, **options).load()


_PICKLE: Any = SimpleNamespace(__name__=__name__, Unpickler=_Unpickler, load=_load)
# A damaged stream makes the unpickler stumble over nearly anything.
_READING_ERRORS = (
    pickle.UnpicklingError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    IndexError,
    KeyError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)


def _damaged(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"damaged or no checkpoint ({lines[0]})"


def _check_kind(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise UnreadableFileError("the file is empty")
    if start.startswith(b"version https://git-lfs"):
        raise UnreadableFileError("a pointer of Git LFS, not the file itself; run 'git lfs pull'")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UnreadableFileError("a web page, not a checkpoint; the download went wrong")
    if start.startswith(b"PK") and not zipfile.is_zipfile(path):
        raise UnreadableFileError(
            "truncated: the end of the file is missing; download or copy it again"
        )
    if start.startswith(b"PK") and _is_torchscript(path):
        raise UnreadableFileError("a TorchScript archive: code, not a checkpoint")
    if not start.startswith((b"PK", b"\x80")):
        raise UnreadableFileError("no checkpoint: neither a zip archive nor a pickle of torch")


def _is_torchscript(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
