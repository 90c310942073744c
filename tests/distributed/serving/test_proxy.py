"""What the proxies let through, ask again and answer by themselves, without a server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from raypose.distributed.serving.proxy import BodyWithHead, Message, ProxyGate, Receive, Send

LIMIT = 1_000


class Proxy:
    """A proxy of Ray Serve behind the gate; notes what reaches it.

    Args:
        fails: how often the replica dies before it answers.
        status: of its answer.
        kind: content type of its answer.
    """

    def __init__(self, fails: int = 0, status: int = 200, kind: str = "application/json") -> None:
        self.fails = fails
        self.status = status
        self.kind = kind
        self.bodies: list[list[bytes]] = []
        self.headers: dict[bytes, bytes] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.headers = dict(scope["headers"])
        self.bodies.append([])
        more = True
        while more:
            message = await receive()
            self.bodies[-1].append(message["body"])
            more = message["more_body"]
        if len(self.bodies) > self.fails:
            headers = [(b"content-type", self.kind.encode())]
            await send({"type": "http.response.start", "status": self.status, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"detail": "its own"}'})


def post(proxy: Proxy, content: Any = b"picture", **arguments: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        # The routes of a replica read the body wherever the gate has put it.
        gate = ProxyGate(BodyWithHead(proxy), max_bytes=LIMIT, timeout_s=0.2)
        transport = httpx.ASGITransport(app=gate)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/v1/pose", content=content, **arguments)

    return asyncio.run(ask())


async def pieces(*contents: bytes, pause: float = 0.0) -> AsyncIterator[bytes]:
    for content in contents:
        yield content
        await asyncio.sleep(pause)


def test_a_body_that_comes_in_pieces_is_handed_on_as_one() -> None:
    proxy = Proxy()
    assert post(proxy, pieces(b"a", b"b", b"c")).status_code == 200
    assert proxy.bodies == [[b"abc"]]


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_handed_on_as_it_comes(announced: bool) -> None:
    proxy = Proxy(fails=1)
    headers = {"content-length": str(3 * LIMIT)} if announced else {}
    parts = [b"x" * LIMIT] * 3
    answer = post(proxy, pieces(*parts), headers=headers)
    ((*received,),) = proxy.bodies
    assert b"".join(received) == b"".join(parts)
    assert len(received) >= 3
    # It is not there any more, and cannot be asked again.
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_who_sends_slowly_reaches_no_replica() -> None:
    proxy = Proxy()
    answer = post(proxy, pieces(*[b"x"] * 50, pause=0.05))
    assert answer.status_code == 408
    assert answer.json()["detail"] == "the request did not arrive within 0.2 s"
    assert answer.headers["connection"] == "close"
    assert proxy.bodies == []


def test_who_has_left_reaches_no_replica() -> None:
    proxy = Proxy()
    messages = [
        {"type": "http.request", "body": b"x", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    gate = ProxyGate(proxy, LIMIT, 1)
    asyncio.run(gate({"type": "http", "path": "/", "headers": []}, receive, send))
    assert proxy.bodies == []


@pytest.mark.parametrize(("deaths", "status"), [(0, 200), (1, 200), (2, 200), (3, 503)])
def test_where_a_replica_dies_another_is_asked(deaths: int, status: int) -> None:
    proxy = Proxy(fails=deaths)
    answer = post(proxy)
    assert answer.status_code == status
    assert proxy.bodies == [[b"picture"]] * min(deaths + 1, 3)
    if status == 503:
        assert answer.json()["detail"].startswith("the replica that had this request is gone")


@pytest.mark.parametrize(
    ("status", "kind", "shown", "detail"),
    [
        (503, "text/plain", 503, "no replica can take this request now; try again"),
        (408, "text/plain; charset=utf-8", 504, "no answer in time"),
        (404, "text/plain", 503, "nothing is served here now; try again"),
        (503, "application/json", 503, "its own"),
        (404, "application/json", 404, "its own"),
        (200, "text/plain", 200, "its own"),
    ],
)
def test_only_the_plain_text_of_the_proxy_is_replaced(
    status: int, kind: str, shown: int, detail: str
) -> None:
    answer = post(Proxy(status=status, kind=kind))
    assert (answer.status_code, json.loads(answer.content)) == (shown, {"detail": detail})
    assert ("retry-after" in answer.headers) == (shown == 503 and detail != "its own")


def test_headers_that_steer_ray_serve_are_left_out() -> None:
    proxy = Proxy()
    headers = {
        "X-Request-Timeout-Seconds": "-1",
        "x_request_disconnect_disabled": "?1",
        "serve_multiplexed_model_id": "other",
        "X-Session-Id": "7",
        "X-Other": "kept",
    }
    post(proxy, headers=headers)
    assert proxy.headers.keys() & {name.lower().encode() for name in headers} == {b"x-other"}
    post(proxy, headers={"X-Request-Id": "7"})
    assert proxy.headers[b"x-request-id"] == b"7"
    post(proxy, headers={b"X-Request-Id": b"\xff"})
    assert b"x-request-id" not in proxy.headers


def test_large_frames_that_have_no_answer_yet_hold_the_next_ones_up() -> None:
    frame = {"type": "websocket.receive", "bytes": b"x" * 3_000_000}
    received = []

    async def stream(scope: Message, receive: Receive, send: Send) -> None:
        del scope

        async def read() -> None:
            while True:
                received.append(await receive())

        reading = asyncio.create_task(read())
        for expected in (3, 4, 5):
            await asyncio.sleep(0.01)
            assert len(received) == expected
            await send({"type": "websocket.send", "text": "{}"})
        reading.cancel()

    async def receive() -> Message:
        await asyncio.sleep(0)
        return frame

    async def send(message: Message) -> None:
        assert message["text"] == "{}"

    gate = ProxyGate(stream, LIMIT, 1)
    scope = {"type": "websocket", "path": "/v1/stream", "headers": []}
    asyncio.run(gate(scope, receive, send))


def test_a_video_may_last_longer_than_a_request() -> None:
    found: dict[bytes, bytes] = {}

    async def proxy(scope: Message, receive: Receive, send: Send) -> None:
        found.update(scope["headers"])

    async def nothing() -> Message:
        raise AssertionError("nothing is read")

    async def nobody(message: Message) -> None:
        raise AssertionError(message)

    scope = {
        "type": "websocket",
        "path": "/v1/stream",
        "headers": [(b"x-request-timeout-seconds", b"1"), (b"host", b"here")],
    }
    asyncio.run(ProxyGate(proxy, max_bytes=LIMIT, timeout_s=0.2)(scope, nothing, nobody))
    assert found == {b"host": b"here", b"x-request-timeout-seconds": b"-1"}


def test_a_proxy_starts_without_the_models() -> None:
    code = "import sys, raypose.distributed.serving.proxy; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
