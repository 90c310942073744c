"""Bodies, senders and sockets that mean no good: refused, and nobody else harmed."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from raypose.config.sections import (
    DetectorStageSection,
    LifterStageSection,
    PoseStageSection,
    ServeSection,
)
from raypose.distributed import serving as serve
from tests.distributed.serving.conftest import FOUND, ask, processes, section_at
from tests.distributed.serving.hostile import Attack, draw

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.timeout(1200)]


def section(address: str, models: Path, **changes: Any) -> ServeSection:
    return section_at(
        address,
        topology="fused",
        pose=PoseStageSection(weights=str(models / "pose.pth")),
        detector=DetectorStageSection(model=str(models / "person.onnx")),
        lifter=LifterStageSection(config=str(models / "lifter.pth")),
        max_image_bytes=1_000_000,
        max_image_pixels=1_000_000,
        max_request_bytes=3_000_000,
        **changes,
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
        attack_all(address, seed=1, number=1_000)
        before = memory(process)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda seed: attack_all(address, seed, 3_000), (2, 3, 4)))
        assert processes("FusedIngress") == {process}
        assert memory(process) - before < 20
