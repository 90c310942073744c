"""The page of a server in an installed browser; without one these tests skip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.distributed.serving.page.browser import find_browser, launch
from tests.distributed.serving.page.fake_server import FakeServer, served
from tests.distributed.serving.page.visits import BENT, POINTS, Open, Visit, one_person


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if find_browser() is None:
        pytest.skip("no Chromium, Chrome or Edge is installed")
    with sync_playwright() as driver:
        chromium = launch(driver)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Open the page of a server; at the end nothing may have gone wrong that is not expected."""
    visits: list[tuple[Visit, str | None]] = []

    def open_page(*, expected: str | None = None, **changes: Any) -> Visit:
        given: dict[str, Any] = {
            "skeletons": {"pose": BENT},
            "instances": {"pose": one_person},
            "lifter": POINTS,
        }
        server = stack.enter_context(served(FakeServer(**{**given, **changes})))
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        stack.callback(context.close)
        one = Visit(context.new_page(), server)
        visits.append((one, expected))
        one.page.goto(server.url)
        return one

    with ExitStack() as stack:
        yield open_page
    for one, expected in visits:
        own = (urlsplit(one.server.url).netloc, "")  # blob: and data: have no host
        assert {urlsplit(url).netloc for url in one.asked} <= set(own)
        assert [text for text in one.problems if expected is None or expected not in text] == []
