"""The report in a browser: nothing is missing, nothing is wider than the screen, at any size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, sync_playwright

from raypose.visualization import (
    Chart,
    Charts,
    Example,
    Facts,
    Gallery,
    Histogram,
    Number,
    Numbers,
    Report,
    Table,
    write_report,
)
from tests.distributed.serving.page.browser import find_browser, launch

pytestmark = pytest.mark.skipif(find_browser() is None, reason="no browser is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    image = np.full((300, 500, 3), 90, np.uint8)
    report = Report(
        title="a_rather_long_name_of_a_run_that_has_no_spaces_at_all",
        summary="s",
        parts=[
            Numbers([Number(label="best coco/AP", value="0.7132")] * 6),
            Charts(
                "Training",
                [
                    Chart(title="Loss", x_label="step", series={"loss": [(1, 2.0), (2, 1.0)]}),
                    Histogram(title="Errors", x_label="px", values=[1.0, 2.0]),
                ],
            ),
            Table(
                heading="Errors",
                columns=["keypoint", *(f"column {i}" for i in range(9))],
                rows=[("nose", [1.5] * 9)],
                bars=["column 1"],
            ),
            Gallery(
                heading="Worst",
                examples=[
                    Example(
                        views=[("prediction", image), ("truth", image)],
                        caption="a/very/long/path/without/any/space/" * 4,
                    )
                ],
            ),
            Facts(
                heading="Config",
                facts={"Data": "x" * 200},
                text_name="All of it",
                text="key: " + "v" * 300,
            ),
        ],
    )
    return write_report(report, tmp_path / "report.html")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_says_nothing_wrong(
    browser: Browser, path: Path, width: int, scheme: str
) -> None:
    page = browser.new_page(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    widths = page.locator("img").evaluate_all("all => all.map(i => [i.naturalWidth, i.width])")
    assert [natural for natural, _ in widths] == [480, 480]
    assert all(shown > 50 for _, shown in widths)
    bars = page.locator("rect.bin").evaluate_all("all => all.map(b => getComputedStyle(b).fill)")
    assert bars
    assert bars[0] not in ("rgb(0, 0, 0)", "none")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
    page.close()
