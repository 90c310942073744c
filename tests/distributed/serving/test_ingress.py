"""The ingress by itself: what a refusal leaves behind."""

from __future__ import annotations

import asyncio
import traceback

import pytest
from fastapi import HTTPException, Request, Response
from ray.serve.exceptions import BackPressureError

from raypose.config.sections import ServeSection
from raypose.distributed.serving.ingress import Ingress
from raypose.distributed.serving.metrics import ServeMetrics


@pytest.mark.parametrize("leaving", [True, False], ids=["leaving", "busy"])
def test_a_refusal_does_not_keep_the_requests_before_it(leaving: bool) -> None:
    ingress = Ingress.__new__(Ingress)
    ingress._section = ServeSection()
    ingress._metrics = ServeMetrics("replica")
    ingress._in_flight = 0
    ingress._leaving = leaving

    async def answer(request: Request) -> Response:
        raise BackPressureError(num_queued_requests=1, max_queued_requests=1)

    def frames() -> int:
        request = Request({"type": "http", "headers": []})
        with pytest.raises(HTTPException) as caught:
            asyncio.run(ingress._counted("pose", request, answer))
        assert caught.value.status_code == 503
        return len(traceback.extract_tb(caught.value.__traceback__))

    assert frames() == frames() == frames()
