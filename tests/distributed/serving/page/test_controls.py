"""Key, models, JSON, keyboard and width of the page in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.distributed.serving.page.fake_server import instance
from tests.distributed.serving.page.visits import BENT, GREY, POINTS, RED, Open, one_person


def test_key_is_asked_for_kept_for_the_tab_and_sent(visit: Open) -> None:
    one = visit(key="s3cret", expected="401")
    page = one.page
    field = page.get_by_label("This server asks for an API key")
    field.fill("wrong")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The server does not take this API key (401)")
    field.fill("s3cret")
    page.get_by_role("button", name="Use it").click()
    expect(page.locator("#served")).to_have_text("bent, 3 keypoints")
    expect(field).to_be_hidden()
    page.reload()
    one.drop_grey()
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 1]
    page.get_by_role("button", name="Camera").click()
    expect(page.locator("#rate")).to_have_text(re.compile("/s$"))


def test_choosing_a_model_asks_again_and_draws_its_skeleton(visit: Open) -> None:
    def corners(width: int, height: int) -> list[dict[str, Any]]:
        return [instance([[0.5 * width, 0.5 * height], [width, 0], [0, height]])]

    models = {"pose": BENT, "other": POINTS}
    one = visit(skeletons=models, instances={"pose": one_person, "other": corners})
    one.drop_grey()
    expect(one.page.get_by_text("In 3D")).to_be_visible()
    expect(one.page.locator("#stages")).to_have_text("DetectorPoseLifter")
    one.page.get_by_label("Model").select_option("other")
    expect(one.page.locator("#served")).to_have_text("points, 3 keypoints")
    expect(one.page.locator("#stages")).to_have_text("DetectorPose")
    expect(one.page.get_by_text("In 3D")).to_be_hidden()
    for _ in range(40):
        if one.pixel(0.5, 0.5) == tuple(RED):
            break
        one.page.wait_for_timeout(50)
    assert [name for name, _, _ in one.server.asked] == ["pose", "other"]
    assert one.pixel(0.5, 0.5) == tuple(RED)
    assert one.pixel(0.3, 0.35) == GREY


def test_answer_is_copied_and_downloaded(visit: Open) -> None:
    one = visit()
    one.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    one.page.get_by_text("Answer as JSON").click()
    expect(one.page.get_by_role("button", name="Copy")).to_be_disabled()
    one.drop_grey()
    expected = {
        "image": {"width": 400, "height": 200},
        "model": "pose",
        "instances": one_person(400, 200),
        "timings_ms": {"detector": 7.1, "pose": 20.3, "lifter": 2.0, "total": 31.2},
    }
    assert json.loads(one.page.locator("#json").inner_text()) == expected
    one.page.get_by_role("button", name="Copy").click()
    expect(one.page.get_by_role("button", name="Copied")).to_be_visible()
    assert json.loads(one.page.evaluate("navigator.clipboard.readText()")) == expected
    with one.page.expect_download() as download:
        one.page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "grey.json"
    assert json.loads(Path(download.value.path()).read_text(encoding="utf-8")) == expected


def test_page_works_below_a_path(visit: Open) -> None:
    one = visit(prefix="/lab/poses")
    one.drop_grey()
    assert one.pixel(0.3, 0.1) == tuple(RED)
    one.page.get_by_role("button", name="Camera").click()
    expect(one.page.locator("#rate")).to_have_text(re.compile("/s$"))


def test_everything_is_reached_by_keyboard(visit: Open) -> None:
    one = visit()
    one.drop_grey()
    reached = []
    for _ in range(16):
        one.page.keyboard.press("Tab")
        script = "document.activeElement.id || document.activeElement.tagName"
        reached.append(one.page.evaluate(script))
    assert reached[:5] == ["file", "camera", "BUTTON", "BUTTON", "BUTTON"]
    assert {"SUMMARY", "space", "show-boxes", "show-ids", "show-names", "threshold"} <= set(reached)


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_page_fits_every_width(visit: Open, width: int) -> None:
    one = visit()
    one.page.set_viewport_size({"width": width, "height": 800})
    one.drop_grey()
    one.page.get_by_text("Answer as JSON").click()
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    bounds = one.page.locator("#picture").bounding_box()
    assert bounds is not None
    assert bounds["width"] == pytest.approx(2 * bounds["height"], abs=1)
