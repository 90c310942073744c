"""An installed Chromium, run by Playwright; none is downloaded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    *(
        f"{os.environ.get(root, '')}/{program}"
        for root in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
        for program in (
            "Google/Chrome/Application/chrome.exe",
            "Microsoft/Edge/Application/msedge.exe",
        )
    ),
)
_ARGUMENTS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    # Root, as in a container, runs Chromium only without its sandbox.
    *(["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []),
)


def find_browser() -> str | None:
    """Return the path of an installed Chromium, Chrome or Edge."""
    on_path = (shutil.which(name) for name in _NAMES)
    in_place = (place for place in _PLACES if Path(place).is_file())
    return next((found for found in (*on_path, *in_place) if found), None)


def launch(playwright: Playwright) -> Browser:
    """Start the installed browser without a window; its camera is a test pattern.

    Raises:
        RuntimeError: if none is found.
    """
    path = find_browser()
    if path is None:
        raise RuntimeError("no Chromium, Chrome or Edge is installed")
    return playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
