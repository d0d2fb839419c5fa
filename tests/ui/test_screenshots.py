"""The pictures of the page: the same bytes from two fresh servers, and the one in the README."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.contract_server import Vista3dNim
from tests.serving import ROOT, Server
from tests.ui.desk import TABS, Desk

pytestmark = pytest.mark.browser

SIZES = ((1440, 900), (1024, 768))
README_PICTURE = ROOT / "assets/screenshots/segment-demo.png"
KEEP_IN = os.environ.get("WORKBENCH_SCREENSHOTS_DIR")
"""Where a person wants to look at all of them."""


def shoot(desk: Desk, name: str, into: dict[str, bytes]) -> None:
    """The page as it stands, in both sizes and themes."""
    desk.page.mouse.move(1, 1)
    for width, height in SIZES:
        desk.page.set_viewport_size({"width": width, "height": height})
        for theme in ("dark", "light"):
            if (theme == "dark") != desk.page.evaluate("document.body.classList.contains('dark')"):
                desk.page.evaluate("document.querySelector('#wb-theme').click()")
            desk.still()
            into[f"{name}-{width}-{theme}"] = desk.page.screenshot(animations="disabled", caret="hide")


def demo(desk: Desk) -> None:
    """The demo case segmented, and its liver looked for."""
    desk.open_demo()
    desk.run()
    desk.row("liver").locator(".wb-jump").click()
    desk.page.locator("#seg-viewer").evaluate("each => each.focus()")
    desk.page.evaluate("document.activeElement.blur()")
    desk.still()


def mock_set(desk: Desk, note: Path) -> dict[str, bytes]:
    taken: dict[str, bytes] = {}
    for tab in (*TABS[1:], "Segment"):
        desk.page.get_by_role("tab", name=tab, exact=True).click()
        if tab == "Status":
            expect(desk.page.locator("#status-table tr[data-state=mock]")).to_have_count(4)
        if tab == "Synthesize":
            expect(desk.page.locator("#syn-form[data-state=allowed] #syn-run")).to_be_enabled()
            expect(desk.page.locator("#syn-viewer")).to_have_attribute("data-state", "empty")
        if tab == "Ask":
            expect(desk.page.locator("#ask-room")).to_have_attribute("data-picture", "none")
            expect(desk.page.locator("#ask-answer .chat-who")).to_contain_text("MOCK")
        if tab == "Chat":
            expect(desk.page.locator("#chat-room")).to_have_attribute("data-library", "ready")
        desk.page.evaluate("document.activeElement.blur()")
        shoot(desk, tab.lower(), taken)
    demo(desk)
    shoot(desk, "demo", taken)
    desk.upload(note)
    expect(desk.trouble).to_be_visible()
    shoot(desk, "error", taken)
    return taken


def local_set(desk: Desk, small_ct: Path) -> dict[str, bytes]:
    taken: dict[str, bytes] = {}
    expect(desk.page.locator("#nim-vista3d")).to_have_attribute("data-state", "available")
    desk.open_ct(small_ct)
    desk.choose("liver", "spleen", "aorta")
    desk.run()
    desk.page.evaluate("document.activeElement.blur()")
    shoot(desk, "local", taken)
    return taken


def test_two_fresh_servers_give_the_same_pictures_of_everything(
    start: Callable[..., Server], chromium: Browser, small_ct: Path, tmp_path: Path
) -> None:
    note = tmp_path / "note.nii.gz"
    note.write_text("These are words, no voxels.")
    runs: list[dict[str, bytes]] = []
    with Vista3dNim() as nim:
        settings = {f"IMAGING_NIM_{name}_URL": "http://127.0.0.1:9" for name in ("MAISI", "VILAM3", "LLM")}
        for _ in range(2):
            taken: dict[str, bytes] = {}
            for server, steps, thing in (
                (start(), mock_set, note),
                (
                    start(IMAGING_NIM_MODE="local", IMAGING_NIM_VISTA3D_URL=nim.url, **settings),
                    local_set,
                    small_ct,
                ),
            ):
                desk = Desk(chromium, server.url)
                taken |= steps(desk, thing)
                desk.close()
            runs.append(taken)
    if KEEP_IN:
        for name, png in runs[0].items():
            (Path(KEEP_IN) / f"{name}.png").write_bytes(png)
            (Path(KEEP_IN) / f"{name}-again.png").write_bytes(runs[1][name])
    assert len(runs[0]) == 4 * (len(TABS) + 3)
    assert [name for name in runs[0] if runs[0][name] != runs[1][name]] == []


def test_the_picture_in_the_readme_can_be_made_and_is_there(sit_down: Callable[..., Desk], mock_server: Server) -> None:
    desk = sit_down(mock_server)
    demo(desk)
    desk.page.mouse.move(1, 1)
    taken = Image.open(io.BytesIO(desk.page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
    packed = io.BytesIO()
    taken.save(packed, "PNG", optimize=True)
    assert taken.size == SIZES[0]
    assert len(packed.getvalue()) < 600_000
    assert desk.band()
    if os.environ.get("WORKBENCH_WRITE_SCREENSHOTS") == "1":
        README_PICTURE.parent.mkdir(parents=True, exist_ok=True)
        README_PICTURE.write_bytes(packed.getvalue())
    with Image.open(README_PICTURE) as kept:
        assert (kept.size, kept.mode) == (SIZES[0], "RGB")
    assert README_PICTURE.stat().st_size < 600_000
