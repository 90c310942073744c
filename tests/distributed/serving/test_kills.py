"""Replicas that are killed, or leave, while requests are with them."""

from __future__ import annotations

import json
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
    each: dict[str, Any] = {"num_replicas": replicas, "num_cpus": 0.5}
    own: dict[str, Any] = each if topology == "chain" else {}
    return section_at(
        address,
        topology=topology,
        ingress=IngressSection(**own),
        pose=PoseStageSection(weights=str(models / "pose.pth"), **each),
        detector=DetectorStageSection(model=str(models / "person.onnx"), **own),
        lifter=LifterStageSection(config=str(models / "lifter.pth"), **own),
    )


class Callers:
    """Ask as long as they are let; what is refused is asked again when the answer says so."""

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
            self.seen["200" if good else f"{answer.status_code} {json.dumps(answer.json())}"] += 1
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


def check_nobody_noticed(callers: Callers) -> None:
    assert set(callers.seen) == {"200"}
    assert callers.sent == callers.answered


@pytest.fixture(scope="class")
def fused(address: str, models: Path) -> None:
    serve.run(section(address, models, "fused"))


@pytest.fixture(scope="class")
def chain(address: str, models: Path) -> None:
    serve.run(section(address, models, "chain"))


@pytest.mark.usefixtures("fused")
class TestFused:
    def test_nobody_notices_that_a_replica_died(self, address: str) -> None:
        check_nobody_noticed(kill_under_load(address, "FusedIngress"))

    @pytest.mark.slow
    def test_a_replica_that_leaves_answers_first(self, address: str, models: Path) -> None:
        before = processes("FusedIngress")
        with calling(address) as callers:
            serve.run(section(address, models, "fused", replicas=1))
            wait_until(lambda: len(processes("FusedIngress")) == 1)
            time.sleep(3)
        check_nobody_noticed(callers)
        assert processes("FusedIngress") < before

    @pytest.mark.slow
    def test_the_only_replica_that_died_is_waited_for(self, address: str, models: Path) -> None:
        serve.run(section(address, models, "fused", replicas=1))
        (before,) = processes("FusedIngress")
        with calling(address) as callers:
            os.kill(before, signal.SIGKILL)
            wait_until(lambda: processes("FusedIngress") - {before} != set())
        check_nobody_noticed(callers)

    @pytest.mark.slow
    def test_who_asks_while_it_is_started_again_is_told_to_wait(
        self, address: str, models: Path
    ) -> None:
        with calling(address) as callers:
            serve.stop()
            serve.run(section(address, models, "fused", replicas=1))
        assert callers.sent == callers.answered
        refused = {text[:15] for text in set(callers.seen) - {"200"}}
        assert refused == {'503 {"detail": '}, callers.seen


@pytest.mark.slow
@pytest.mark.usefixtures("chain")
class TestChain:
    @pytest.mark.parametrize(
        "deployment",
        ["DetectorDeployment", "PoseDeployment", "LifterDeployment", "ChainIngress"],
    )
    def test_nobody_notices_that_a_replica_died(self, address: str, deployment: str) -> None:
        check_nobody_noticed(kill_under_load(address, deployment))

    def test_replicas_that_leave_answer_first(self, address: str, models: Path) -> None:
        deployments = ["DetectorDeployment", "PoseDeployment", "LifterDeployment", "ChainIngress"]
        before = [processes(name) for name in deployments]
        with calling(address) as callers:
            serve.run(section(address, models, "chain", replicas=1))
            wait_until(lambda: all(len(processes(name)) == 1 for name in deployments))
            time.sleep(3)
        check_nobody_noticed(callers)
        assert all(processes(name) < each for name, each in zip(deployments, before, strict=True))
