"""The panel and the Status tab in a real browser: every state as word, shape and reason, light and dark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import visiting
from tests.contract_server import Vista3dNim, Work, WorkingNim
from tests.serving import PATIENCE_S, Server, serving

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).resolve().parents[2] / "assets" / "screenshots"
NOBODY = "http://127.0.0.1:9"
KEY = "nvapi-of-the-test"


@pytest.fixture(scope="module")
def own_nims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Local mode, no mock may stand in: one NIM works, one starts, one is only ready, one is not there."""
    with ExitStack() as running:
        vista3d = running.enter_context(Vista3dNim())
        maisi = running.enter_context(WorkingNim(Work.SYNTHESIS, starting_s=3600))
        vila = running.enter_context(WorkingNim(Work.VISION, no_work=True))
        embedding = running.enter_context(WorkingNim(Work.EMBEDDING))
        settings = {
            "WORKBENCH_TEST": "1",
            "IMAGING_NIM_MODE": "local",
            "IMAGING_NIM_ALLOW_MOCK_FALLBACK": "false",
            "IMAGING_NIM_VISTA3D_URL": vista3d.url,
            "IMAGING_NIM_MAISI_URL": maisi.url,
            "IMAGING_NIM_VILAM3_URL": vila.url,
            "IMAGING_NIM_LLM_URL": NOBODY,
            "IMAGING_NIM_EMBED_URL": embedding.url,
        }
        yield running.enter_context(serving(tmp_path_factory.mktemp("own") / "data", **settings))


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Cloud mode with a key: the chat model is there, the vision model is not."""
    with ExitStack() as running:
        catalogue = running.enter_context(WorkingNim(Work.CHAT, needs_key=KEY))
        settings = {
            "WORKBENCH_TEST": "1",
            "IMAGING_NIM_MODE": "cloud",
            "IMAGING_NVIDIA_API_KEY": KEY,
            "IMAGING_NIM_CLOUD_URL": f"{catalogue.url}/v1",
            "IMAGING_NIM_CLOUD_LLM_MODEL": Work.CHAT.value,
        }
        yield running.enter_context(serving(tmp_path_factory.mktemp("hosted") / "data", **settings))


def opened(page: Page, server: Server, *, theme: str = "dark") -> None:
    page.goto(f"{server.url}/?tab=status&__theme={theme}")
    page.wait_for_selector("#status-table tbody tr")


def expect_states(page: Page, **states: str) -> None:
    for name, state in states.items():
        chip = page.locator(f"#nim-{name}")
        expect(chip).to_have_attribute("data-state", state)
        expect(chip.locator(".wb-state")).to_have_text(state)
        assert chip.locator(".wb-shape > *").count() > 0
        assert (chip.get_attribute("title") or "") in (chip.locator(".wb-why").text_content() or "")


def check_now(page: Page) -> None:
    page.click("#status-check")
    expect(page.locator("#status-check")).to_have_attribute("data-state", "done", timeout=1000 * PATIENCE_S)
    expect(page.locator("#status-progress")).to_contain_text("Checked")


def keep(page: Page, name: str) -> None:
    """A screenshot; kept in the repository only where that is asked for."""
    picture = page.screenshot(animations="disabled")
    assert len(picture) > 10_000
    if os.environ.get("WORKBENCH_WRITE_SCREENSHOTS") == "1":
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        (SCREENSHOTS / f"{name}.png").write_bytes(picture)


def test_the_check_turns_what_is_only_ready_degraded_and_tells_each_step(browser_page: Page, own_nims: Server) -> None:
    opened(browser_page, own_nims)
    check_now(browser_page)
    expect_states(browser_page, vista3d="available", maisi="starting", vila_m3="degraded", llm="unavailable")
    expect(browser_page.locator("#nim-maisi .wb-seconds")).to_have_text("0 s")
    browser_page.click("[data-more=vila_m3]")
    details = browser_page.locator("#status-more-vila_m3")
    expect(details.locator("[data-step=ready]")).to_have_attribute("data-ok", "passed")
    expect(details.locator("[data-step=request]")).to_have_attribute("data-ok", "failed")
    expect(details).to_contain_text("Check IMAGING_NIM_VILAM3_URL")
    expect(browser_page.locator('#status-table tr[data-service="embed"]')).to_have_attribute("data-state", "available")
    expect(browser_page.locator("#nim-embed")).to_have_count(0)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_panel_shows_every_state_of_own_nims(chromium: Browser, own_nims: Server, theme: str) -> None:
    page = _themed(chromium, theme)
    opened(page, own_nims, theme=theme)
    check_now(page)
    expect_states(page, vista3d="available", maisi="starting", vila_m3="degraded", llm="unavailable")
    page.click("[data-more=vila_m3]")
    keep(page, f"status-own-{theme}")
    page.context.close()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_panel_shows_cloud_and_mock(chromium: Browser, hosted: Server, theme: str) -> None:
    page = _themed(chromium, theme)
    opened(page, hosted, theme=theme)
    check_now(page)
    expect_states(page, vista3d="mock", maisi="mock", vila_m3="mock", llm="cloud")
    page.click("[data-more=llm]")
    expect(page.locator("#status-more-llm")).to_contain_text("it answered a request")
    assert KEY not in page.content()
    keep(page, f"status-cloud-{theme}")
    page.context.close()


def _themed(chromium: Browser, theme: str) -> Page:
    page = visiting(chromium).new_page()
    page.add_init_script(f"localStorage.setItem('workbench-theme', '{theme}')")
    return page


def test_a_visit_switches_to_mock_and_every_tab_says_so(browser_page: Page, own_nims: Server) -> None:
    opened(browser_page, own_nims)
    expect(browser_page.locator("#status-mode")).to_be_enabled()
    browser_page.select_option("#status-mode", "mock")
    expect_states(browser_page, vista3d="mock", maisi="mock", vila_m3="mock", llm="mock")
    expect(browser_page.locator("#wb-mode-switched")).to_have_text("This visit: mock mode")
    expect(browser_page.locator("#status-mode-note")).to_contain_text("everybody else is in local mode")
    browser_page.get_by_role("tab", name="Segment").click()
    expect(browser_page.locator("#wb-mode-switched")).to_be_visible()
    browser_page.get_by_role("tab", name="Status").click()
    keep(browser_page, "status-switched-dark")
    browser_page.select_option("#status-mode", "local")
    expect(browser_page.locator("#wb-mode-switched")).to_be_hidden()
    expect_states(browser_page, vista3d="available")


def test_the_table_tells_where_a_request_goes_and_offers_a_line_to_copy(browser_page: Page, own_nims: Server) -> None:
    opened(browser_page, own_nims)
    row = browser_page.locator('#status-table tr[data-service="llm"]')
    expect(row.locator("[data-cell=goes]")).to_have_text("your NIM; while that fails, so does the request")
    more = browser_page.locator("[data-more=vista3d]")
    expect(more).to_have_attribute("aria-expanded", "false")
    more.click()
    expect(more).to_have_attribute("aria-expanded", "true")
    expect(browser_page.locator("#status-more-vista3d code")).to_contain_text("/v1/health/ready")
    expect(browser_page.locator("#status-more-vista3d [data-copy]")).to_have_text("Copy as curl")


def test_nothing_on_the_page_goes_wrong_while_it_refreshes(browser_page: Page, own_nims: Server) -> None:
    wrong: list[str] = []
    browser_page.on("pageerror", lambda error: wrong.append(str(error)))
    opened(browser_page, own_nims)
    with browser_page.expect_response(lambda answer: "/nim/status" in answer.url):
        pass
    expect_states(browser_page, vista3d="available")
    assert wrong == []
