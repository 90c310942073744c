"""What the proxies of Ray Serve do with a request before and after a replica has it.

A request is handed on when all of it has come, so that who sends slowly holds no replica; and as
it is all there, it is asked again where the replica that had it died.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware

if TYPE_CHECKING:
    # A proxy has to start at once, and needs no models.
    from raypose.config.sections import ServeSection

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_LIMITS = "RAYPOSE_PROXY_LIMITS"
# A request that kills whoever has it is not asked for ever.
_ATTEMPTS = 3
# Bytes of a video that are on their way: where its frames are large and come faster than answers,
# its sender has to wait.
_STREAM_BYTES = 8_000_000
# A body up to this size goes to the replica with the head of its request; a larger one is fetched
# by the replica, which takes a call more.
_WITH_HEAD_BYTES = 1_000_000
_BODY = "raypose.body"
# Room for the frame of a form.
_FORM_BYTES = 65536
# By these Ray Serve would let a client lift its time limit, hold a replica after it has left, and
# choose where to go.
_NOT_FOR_CLIENTS = {
    b"x-request-timeout-seconds",
    b"x-request-disconnect-disabled",
    b"x-session-id",
    b"serve-multiplexed-model-id",
}
# What the proxy says in plain text: status, and the status and reason to send instead. It finds no
# address only while nothing is served: the routes begin at the root.
_INSTEAD = {
    404: (503, "nothing is served here now; try again"),
    408: (504, "no answer in time"),
    503: (503, "no replica can take this request now; try again"),
}


def environment(section: ServeSection) -> dict[str, str]:
    """Return what a proxy, and what else Ray Serve starts, needs to find in its environment."""
    limits = {
        "max_bytes": max(section.max_request_bytes, section.max_image_bytes) + _FORM_BYTES,
        "timeout_s": section.request_timeout_s,
    }
    return {
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": f"{__name__}.middlewares",
        # Takes less time than Ray's own calls.
        "RAY_SERVE_PROXY_USE_GRPC": "1",
        # Ray hands them on to the replicas too: by default glibc gives the buffers of every call of
        # a model back to the system, and clearing the pages of new ones costs a tenth of the call.
        "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
        "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
        _LIMITS: json.dumps(limits),
    }


def middlewares() -> list[Middleware]:
    """Return what wraps a proxy; Ray Serve calls this by its path when one starts."""
    return [Middleware(ProxyGate, **json.loads(os.environ[_LIMITS]))]


class ProxyGate:
    """Takes in requests, asks again, and gives the proxy's own answers their form.

    Args:
        app: the proxy (ASGI).
        max_bytes: a larger body is handed on as it comes, for the replica to refuse it.
        timeout_s: seconds in which a body has to come.
    """

    def __init__(self, app: App, max_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle a connection."""
        if "headers" in scope:
            scope["headers"] = [
                (name, value) for name, value in scope["headers"] if _let_through(name, value)
            ]
        if scope["type"] == "websocket":
            # Ray Serve would end a video after the time that a request has.
            scope["headers"].append((b"x-request-timeout-seconds", b"-1"))
            if scope["path"].endswith("/v1/stream"):
                video = _Video(receive, send)
                receive, send = video.receive, video.send
            await self._app(scope, receive, send)
            return
        body = _Body(receive)
        answer = _Answer(send)
        if _announced(scope) <= self._max_bytes:
            try:
                await asyncio.wait_for(body.take(self._max_bytes), self._timeout_s)
            except asyncio.TimeoutError:
                await answer.refuse(408, f"the request did not arrive within {self._timeout_s:g} s")
                return
        if body.complete and body.size <= _WITH_HEAD_BYTES:
            scope[_BODY] = body.give()
        for _ in range(_ATTEMPTS if body.complete else 1):
            if body.left:
                return
            await self._app(dict(scope), body.replay(), answer.send)
            if answer.started:
                return
        if not body.left:
            await answer.refuse(503, "the replica that had this request is gone; try again")


class BodyWithHead:
    """Gives a replica's routes the body that came with the head of a request.

    Args:
        app: the routes (ASGI).
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if _BODY in scope:
            receive = _after(
                [{"type": "http.request", "body": scope[_BODY], "more_body": False}], receive
            )
        await self._app(scope, receive, send)


def _after(messages: Sequence[Message], receive: Receive) -> Receive:
    """Return what gives out some messages before it receives more."""
    first = iter(messages)

    async def next_message() -> Message:
        for message in first:
            return message
        return await receive()

    return next_message


class _Video:
    """The messages of a stream, each of which gets one answer, in order.

    Args:
        receive: from the client.
        send: to the client.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._sizes: deque[int] = deque()
        self._answered = asyncio.Event()

    async def receive(self) -> Message:
        """Return the next message, once there is room for it."""
        while sum(self._sizes) > _STREAM_BYTES:
            self._answered.clear()
            await self._answered.wait()
        message = await self._receive()
        if message["type"] == "websocket.receive":
            self._sizes.append(len(message.get("bytes") or message.get("text") or b""))
        return message

    async def send(self, message: Message) -> None:
        """Pass on an answer, or whatever else."""
        if message["type"] == "websocket.send":
            self._sizes.popleft()
            self._answered.set()
        await self._send(message)


class _Body:
    """The body of a request, kept for whom it is handed to.

    Args:
        receive: from the client.
    """

    def __init__(self, receive: Receive) -> None:
        self.size = 0
        self.complete = False
        self.left = False
        self._receive = receive
        self._kept: list[Message] = []

    async def take(self, most: int) -> None:
        """Read it, or so many bytes of it."""
        while self.size <= most and not (self.complete or self.left):
            message = await self._next()
            self._kept.append(message)
            self.size += len(message.get("body", b""))
            self.complete = not self.left and not message.get("more_body", False)
        if self.complete:
            content = b"".join(message.get("body", b"") for message in self._kept)
            self._kept = [{"type": "http.request", "body": content, "more_body": False}]

    def replay(self) -> Receive:
        """Return what gives out the body from its beginning."""
        return _after(list(self._kept), self._next)

    def give(self) -> bytes:
        """Return the whole body; what gives it out has no more of it."""
        (message,) = self._kept
        self._kept = []
        return message["body"]

    async def _next(self) -> Message:
        message = await self._receive()
        self.left = self.left or message["type"] == "http.disconnect"
        return message


class _Answer:
    """An answer on its way out, replaced where it is the proxy's own.

    Args:
        send: to the client.
    """

    def __init__(self, send: Send) -> None:
        self.started = False
        self._send = send
        self._replaced = False

    async def send(self, message: Message) -> None:
        """Pass on what comes from a replica."""
        if message["type"] == "http.response.start":
            self.started = True
            headers = dict(message["headers"])
            status = message["status"]
            # The routes answer in JSON; a plain text is the proxy's.
            if status in _INSTEAD and headers.get(b"content-type", b"").startswith(b"text/plain"):
                self._replaced = True
                await self.refuse(*_INSTEAD[status])
        if not self._replaced:
            await self._send(message)

    async def refuse(self, status: int, reason: str) -> None:
        """Answer in the form of the routes."""
        body = json.dumps({"detail": reason}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        if status == 503:
            headers.append((b"retry-after", b"1"))
        if status == 408:
            headers.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _let_through(name: bytes, value: bytes) -> bool:
    name = name.lower().replace(b"_", b"-")
    # Ray Serve fails where the name of a request is no text.
    return name not in _NOT_FOR_CLIENTS and (name != b"x-request-id" or value.isascii())


def _announced(scope: Message) -> int:
    """Return the size of the body that its header says; 0 without one."""
    length = dict(scope["headers"]).get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0
