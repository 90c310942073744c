"""Pictures in a real browser: sent, drawn where the answer says, timed."""

from __future__ import annotations

import base64
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.distributed.serving.page.visits import (
    BLUE,
    CYAN,
    FIRST_PERSON,
    GREEN,
    GREY,
    RED,
    YELLOW,
    Open,
    grey_png,
)


def test_sample_is_sent_and_drawn_where_the_answer_says(visit: Open) -> None:
    one = visit()
    one.page.get_by_role("button", name="Sample: two people in a park").click()
    expect(one.page.locator("#count")).to_have_text("1")
    expect(one.page.get_by_role("img", name="Picture with 1 person")).to_be_visible()
    assert one.server.asked == [("pose", 480, 320)]
    assert one.pixel(0.3, 0.1) == tuple(RED)
    assert one.pixel(0.3, 0.6) == tuple(GREEN)
    assert one.pixel(0.7, 0.6) == tuple(BLUE)
    assert one.pixel(0.3, 0.35) == tuple(YELLOW)
    assert one.pixel(0.5, 0.6) == tuple(CYAN)
    for x, y in ((0.2, 0.4), (0.8, 0.4), (0.5, 0.05), (0.5, 0.7)):
        assert one.pixel(x, y) == FIRST_PERSON


def test_dropped_picture_is_shown_under_the_skeleton(visit: Open) -> None:
    one = visit()
    one.drop_grey()
    assert one.server.asked == [("pose", 400, 200)]
    assert one.pixel(0.3, 0.1) == tuple(RED)
    for x, y in ((0.1, 0.5), (0.5, 0.3), (0.6, 0.65), (0.95, 0.95)):
        assert one.pixel(x, y) == GREY


def test_chosen_and_pasted_pictures_are_sent(visit: Open, tmp_path: Path) -> None:
    one = visit()
    (tmp_path / "grey.png").write_bytes(grey_png())
    one.page.get_by_label("Choose a picture").set_input_files(tmp_path / "grey.png")
    expect(one.page.locator("#count")).to_have_text("1")
    script = """(content) => {
        const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        const clipboardData = new DataTransfer();
        clipboardData.items.add(new File([bytes], "image.png", { type: "image/png" }));
        document.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
    }"""
    with one.page.expect_response(re.compile("v1/pose")):
        one.page.evaluate(script, base64.b64encode(grey_png()).decode())
    assert one.server.asked == [("pose", 400, 200)] * 2


def test_threshold_and_toggles_change_what_is_drawn(visit: Open) -> None:
    one = visit()
    one.drop_grey()
    page = one.page
    page.get_by_label("Keypoints that score at least").fill("0.6")
    expect(page.locator("#threshold-value")).to_have_text("0.60")
    assert one.pixel(0.7, 0.6) == GREY
    assert one.pixel(0.5, 0.6) == GREY
    assert one.pixel(0.3, 0.35) == tuple(YELLOW)
    page.get_by_label("Boxes").uncheck()
    assert one.pixel(0.8, 0.4) == GREY
    tag = (0.202, 0.04)
    assert one.pixel(*tag) == FIRST_PERSON
    page.get_by_label("Ids").uncheck()
    assert one.pixel(*tag) == GREY
    # White letters with a dark edge right of the joint, at its height.
    height, width = one.canvas("#picture").shape[:2]
    rows = slice(int(0.1 * height) - 6, int(0.1 * height) + 6)
    columns = slice(int(0.3 * width) + 8, int(0.3 * width) + 28)
    assert np.unique(one.canvas("#picture")[rows, columns]).tolist() == [128]
    page.get_by_label("Keypoint names").check()
    letters = one.canvas("#picture")[rows, columns]
    assert letters.min() < 60
    assert letters.max() > 200
    page.get_by_label("Keypoints that score at least").fill("1")
    # Who was detected is still somebody.
    expect(page.locator("#count")).to_have_text("1")
    assert one.pixel(0.3, 0.1) == GREY


def test_timings_add_up_to_the_round_trip(visit: Open) -> None:
    one = visit()
    one.drop_grey()
    rows = [row.split("\n") for row in one.page.locator("#timings li").all_inner_texts()]
    assert [row[0] for row in rows] == [
        "Detector",
        "Pose",
        "Lifter",
        "Rest of server",
        "Network, waiting",
    ]
    assert [row[-1] for row in rows[:4]] == ["7.1 ms", "20 ms", "2.0 ms", "1.8 ms"]
    shown = one.page.locator("#round-trip").inner_text()
    network = float(rows[4][-1].removesuffix(" ms"))
    assert float(shown.removesuffix(" ms")) == pytest.approx(31.2 + network, abs=1)
    script = """(items) => items.map((item) => {
        const style = item.children[1].style;
        return [style.getPropertyValue("--from"), style.getPropertyValue("--share")].map(Number);
    })"""
    bars = one.page.locator("#timings li").evaluate_all(script)
    for (start, share), (following, _) in pairwise(bars):
        assert start + share == pytest.approx(following)
    assert sum(bars[-1]) == pytest.approx(1)


def test_an_error_shows_the_reason_and_no_earlier_numbers(visit: Open) -> None:
    one = visit(expected="415")
    one.drop_grey()
    one.drop(b"a text", "text.png", "image/png")
    alert = one.page.get_by_role("alert")
    expect(alert).to_have_text("The body is no picture that can be read (415)")
    expect(one.page.locator("#count")).to_have_text("\N{EN DASH}")
    expect(one.page.locator("#timings li")).to_have_count(0)
    expect(one.page.get_by_text("Drop a picture here")).to_be_visible()
    one.drop_grey()
    expect(alert).to_be_hidden()


def test_model_without_a_skeleton_shows_points_with_numbers(visit: Open) -> None:
    one = visit(skeletons={"pose": None}, lifter=None)
    one.drop_grey()
    expect(one.page.locator("#served")).to_have_text("a skeleton that is not described")
    assert one.pixel(0.3, 0.1) == (51, 153, 255)
    assert one.pixel(0.3, 0.35) == GREY
    before = one.canvas("#picture")
    one.page.get_by_label("Keypoint names").check()
    assert (one.canvas("#picture") != before).any()
