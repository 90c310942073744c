"""Screenshots of a running server's page with a picture: light and dark, wide and phone.

    python -m tests.benchmarks.page_screenshots http://127.0.0.1:8000/ PICTURE OUT [--api-key KEY]

It needs a Chromium, Chrome or Edge that is installed.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import Literal

from playwright.sync_api import sync_playwright

from tests.distributed.serving.page.browser import launch

SIZES = {"wide": (1440, 900), "phone": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main() -> None:
    """Take an empty page and one with an answer in each look."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("picture", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--api-key")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for (size, (width, height)), scheme in product(SIZES.items(), SCHEMES):
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                device_scale_factor=2 if size == "phone" else 1,
            )
            page.goto(given.url)
            if given.api_key:
                page.get_by_label("This server asks for an API key").fill(given.api_key)
                page.get_by_role("button", name="Use it").click()
            page.locator("#served").wait_for()
            page.screenshot(path=given.out / f"{size}-{scheme}-empty.png", full_page=True)
            page.locator("#file").set_input_files(given.picture)
            page.locator("#timings li").first.wait_for(timeout=120_000)
            page.wait_for_timeout(400)  # bars glide to their place
            page.screenshot(path=given.out / f"{size}-{scheme}.png", full_page=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
