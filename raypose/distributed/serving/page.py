"""Serves the page that shows what the server can do: `/` and the files it names under `/page/`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from fastapi import FastAPI, HTTPException, Request, Response

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

# Said here, not asked of the machine: some take .js for text/plain, which no browser runs.
_MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'self'",
}
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "; ".join(f"{key} {value}" for key, value in _POLICY.items()),
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def add_page(app: FastAPI) -> None:
    """Add the page at `/` and its files below `/page/`; neither needs the key of the API."""
    for path, answer in (("/", _index), ("/page/{path:path}", _file)):
        app.add_api_route(path, answer, methods=["GET", "HEAD"], include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    etag: str


async def _index(request: Request) -> Response:
    return _respond(request, "index.html")


async def _file(request: Request, path: str) -> Response:
    return _respond(request, path)


def _respond(request: Request, path: str) -> Response:
    file = _files().get(path)
    if file is None:
        raise HTTPException(404, f"the page has no file {path!r}")
    headers = {**_HEADERS, "ETag": file.etag}
    known = request.headers.get("if-none-match", "")
    if file.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


@lru_cache(maxsize=1)
def _files() -> dict[str, _File]:
    """Return the files by path: nothing but these can be asked for."""
    found = {}
    for path, entry in _walk(resources.files("raypose.distributed.serving") / "page", ""):
        content = entry.read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        found[path] = _File(content, _MEDIA_TYPES[path.rpartition(".")[2]], etag)
    return found


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{path}{entry.name}/")
        elif entry.name.rpartition(".")[2] in _MEDIA_TYPES:
            yield f"{path}{entry.name}", entry
