"""Bodies, senders and sockets that mean no good: refused, and nobody else harmed."""

from __future__ import annotations

import json
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from raypose.config.sections import (
    DetectorStageSection,
    LifterStageSection,
    PoseStageSection,
    ServeSection,
)
from raypose.distributed import serving as serve
from tests.distributed.serving.conftest import FOUND, PNG, ask, processes, section_at
from tests.distributed.serving.hostile import Attack, draw

HELD = 8  # requests of the replica at a time
PATIENCE = 8.0  # seconds that a request may take

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.timeout(1200)]


def section(address: str, models: Path) -> ServeSection:
    return section_at(
        address,
        topology="fused",
        pose=PoseStageSection(weights=str(models / "pose.pth"), max_ongoing_requests=HELD),
        detector=DetectorStageSection(model=str(models / "person.onnx")),
        lifter=LifterStageSection(config=str(models / "lifter.pth")),
        max_image_bytes=1_000_000,
        max_image_pixels=1_000_000,
        max_request_bytes=3_000_000,
        request_timeout_s=PATIENCE,
    )


@pytest.fixture(scope="class")
def service(address: str, models: Path) -> None:
    serve.run(section(address, models))


def memory(process: int) -> float:
    """Return what a process has in memory, in MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def check_good(address: str) -> None:
    """An honest request still gets its answer."""
    answer = ask(address)
    assert answer.status_code == 200, answer.text
    (instance,) = answer.json()["instances"]
    np.testing.assert_allclose(instance["bbox"], FOUND, atol=0.5)


def reason(client: httpx.Client, attack: Attack) -> str:
    """Send it; returns its status, after a look at whether there is a reason."""
    headers = {name: value.encode("latin-1") for name, value in attack.headers.items()}
    answer = client.post(attack.path, content=attack.content, headers=headers)  # type: ignore[arg-type]
    if answer.status_code == 200:
        assert "instances" in answer.text or "sequences" in answer.text, attack
    else:
        about = (attack.kind, attack.path[:80], answer.status_code, answer.text[:200])
        assert 400 <= answer.status_code < 500, about
        assert answer.headers["content-type"] == "application/json", about
        detail = answer.json()["detail"]
        assert isinstance(detail, str), about
        assert 5 < len(detail) < 500, about
    return f"{attack.kind} {answer.status_code}"


def attack_all(address: str, seed: int, number: int) -> Counter[str]:
    """Send so many, an honest request now and then among them."""
    rng = random.Random(seed)
    seen: Counter[str] = Counter()
    with httpx.Client(base_url=address, timeout=60) as client:
        for i in range(number):
            seen[reason(client, draw(rng))] += 1
            if i % 50 == 0:
                check_good(address)
    return seen


@pytest.mark.usefixtures("service")
class TestHostile:
    def test_bodies(self, address: str) -> None:
        before = processes("FusedIngress")
        seen = attack_all(address, seed=0, number=200)
        assert len({text.rsplit(" ", 1)[0] for text in seen}) > 20
        assert {text.rsplit(" ", 1)[1] for text in seen} >= {"200", "400", "413", "422"}
        assert processes("FusedIngress") == before

    @pytest.mark.slow
    def test_ten_thousand_bodies_leave_no_trace(self, address: str) -> None:
        (process,) = processes("FusedIngress")
        used = []
        for thousand in range(10):
            seeds = range(10 * thousand + 1, 10 * thousand + 5)
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda seed: attack_all(address, seed, 250), seeds))
            used.append(memory(process))
        assert processes("FusedIngress") == {process}
        # The first ones fill the memory that the decoding threads keep.
        assert used[-1] - used[2] < 10, used


@pytest.fixture
def undisturbed(service: None, address: str) -> Iterator[None]:
    """The replica outlives the test, and answers after it."""
    before = processes("FusedIngress")
    yield
    check_good(address)
    assert processes("FusedIngress") == before


def head(length: int | str, version: str = "1.1", more: str = "") -> bytes:
    return (
        f"POST /v1/pose HTTP/{version}\r\nHost: x\r\nContent-Length: {length}\r\n{more}\r\n"
    ).encode()


def plug(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def answers(plugged: socket.socket, number: int = 1) -> list[tuple[int, Any]]:
    """Read so many answers; returns their status and content."""
    found = []
    with plugged.makefile("rb") as file:
        for _ in range(number):
            status = int(file.readline().split()[1])
            headers = {}
            while (line := file.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            found.append((status, json.loads(file.read(int(headers[b"content-length"])))))
    return found


@pytest.mark.usefixtures("undisturbed")
class TestSockets:
    def test_who_sends_slowly_is_cut_off_and_holds_nobody_up(self, address: str) -> None:
        started = time.monotonic()
        with ExitStack() as stack:
            slow = [stack.enter_context(plug(address)) for _ in range(2 * HELD)]
            for plugged in slow:
                plugged.sendall(head(len(PNG)) + PNG[:10])
            while time.monotonic() - started < PATIENCE / 2:
                for at, plugged in enumerate(slow):
                    plugged.sendall(PNG[10 + at : 11 + at])
                asked = time.monotonic()
                check_good(address)
                assert time.monotonic() - asked < PATIENCE / 2
            for plugged in slow:
                ((status, content),) = answers(plugged)
                assert (status, content["detail"]) == (408, "the request did not arrive within 8 s")
                assert plugged.recv(1) == b""
        assert time.monotonic() - started < 2 * PATIENCE

    def test_who_leaves_early(self, address: str) -> None:
        for length in (0, 1, len(PNG) // 2, len(PNG)):
            for _ in range(10):
                with plug(address) as plugged:
                    plugged.sendall(head(len(PNG)) + PNG[:length])

    def test_an_old_client(self, address: str) -> None:
        with plug(address) as plugged:
            plugged.sendall(head(len(PNG), "1.0") + PNG)
            ((status, content),) = answers(plugged)
            assert (status, len(content["instances"])) == (200, 1)
            assert plugged.recv(1) == b""

    def test_requests_that_do_not_wait_for_answers(self, address: str) -> None:
        with plug(address) as plugged:
            plugged.sendall(3 * (head(len(PNG)) + PNG + head(4) + b"text"))
            assert [status for status, _ in answers(plugged, 6)] == 3 * [200, 400]

    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"nonsense\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            head("-1"),
            head("9" * 30),
            head("ten"),
            head(4, more="Transfer-Encoding: chunked\r\n") + b"zz\r\ntext\r\n0\r\n\r\n",
            b"POST /v1/pose HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"POST /v1/pose HTTP/9.9\r\nHost: x\r\n\r\n",
            b"POST /v1/pose\0 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /v1/pose HTTP/1.1\r\n" + b"a b: c\r\n" * 3 + b"\r\n",
        ],
    )
    def test_what_is_no_http(self, address: str, request_bytes: bytes) -> None:
        with plug(address) as plugged:
            plugged.sendall(request_bytes)
            plugged.shutdown(socket.SHUT_WR)
            answer = plugged.recv(1000)
        assert answer == b"" or answer.split()[1] in (b"400", b"413"), answer


@pytest.mark.usefixtures("undisturbed")
class TestStreams:
    @pytest.mark.slow
    def test_a_video_may_last_longer_than_a_request(self, address: str) -> None:
        started = time.monotonic()
        with stream(address) as video:
            while time.monotonic() - started < 2.5 * PATIENCE:
                video.send(PNG)
                assert len(json.loads(video.recv(timeout=30))["instances"]) == 1
                time.sleep(0.5)

    def test_messages_that_are_no_frames(self, address: str) -> None:
        with stream(address) as video:
            for message in ("text", b"", b"noise", PNG[:100], [PNG[:50], PNG[50:]]):
                video.send(message)
            texts = [json.loads(video.recv(timeout=30)) for _ in range(5)]
        assert [text.get("status", 200) for text in texts] == [400, 400, 400, 400, 200]

    def test_a_message_larger_than_any_frame(self, address: str) -> None:
        with stream(address) as video:
            video.send(b"\0" * 20_000_000)
            with pytest.raises(ConnectionClosed) as caught:
                video.recv(timeout=30)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009

    def test_pings_without_end(self, address: str) -> None:
        with stream(address) as video:
            for number in range(2_000):
                video.ping(str(number).encode())
            video.send(PNG)
            assert len(json.loads(video.recv(timeout=30))["instances"]) == 1

    def test_who_leaves_within_a_frame(self, address: str) -> None:
        key = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        key += "Sec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n"
        for _ in range(10):
            with plug(address) as plugged:
                plugged.sendall(f"GET /v1/stream HTTP/1.1\r\nHost: x\r\n{key}\r\n".encode())
                assert plugged.recv(1000).split()[1] == b"101"
                plugged.sendall(b"\x82\xfe\xff\xff" + b"mask" + PNG)

    def test_frames_that_come_faster_than_answers_take_no_memory(self, address: str) -> None:
        (process,) = processes("FusedIngress")
        frame = PNG + b"\0" * (500_000 - len(PNG))
        with stream(address, max_queue=1) as video:
            taken = []
            for count in (200, 400):
                for _ in range(count):
                    video.send(frame)
                time.sleep(1)
                taken.append(memory(process))
            assert taken[1] - taken[0] < 150  # of 200 that were sent
            video.socket.close()


def stream(address: str, **options: Any) -> Any:
    return connect(f"{address}/v1/stream".replace("http", "ws", 1), **options)
