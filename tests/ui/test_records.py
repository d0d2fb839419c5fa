"""The record on the Status tab and the notice that it became another, in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.contract_server import Vista3dNim
from tests.serving import PATIENCE_S, serving

pytestmark = pytest.mark.browser

NOTICE = "#record-notice"


def urls(vista3d: str) -> dict[str, str]:
    others = {f"IMAGING_NIM_{name}_URL": "" for name in ("LLM", "MAISI", "VILAM3")}
    return {"IMAGING_NIM_MODE": "local", "IMAGING_NIM_VISTA3D_URL": vista3d, **others}


def test_the_record_can_be_read_and_kept_and_a_changed_endpoint_is_told_until_seen(
    browser_page: Page, tmp_path: Path
) -> None:
    page, data = browser_page, tmp_path / "data"
    with Vista3dNim() as before, serving(data, **urls(before.url)) as first:
        page.goto(f"{first.url}/?tab=status")
        page.click("#status-record")
        expect(page.locator("#status-record-view .wb-record")).to_be_visible(timeout=1000 * PATIENCE_S)
        expect(page.locator(NOTICE)).to_have_count(0)
        table = page.locator("#status-record-view table[data-service=vista3d]")
        expect(table.locator("tr", has_text="Version")).to_contain_text("observed")
        expect(table.locator("tr", has_text="Container image")).to_have_attribute("data-known", "unknown")
        record = page.locator("#status-record-view .wb-record").get_attribute("data-record")
        with page.expect_download() as kept:
            page.click("text=Record as Markdown")
        assert f"Deployment record {record}" in Path(kept.value.path()).read_text("utf-8")
        with page.expect_download() as kept:
            page.click("text=My runs as CSV")
        assert Path(kept.value.path()).read_text("utf-8").startswith("time,visit,service,mode,")

    with Vista3dNim() as after, serving(data, "--port", str(first.port), **urls(after.url)) as second:
        page.goto(second.url)
        expect(page.locator(NOTICE)).to_contain_text(
            f"endpoint was {before.url}, is {after.url}", timeout=1000 * PATIENCE_S
        )
        page.click(f"{NOTICE} button")
        expect(page.locator(NOTICE)).to_have_count(0)
        with page.expect_response(lambda answer: "review-record" in answer.url):
            page.reload()
        page.wait_for_selector("#nim-vista3d[data-state=available]", timeout=1000 * PATIENCE_S)
        expect(page.locator(NOTICE)).to_have_count(0)
