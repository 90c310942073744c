"""A web server on loopback that gives files the way good and bad servers do."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What the server gives, and what it was asked for.

    Attributes:
        files: path -> content.
        cuts: the connection ends after so many bytes of a body; one number for each answer, then
            bodies are whole.
        ranges: whether parts can be asked for.
        content_type: of every file.
        delay: the first answer waits until this is set.
        requests: path and `Range` of every request.
    """

    files: dict[str, bytes]
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    content_type: str = "application/octet-stream"
    delay: threading.Event | None = None
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one GET."""
        asked = handler.headers.get("Range")
        self.requests.append((handler.path, asked))
        if self.delay is not None:
            self.delay.wait(30)
        content = self.files.get(handler.path)
        if content is None:
            handler.send_error(404)
            return
        start = 0
        found = re.fullmatch(r"bytes=(\d+)-", asked or "")
        tag = f'"{hash(content)}"'
        if found and self.ranges and handler.headers.get("If-Range", tag) == tag:
            start = int(found[1])
            if start >= len(content):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(content)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            handler.send_response(200)
        body = content[start:]
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Content-Type", self.content_type)
        handler.send_header("ETag", tag)
        handler.end_headers()
        handler.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[FileServer]:
    """Serve files until the block ends; their server has its `address` then."""
    server = FileServer(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    server.address = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
