"""Replicas that are killed, or leave, while requests are with them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from raypose.config.sections import (
    DetectorStageSection,
    IngressSection,
    LifterStageSection,
    PoseStageSection,
    ServeSection,
)
from raypose.distributed import serving as serve
from tests.distributed.serving.conftest import PNG, processes, section_at

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.timeout(600)]

CALLERS = 8


def section(address: str, models: Path, topology: str, replicas: int = 2) -> ServeSection:
    own: dict[str, Any] = {"num_replicas": replicas} if topology == "chain" else {}
    return section_at(
        address,
        topology=topology,
        ingress=IngressSection(**own),
        pose=PoseStageSection(weights=str(models / "pose.pth"), num_replicas=replicas),
        detector=DetectorStageSection(model=str(models / "person.onnx"), **own),
        lifter=LifterStageSection(config=str(models / "lifter.pth"), **own),
    )


class Callers:
    """Ask as long as they are let; what is not answered by 200 is asked again when told so."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.sent = 0
        self.seen: Counter[str] = Counter()
        self.answered = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def _call(self) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._stop.is_set():
                with self._lock:
                    self.sent += 1
                end = time.monotonic() + 60
                while time.monotonic() < end:
                    wait = self._ask(client)
                    if wait is None:
                        break
                    time.sleep(wait)

    def _ask(self, client: httpx.Client) -> float | None:
        """Ask once; returns seconds after which to ask again."""
        try:
            answer = client.post(f"{self.address}/v1/pose", content=PNG)
        except httpx.TransportError as error:
            with self._lock:
                self.seen[repr(error)] += 1
            return 0.5
        good = answer.status_code == 200 and len(answer.json()["instances"]) == 1
        with self._lock:
            self.seen["200" if good else f"{answer.status_code} {answer.text}"] += 1
            self.answered += good
        return None if good else float(answer.headers["retry-after"])


@contextmanager
def calling(address: str) -> Iterator[Callers]:
    """Have callers ask during a block, and wait for their last answers."""
    callers = Callers(address)
    threads = [threading.Thread(target=callers._call) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: callers.answered > CALLERS)
        yield callers
    finally:
        callers._stop.set()
        for thread in threads:
            thread.join()


def wait_until(holds: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def kill_under_load(address: str, deployment: str) -> Callers:
    """Kill one replica of two, and go on until there is another."""
    before = processes(deployment)
    assert len(before) == 2
    with calling(address) as callers:
        os.kill(min(before), signal.SIGKILL)
        wait_until(lambda: len(processes(deployment) - {min(before)}) == 2)
        since = callers.answered
        wait_until(lambda: callers.answered > since + CALLERS)
    return callers


def check_refusals(callers: Callers) -> None:
    """Whoever was with the dead replica was told so, and got an answer from another."""
    assert callers.sent == callers.answered
    refused = set(callers.seen) - {"200"}
    assert all(text.startswith('503 {"detail": "') for text in refused), refused


@pytest.fixture(scope="class")
def fused(address: str, models: Path) -> None:
    serve.run(section(address, models, "fused"))


@pytest.fixture(scope="class")
def chain(address: str, models: Path) -> None:
    serve.run(section(address, models, "chain"))


@pytest.mark.usefixtures("fused")
class TestFused:
    def test_who_was_with_a_dead_replica_is_told_and_answered_by_another(
        self, address: str
    ) -> None:
        check_refusals(kill_under_load(address, "FusedIngress"))

    @pytest.mark.slow
    def test_a_replica_that_leaves_answers_first(self, address: str, models: Path) -> None:
        with calling(address) as callers:
            serve.run(section(address, models, "fused", replicas=1))
            wait_until(lambda: len(processes("FusedIngress")) == 1)
            time.sleep(3)
        assert set(callers.seen) == {"200"}
        assert callers.sent == callers.answered

    @pytest.mark.slow
    def test_who_asks_while_it_is_started_again_is_told_to_wait(
        self, address: str, models: Path
    ) -> None:
        with calling(address) as callers:
            serve.stop()
            serve.run(section(address, models, "fused", replicas=1))
        check_refusals(callers)


@pytest.mark.slow
@pytest.mark.usefixtures("chain")
class TestChain:
    @pytest.mark.parametrize(
        "deployment", ["DetectorDeployment", "PoseDeployment", "LifterDeployment"]
    )
    def test_the_ingress_asks_again_where_a_model_died(self, address: str, deployment: str) -> None:
        callers = kill_under_load(address, deployment)
        assert set(callers.seen) == {"200"}
        assert callers.sent == callers.answered

    def test_who_was_with_a_dead_ingress_is_told_and_answered_by_another(
        self, address: str
    ) -> None:
        check_refusals(kill_under_load(address, "ChainIngress"))

    def test_replicas_that_leave_answer_first(self, address: str, models: Path) -> None:
        with calling(address) as callers:
            serve.run(section(address, models, "chain", replicas=1))
            wait_until(lambda: len(processes("DetectorDeployment")) == 1)
            time.sleep(3)
        assert set(callers.seen) == {"200"}
        assert callers.sent == callers.answered
