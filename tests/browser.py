"""A headless Chromium for the tests: the same picture on every run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

PATIENCE_MS = 240_000
"""Long enough for the slowest machine; nothing is measured with it."""
expect.set_options(timeout=PATIENCE_MS)

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
]


def find_browser() -> str | None:
    """`WORKBENCH_BROWSER`, an installed Chromium or Chrome, or what playwright fetched; None where there is none."""
    asked = os.environ.get("WORKBENCH_BROWSER")
    if asked:
        return asked
    installed = next((path for name in NAMES if (path := shutil.which(name))), None)
    if installed:
        return installed
    with sync_playwright() as player:
        fetched = player.chromium.executable_path
    return fetched if Path(fetched).exists() else None


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the whole run; its absence is a failure."""
    path = find_browser()
    if path is None:
        pytest.fail("No browser: `python launch.py test` finds or fetches one.")
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


def visiting(browser: Browser, **options: Any) -> BrowserContext:
    """Someone new at a window of 1440 x 900, patient, with fixed language and clock zone and no moving parts."""
    usual = {
        "viewport": {"width": 1440, "height": 900},
        "locale": "en-US",
        "timezone_id": "UTC",
        "reduced_motion": "reduce",
    }
    context = browser.new_context(**(usual | options))
    context.set_default_timeout(PATIENCE_MS)
    return context


@pytest.fixture
def browser_page(chromium: Browser) -> Iterator[Page]:
    """A fresh page, in the dark theme."""
    context = visiting(chromium, color_scheme="dark")
    yield context.new_page()
    context.close()
