"""The lifted skeleton in a real browser: it turns, zooms, and each person has one."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.distributed.serving.page.visits import BLUE, GREEN, RED, Open, one_person


def test_skeleton_in_3d_turns_with_the_mouse_and_zooms_with_the_wheel(visit: Open) -> None:
    one = visit()
    one.drop_grey()
    page = one.page
    bounds = page.locator("#space").bounding_box()
    assert bounds is not None
    x, y = bounds["x"] + bounds["width"] / 2, bounds["y"] + bounds["height"] / 2

    def drag(right: float, down: float) -> None:
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + right, y + down, steps=3)
        page.mouse.up()

    def side_over_up() -> float:
        (root, floor), (_, top), (side, _) = map(one.place_of, (RED, GREEN, BLUE))
        return (side - root) / (floor - top)

    def expected(degrees: float) -> float:
        # On the ground the side is at (0.6, 0.8) where the length up is 1: near things go to the
        # right as it turns, so far ones go to the left. Perspective shrinks what is farther than
        # the root: the eye is 5 radii away, a radius is the way from half the height to the side.
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        right, away = 0.6 * cos - 0.8 * sin, 0.6 * sin + 0.8 * cos
        return right * 5 / (5 + away / math.hypot(1, 0.5))

    # Half a degree a pixel: down to the horizon, from where heights show as they are.
    drag(0, -24)
    expect(page.locator("#space")).to_have_attribute("aria-label", re.compile("from 0° above"))
    assert side_over_up() == pytest.approx(expected(-25), abs=0.03)
    drag(180, 0)
    assert side_over_up() == pytest.approx(expected(65), abs=0.03)
    drag(100, 0)
    assert side_over_up() == pytest.approx(expected(115), abs=0.03)

    before = one.place_of(RED)[1] - one.place_of(GREEN)[1]
    page.mouse.wheel(0, -200)
    page.wait_for_timeout(100)
    after = one.place_of(RED)[1] - one.place_of(GREEN)[1]
    assert after / before == pytest.approx(math.exp(0.3), abs=0.05)

    page.locator("#space").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    label = "Lifted skeleton of person 1, turned 110°, seen from 5° above"
    expect(page.locator("#space")).to_have_attribute("aria-label", label)
    page.keyboard.press("0")
    expect(page.locator("#space")).to_have_attribute("aria-label", re.compile("turned -25°"))


def test_each_person_can_be_seen_in_3d(visit: Open) -> None:
    def two(width: int, height: int) -> list[dict[str, Any]]:
        (first,) = one_person(width, height)
        second = {
            **first,
            "bbox": [0.85 * width, 0.1 * height, 0.95 * width, 0.3 * height],
            "track_id": 7,
        }
        return [first, second]

    one = visit(instances={"pose": two})
    one.drop_grey()
    person = one.page.get_by_role("group", name="Person").get_by_role("button")
    assert person.all_inner_texts() == ["1", "#7"]
    person.nth(1).click()
    expect(person.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(one.page.locator("#space")).to_have_attribute("aria-label", re.compile("person #7"))
    bounds = one.page.locator("#picture").bounding_box()
    assert bounds is not None
    middle = bounds["x"] + 0.5 * bounds["width"], bounds["y"] + 0.4 * bounds["height"]
    one.page.mouse.click(*middle)
    expect(person.nth(0)).to_have_attribute("aria-pressed", "true")
