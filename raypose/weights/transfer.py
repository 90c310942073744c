"""One address to one local file: what is there already is gone on with, not fetched again."""

from __future__ import annotations

import re
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

# Bytes that are there, bytes in all if the server tells.
Progress = Callable[[int, int | None], None]

_TIMEOUT_S = 30.0
_BLOCK = 1 << 18
# A connection that brought something may be cut this often before its source is given up.
_MAX_CUTS = 10
_NETWORK_ERRORS = (URLError, HTTPException, OSError)


class TransferError(Exception):
    """A source that does not give the file; the message says why, without its address."""


class _CutError(Exception):
    """The connection ended before the file did."""


def transfer(url: str, path: Path, show: Progress) -> None:
    """Bring a file to a local path.

    Args:
        url: an address of HTTP, HTTPS or a local file.
        path: gets the file. What it holds is taken for the start of it: delete it to start anew.
        show: called after every block.

    Raises:
        TransferError: if the source does not give the file, or not all of it. What came stays at
            the path.
    """
    validator = None
    for _ in range(_MAX_CUTS):
        before = _size(path)
        try:
            with _open(url, before, validator) as response:
                validator = _validator(response)
                _receive(response, path, before, show)
            return
        except _CutError as error:
            if _size(path) <= before:
                raise TransferError(str(error)) from error
    raise TransferError(f"the connection was cut {_MAX_CUTS} times")


def _open(url: str, start: int, validator: str | None) -> Any:
    headers = {"User-Agent": "raypose", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator is not None:  # the whole file if it is another one by now
            headers["If-Range"] = validator
    try:
        return urlopen(Request(url, headers=headers), timeout=_TIMEOUT_S)
    except HTTPError as error:
        error.close()
        if error.code == 416 and start:
            return _open(url, 0, None)  # what is there is no start of this file
        raise TransferError(f"HTTP {error.code} {error.reason}") from error
    except _NETWORK_ERRORS as error:
        raise TransferError(_reason(error)) from error


def _receive(response: Any, path: Path, start: int, show: Progress) -> None:
    """Write what a response holds behind the start, or over it if the server begins anew."""
    if response.headers.get_content_type() == "text/html":
        raise TransferError("a web page came instead of the file")
    if getattr(response, "status", None) != 206:
        start = 0
    elif _range_start(response) != start:
        raise TransferError(f"the server sent another part than asked for (byte {start} on)")
    length = response.headers.get("Content-Length")
    total = None if length is None else start + int(length)
    done = start
    with path.open("r+b" if start else "wb") as file:
        file.seek(start)
        while block := _read(response):
            file.write(block)
            done += len(block)
            show(done, total)
    if total is not None and done < total:
        raise _CutError(f"the connection was cut after {done} of {total} bytes")


def _read(response: Any) -> bytes:
    try:
        return response.read(_BLOCK)
    except _NETWORK_ERRORS as error:
        raise _CutError(_reason(error)) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _range_start(response: Any) -> int | None:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _validator(response: Any) -> str | None:
    """Return what tells this version of the file from others; weak tags do not."""
    tag = response.headers.get("ETag")
    if tag is not None and not tag.startswith("W/"):
        return tag
    return response.headers.get("Last-Modified")


def _reason(error: BaseException) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    text = getattr(cause, "strerror", None) or str(cause)
    return text or type(cause).__name__
