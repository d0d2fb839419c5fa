"""The page for everyone: by keyboard, with a screen reader, in both themes, without a network."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.serving import Server
from tests.ui.desk import TABS, Desk

pytestmark = pytest.mark.browser

CONTROLS = {
    "button", "checkbox", "textbox", "combobox", "slider", "link", "tab", "spinbutton", "searchbox", "listbox",
    "option", "radio", "switch", "menuitem", "DisclosureTriangle", "application", "dialog", "progressbar",
}  # fmt: skip

FAINT = """() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = ([r, g, b, a], under) => [r, g, b].map((value, c) => value * a + under[c] * (1 - a));
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (rgb) => [0.2126, 0.7152, 0.0722].reduce((sum, share, c) => sum + share * linear(rgb[c] / 255), 0);
  const lineage = (element) => (element ? [...lineage(element.parentElement), element] : []);
  const exempt = 'script, style, option, :disabled, [inert], .wb-sr, .wbv-live';
  const faint = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || element.closest(exempt)) continue;
    const box = element.getBoundingClientRect();
    const shown = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    if (!shown || !box.width || !box.height) continue;
    const styles = lineage(element).map((each) => getComputedStyle(each));
    const under = styles.reduce((below, style) => over(parse(style.backgroundColor), below), [255, 255, 255]);
    const style = styles.at(-1);
    const colour = parse(style.color);
    colour[3] *= styles.reduce((product, each) => product * Number(each.opacity), 1);
    const [bright, dim] = [light(over(colour, under)), light(under)].sort((x, y) => y - x);
    const ratio = (bright + 0.05) / (dim + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    seen += 1;
    if (ratio < (large ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)} ${text.slice(0, 40)} ${style.color} on ${under}`);
  }
  return [seen, faint];
}"""
"""Text whose contrast is below WCAG 2.2 AA (success criterion 1.4.3); inactive controls are exempt there."""

REACHABLE = """() => {
  let number = 0;
  for (const each of document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')) {
    if (each.disabled || each.tabIndex < 0 || each.type === 'hidden' || each.closest('[inert]')) continue;
    if (!each.getClientRects().length || getComputedStyle(each).visibility === 'hidden') continue;
    each.dataset.reach = String(number); number += 1;
  }
  return number;
}"""

FOCUSED = """() => { const each = document.activeElement; const style = getComputedStyle(each);
  const ring = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none'
    || [...each.children].some((child) => getComputedStyle(child).boxShadow !== 'none');
  return [each.dataset.reach ?? '', ring, each.outerHTML.slice(0, 120)]; }"""

OVERFLOW = """() => { const page = document.scrollingElement;
  return [page.scrollWidth - innerWidth, page.scrollHeight - innerHeight]; }"""


INSPECTOR_OVERFLOW = """() => { const each = document.querySelector('#seg-inspector');
  return each.scrollWidth - each.clientWidth; }"""


@pytest.fixture(scope="module")
def small_mask(chromium, mock_server: Server, small_ct: Path):
    """A small CT with three structures found, looked at by several tests."""
    desk = Desk(chromium, mock_server.url)
    desk.open_ct(small_ct)
    desk.choose("left lung lower lobe", "right lung lower lobe", "liver")
    desk.run()
    desk.row("left lung lower lobe").locator(".wb-jump").click()
    desk.still()
    yield desk
    desk.close()


def open_tab(desk: Desk, name: str) -> None:
    desk.page.get_by_role("tab", name=name, exact=True).click()
    expect(desk.page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("state", ["empty", "segmented", "error"])
def test_every_text_has_enough_contrast(
    sit_down: Callable[..., Desk], mock_server: Server, small_mask: Desk, tmp_path: Path, theme: str, state: str
) -> None:
    if state == "segmented":
        desk = small_mask
        if (theme == "dark") != desk.page.evaluate("document.body.classList.contains('dark')"):
            desk.page.click("#wb-theme")
    else:
        desk = sit_down(mock_server, theme=theme)
        if state == "error":
            (tmp_path / "note.nii").write_text("words, no voxels")
            desk.upload(tmp_path / "note.nii")
            expect(desk.trouble).to_be_visible()
    for tab in TABS if state == "empty" else ("Segment",):
        open_tab(desk, tab)
        seen, faint = desk.page.evaluate(FAINT)
        assert seen >= 10
        assert faint == []


def test_every_control_has_a_name_and_a_role(small_mask: Desk) -> None:
    session = small_mask.context.new_cdp_session(small_mask.page)
    for tab in (*TABS, "Segment"):
        open_tab(small_mask, tab)
        tree = session.send("Accessibility.getFullAXTree")["nodes"]
        controls = [each for each in tree if not each["ignored"] and each["role"]["value"] in CONTROLS]
        assert len(controls) >= 6
        nameless = [
            (each["role"]["value"], each.get("description", {}).get("value"), each["backendDOMNodeId"])
            for each in controls
            if not str(each.get("name", {}).get("value", "")).strip()
        ]
        where = [
            session.send("DOM.describeNode", {"backendNodeId": node, "depth": 0})["node"]["attributes"]
            for _, _, node in nameless
        ]
        assert where == []


@pytest.mark.parametrize("state", ["empty", "segmented"])
def test_every_control_is_reached_with_tab_and_shows_that_it_is(desk: Desk, small_mask: Desk, state: str) -> None:
    at = small_mask if state == "segmented" else desk
    open_tab(at, "Segment")
    at.page.evaluate("document.activeElement.blur()")
    count = at.page.evaluate(REACHABLE)
    assert count >= 15
    reached, unseen = set(), []
    for _ in range(count + 40):  # some fields of Gradio's take the focus twice, and the browser's own frame once
        at.page.keyboard.press("Tab")
        number, ring, element = at.page.evaluate(FOCUSED)
        reached.add(number)
        if number and not ring:
            unseen.append(element)
    missing = [
        at.page.locator(f"[data-reach='{number}']").evaluate("each => each.outerHTML.slice(0, 160)")
        for number in range(count)
        if str(number) not in reached
    ]
    assert missing == []
    assert unseen == []


def test_the_whole_way_can_be_gone_with_the_keyboard_alone(desk: Desk) -> None:
    desk.page.locator("#seg-demo").focus()
    desk.page.keyboard.press("Enter")
    desk.wait_open()
    desk.viewer.focus()
    slices = int(desk.seen("slices"))
    middle = int(desk.seen("slice"))
    for key, at in [("ArrowUp", middle + 1), ("PageDown", middle - 9), ("Home", 1), ("End", slices)]:
        desk.page.keyboard.press(key)
        desk.shows("slice", at)
    desk.page.keyboard.press("s")
    desk.shows("plane", "sagittal")
    field = desk.page.locator("#seg-classes input")
    field.focus()
    desk.page.keyboard.type("liver")
    desk.page.get_by_role("option", name="liver", exact=True).wait_for()
    desk.page.keyboard.press("Enter")
    desk.page.keyboard.press("Escape")
    expect(desk.run_button).to_have_text("Segment 1 structure")
    desk.run_button.focus()
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#seg-organs-table")
    desk.row("liver").get_by_role("checkbox").focus()
    desk.page.keyboard.press("Space")
    expect(desk.row("liver").get_by_role("checkbox")).not_to_be_checked()
    desk.row("liver").locator(".wb-jump").focus()
    desk.page.keyboard.press("Enter")
    expect(desk.row("liver")).to_have_attribute("data-picked", "")


def test_every_tab_opens_and_is_remembered_by_the_address(desk: Desk) -> None:
    for name in TABS[1:]:
        open_tab(desk, name)
        desk.page.wait_for_url(f"**/?tab={name.lower()}")
        expect(desk.page.locator("#nim-panel")).to_be_visible()
        # A synthetic CT and a picture asked about have badges of their own: neither is the case open on other tabs.
        own = {"Synthesize": "#syn-badge", "Ask": "#ask-badge"}.get(name, "#origin-badge")
        expect(desk.page.locator(f"{own} .wb-badge")).to_be_visible()
    open_tab(desk, "Segment")
    assert "tab=" not in desk.page.url


@pytest.mark.parametrize("name", TABS)
def test_an_address_opens_its_tab(sit_down: Callable[..., Desk], mock_server: Server, name: str) -> None:
    desk = sit_down(mock_server, path=f"/?tab={name.lower()}")
    expect(desk.page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize("size", [(1440, 900), (1280, 720), (1024, 768)])
def test_nothing_scrolls_but_the_inspector_and_nothing_overlaps(small_mask: Desk, size: tuple[int, int]) -> None:
    small_mask.page.set_viewport_size({"width": size[0], "height": size[1]})
    try:
        for tab in (*TABS, "Segment"):
            open_tab(small_mask, tab)
            across, down = small_mask.page.evaluate(OVERFLOW)
            assert across == 0
            assert down == 0 or tab == "Status", "a page of tables may be longer than the screen, a picture may not"
            boxes = [
                small_mask.page.locator(place).bounding_box()
                for place in ("#wb-tabs [role=tab] >> nth=-1", ".wb-top .wb-chips", "#wb-theme")
            ]
            for left, right in itertools.pairwise(boxes):
                assert left["x"] + left["width"] <= right["x"]
        viewer = small_mask.viewer.bounding_box()
        inspector = small_mask.page.locator("#seg-inspector").bounding_box()
        assert viewer["width"] * viewer["height"] > 0.45 * size[0] * size[1]
        assert viewer["x"] + viewer["width"] <= inspector["x"] + 1
        assert small_mask.page.evaluate(INSPECTOR_OVERFLOW) == 0
    finally:
        small_mask.page.set_viewport_size({"width": 1440, "height": 900})


def test_the_inspector_is_a_drawer_that_gives_its_room_to_the_picture(desk: Desk) -> None:
    desk.page.set_viewport_size({"width": 1024, "height": 768})
    opener = desk.page.get_by_role("button", name="Hide controls")
    expect(opener).to_have_attribute("aria-expanded", "true")
    before = desk.viewer.bounding_box()["width"]
    opener.click()
    expect(desk.page.locator("#seg-inspector")).to_be_hidden()
    assert desk.viewer.bounding_box()["width"] == 1024 > before
    desk.page.get_by_role("button", name="Show controls").click()
    expect(desk.page.locator("#seg-inspector")).to_be_visible()


def test_the_theme_is_kept_for_the_next_visit(desk: Desk) -> None:
    desk.page.get_by_role("button", name="Switch between dark and light").click()
    assert not desk.page.evaluate("document.body.classList.contains('dark')")
    desk.open()
    assert not desk.page.evaluate("document.body.classList.contains('dark')")


def test_the_cut_off_process_of_these_tests_really_is_cut_off(no_network: Path) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    ended = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(no_network)}, capture_output=True, text=True, check=False
    )
    assert "no network in this test: 192.0.2.1" in ended.stderr
    (no_network / "sitecustomize.py.tried").unlink()


def test_page_and_documentation_work_without_a_network(
    desk: Desk, mock_server: Server, no_network: Path, small_ct: Path
) -> None:
    desk.open_ct(small_ct)
    desk.choose("left lung lower lobe")
    desk.run()
    for name in TABS:
        open_tab(desk, name)
    assert len(desk.requests) > 20
    assert desk.outside() == []
    desk.page.goto(f"{mock_server.url}/docs")
    expect(desk.page.get_by_text("/nim/vista3d/segment").first).to_be_visible()
    assert desk.outside() == []
    tried = no_network / "sitecustomize.py.tried"
    assert not tried.exists(), tried.read_text()
