"""The camera in a real browser, whose camera is a test pattern."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.distributed.serving.page.visits import CYAN, RED, Open


def test_camera_sends_two_frames_at_most_ahead_and_draws_each_answer(visit: Open) -> None:
    one = visit(replies={1: {"dropped": True}, 3: {"dropped": True}}, seconds=0.08)
    page, server = one.page, one.server
    page.get_by_role("button", name="Camera").click()
    expect(page.locator("#rate")).to_have_text(re.compile("/s$"))
    for _ in range(100):
        if len(server.frames) >= 8:
            break
        page.wait_for_timeout(50)
    assert len(server.frames) >= 8
    assert max(server.waiting) == 2
    assert all(max(size) <= 960 for size in server.frames)
    assert page.locator("#rate").get_attribute("title") == "2 dropped by the server"
    assert one.pixel(0.3, 0.1) == tuple(RED)
    assert one.pixel(0.5, 0.6) == tuple(CYAN)
    # The picture under it is the test pattern, not an empty canvas.
    assert one.pixel(0.5, 0.3) != (0, 0, 0)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Camera")).to_have_attribute("aria-pressed", "false")
    page.wait_for_timeout(200)
    count = len(server.frames)
    page.wait_for_timeout(300)
    assert len(server.frames) == count


def test_camera_tells_what_was_wrong_with_frames_and_goes_on(visit: Open) -> None:
    one = visit(replies={number: {"error": "frame is cut off"} for number in range(2, 9999)})
    one.page.get_by_role("button", name="Camera").click()
    expect(one.page.get_by_role("alert")).to_have_text("Frame is cut off")
    stop = one.page.get_by_role("button", name="Stop")
    expect(stop).to_have_attribute("aria-pressed", "true")
    count = len(one.server.frames)
    one.page.wait_for_timeout(1000)
    assert len(one.server.frames) > count
    stop.click()


def test_camera_stops_and_tells_why_a_stream_ended(visit: Open) -> None:
    one = visit(replies={1: {"error": "cut off"}, 6: {"close": "the model is gone"}})
    one.page.get_by_role("button", name="Camera").click()
    expect(one.page.get_by_role("alert")).to_have_text("The model is gone", timeout=20_000)
    camera = one.page.get_by_role("button", name="Camera")
    expect(camera).to_have_attribute("aria-pressed", "false")
    assert len(one.server.frames) == 7
    camera.click()
    expect(one.page.locator("#rate")).to_have_text(re.compile("/s$"))
