"""What the proxies of Ray Serve answer by themselves, and what they let through.

A proxy takes the connections and hands requests to the replicas of the ingress. When a replica
dies, or there is none, the proxy is the only one left to answer: with a 503 that says so in JSON
and when to try again, as the routes do.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.middleware import Middleware

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

# By these Ray Serve would let a client lift its time limit, hold a replica after it has left, and
# choose where to go.
_NOT_FOR_CLIENTS = {
    b"x-request-timeout-seconds",
    b"x-request-disconnect-disabled",
    b"x-session-id",
    b"serve-multiplexed-model-id",
}
_GONE = "the replica that had this request is gone; try again"
# What the proxy says in plain text: status, and the status and reason to send instead. It finds no
# address only while nothing is served: the routes begin at the root.
_INSTEAD = {
    404: (503, "nothing is served here now; try again"),
    408: (504, "no answer in time"),
    503: (503, "no replica can take this request now; try again"),
}


def middlewares() -> list[Middleware]:
    """Return what wraps the proxies; Ray Serve calls this by its path when one starts."""
    return [Middleware(ProxyAnswers)]


class ProxyAnswers:
    """Gives the proxy's own answers their form.

    Args:
        app: the proxy (ASGI).
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle a connection."""
        if "headers" in scope:
            scope["headers"] = [
                (name, value)
                for name, value in scope["headers"]
                if name.lower().replace(b"_", b"-") not in _NOT_FOR_CLIENTS
                # Ray Serve fails where the name of a request is no text.
                and not (name.lower() == b"x-request-id" and not value.isascii())
            ]
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        await self._app(scope, receive, answer.send)
        if not answer.started:
            await answer.refuse(503, _GONE)


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
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
