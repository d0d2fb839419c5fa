"""The page in front of a NIM of one's own: a local server that keeps VISTA-3D's contract, and breaks it on request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests import totalseg
from tests.contract_server import Family, HealthNim, Vista3dNim
from tests.data import real
from tests.serving import Server
from tests.ui.desk import Desk

pytestmark = pytest.mark.browser

NOBODY = "http://127.0.0.1:9"
"""The discard port, where nothing listens: connections are refused."""


@pytest.fixture(scope="module")
def nim() -> Iterator[Vista3dNim]:
    with Vista3dNim() as running:
        yield running


@pytest.fixture(scope="module")
def maisi() -> Iterator[HealthNim]:
    with HealthNim(Family.MAISI) as running:
        yield running


def local(start: Callable[..., Server], nim: Vista3dNim, maisi: HealthNim, **settings: str) -> Server:
    return start(
        IMAGING_NIM_MODE="local",
        IMAGING_NIM_VISTA3D_URL=nim.url,
        IMAGING_NIM_MAISI_URL=maisi.url,
        IMAGING_NIM_VILAM3_URL=NOBODY,
        IMAGING_NIM_LLM_URL="",
        IMAGING_NIM_VISTA3D_TIMEOUT_S="2",
        **settings,
    )


@pytest.fixture(scope="module")
def lenient(start: Callable[..., Server], nim: Vista3dNim, maisi: HealthNim) -> Server:
    """Local mode where a mock may stand in."""
    return local(start, nim, maisi)


@pytest.fixture(scope="module")
def strict(start: Callable[..., Server], nim: Vista3dNim, maisi: HealthNim) -> Server:
    """Local mode where nobody stands in."""
    return local(start, nim, maisi, IMAGING_NIM_ALLOW_MOCK_FALLBACK="false")


@pytest.fixture(autouse=True)
def sound(nim: Vista3dNim) -> None:
    """Each test meets a NIM without faults."""
    nim.switch()
    nim.released.clear()


def lungs(desk: Desk, small_ct: Path) -> None:
    """Open the small trunk and choose two structures of it."""
    desk.open_ct(small_ct)
    desk.choose("left lung lower lobe", "right lung lower lobe")


def run_faulty(desk: Desk, nim: Vista3dNim, **fault: Any) -> None:
    nim.switch(**fault)
    desk.run()


def is_a_mock_that_says_why(desk: Desk, why: str) -> None:
    """Picture, badge, table and downloads agree that this is a mock, and say the reason."""
    assert desk.rows.count() >= 1
    expect(desk.badge).to_have_attribute("data-mock", "true")
    expect(desk.badge).to_contain_text("MOCK")
    assert why.lower() in (desk.badge.get_attribute("title") or "").lower()
    made = desk.page.locator("#seg-organs .wb-made-mock")
    expect(made).to_contain_text("MOCK")
    expect(made).to_contain_text(re.compile(re.escape(why), re.IGNORECASE))
    desk.still()
    assert desk.band()
    expect(desk.trouble).to_have_count(0)


def is_an_error(desk: Desk, *words: str) -> None:
    """The run failed in words, nothing invented is shown, and everything put in is still there."""
    told = desk.page.locator("#seg-progress").get_by_role("alert")
    expect(told).to_contain_text("The segmentation failed")
    said = told.inner_text()
    for word in words:
        assert word.lower() in said.lower(), said
    assert "Traceback" not in said
    assert not re.search(r"/(tmp|home|work)/|exchange/\w{16}", said)
    assert desk.rows.count() == 0
    assert desk.badge.get_attribute("data-mock") == "false"
    desk.still()
    assert not desk.band()
    assert desk.fact("Size") == "64 × 56 × 48"
    assert desk.page.locator("#seg-classes .token").count() == 2
    expect(desk.run_button).to_be_enabled()


def test_the_volumes_of_a_real_ct_equal_the_reference_on_the_page(
    start: Callable[..., Server], maisi: HealthNim, sit_down: Callable[..., Desk]
) -> None:
    real(totalseg.SEGMENTED)
    with Vista3dNim(labeller=totalseg.labeller()) as answering:
        server = start(
            IMAGING_NIM_MODE="local", IMAGING_NIM_VISTA3D_URL=answering.url, IMAGING_NIM_ALLOW_MOCK_FALLBACK="false"
        )
        desk = sit_down(server)
        desk.open_ct(real(totalseg.UPLOAD))
        desk.run()
        reference = totalseg.reference_ml()
        assert {name.replace(" ", "_"): round(ml, 3) for name, ml in desk.volumes_ml().items()} == reference
        for name, ml in reference.items():
            shown = desk.row(name.replace("_", " ")).locator("td.wb-figure").first.inner_text()
            assert float(re.sub(r"[^\d.]", "", shown)) == pytest.approx(ml, abs=0.051 if ml >= 10 else 0.0051)
            assert shown.startswith("at least") == (
                desk.row(name.replace("_", " ")).locator("[title*='cut by']").count() == 1
            )
        assert len(answering.fetches) == 1
        expect(desk.badge).to_have_attribute("data-kind", "local")
        expect(desk.badge).to_contain_text("Mask of an uploaded CT by your NIM")
        desk.still()
        assert not desk.band()
        assert not re.search(r"\bMOCK\b", desk.page.locator("body").inner_text())
        for link in desk.page.locator("#seg-downloads a[download]").all():
            with desk.page.expect_download() as waiting:
                link.click()
            assert "MOCK" not in waiting.value.suggested_filename
        expect(desk.page.locator("#nim-vista3d")).to_have_attribute("data-state", "available")


def test_a_nim_of_ones_own_answers_without_a_word_of_mock(
    sit_down: Callable[..., Desk], lenient: Server, nim: Vista3dNim, small_ct: Path
) -> None:
    desk = sit_down(lenient)
    lungs(desk, small_ct)
    posts = len(nim.posts())
    desk.run()
    assert len(nim.posts()) == posts + 1
    assert set(desk.volumes_ml()) == {"left lung lower lobe", "right lung lower lobe"}
    expect(desk.badge).to_have_attribute("data-kind", "local")
    expect(desk.page.locator("#seg-organs .wb-made")).to_contain_text("your own NIM")
    for place in ("#seg-room", "#origin-badge"):
        assert not re.search(r"\bMOCK\b", desk.page.locator(place).inner_text(), re.IGNORECASE)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"hang": 20}, "did not answer"),
        ({"status": 502, "body": "Bad Gateway"}, "502"),
        ({"status": 401, "body": {"detail": "no"}}, "401"),
        ({"reset": True}, "connection"),
    ],
    ids=["hangs", "bad gateway", "asks for a key", "resets"],
)
def test_where_the_nim_cannot_be_used_a_mock_stands_in_and_says_why(
    sit_down: Callable[..., Desk], lenient: Server, nim: Vista3dNim, small_ct: Path, fault: dict[str, Any], why: str
) -> None:
    desk = sit_down(lenient)
    lungs(desk, small_ct)
    run_faulty(desk, nim, **fault)
    is_a_mock_that_says_why(desk, why)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"hang": 20}, ("did not answer within 2 s", "log")),
        ({"status": 502, "body": "Bad Gateway"}, ("502", "gateway")),
        ({"reset": True}, ("connection",)),
    ],
    ids=["hangs", "bad gateway", "resets"],
)
def test_where_no_mock_may_stand_in_the_same_faults_are_errors(
    sit_down: Callable[..., Desk],
    strict: Server,
    nim: Vista3dNim,
    small_ct: Path,
    fault: dict[str, Any],
    words: tuple[str, ...],
) -> None:
    desk = sit_down(strict)
    lungs(desk, small_ct)
    run_faulty(desk, nim, **fault)
    is_an_error(desk, *words)
    nim.switch()
    nim.released.set()
    desk.run()
    assert desk.rows.count() == 2
    expect(desk.trouble).to_have_count(0)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"truncated": True}, ("zip",)),
        ({"wrong_grid": True}, ("grid",)),
        ({"refuse_label": True}, ("refused", "Undefined label prompt")),
        ({"zip_escape": "only"}, ("mask",)),
        ({"out_of_memory": True}, ("out of memory", "GPU")),
        ({"html": True}, ("web page", "IMAGING_NIM_VISTA3D_URL")),
        ({"no_fetch": True}, ("could not be downloaded", "IMAGING_NIM_EXCHANGE_URL")),
    ],
    ids=["truncated zip", "wrong grid", "refused label", "zip escape", "out of memory", "web page", "cannot fetch"],
)
def test_no_mock_papers_over_a_refusal_or_a_broken_answer(
    sit_down: Callable[..., Desk],
    lenient: Server,
    nim: Vista3dNim,
    small_ct: Path,
    fault: dict[str, Any],
    words: tuple[str, ...],
) -> None:
    desk = sit_down(lenient)
    lungs(desk, small_ct)
    run_faulty(desk, nim, **fault)
    is_an_error(desk, *words)


@pytest.mark.parametrize(
    "fault",
    [
        {"bare": "nrrd"},
        {"bare": "nii"},
        {"reoriented": True},
        {"zip_escape": "too"},
        {"response_member": True},
        {"starting_calls": 2},
    ],
    ids=[
        "bare NRRD",
        "bare NIfTI",
        "reoriented",
        "escape beside a mask",
        "response member",
        "503 while loading, then ready",
    ],
)
def test_answers_of_other_shapes_give_the_same_volumes(
    sit_down: Callable[..., Desk], strict: Server, nim: Vista3dNim, small_ct: Path, fault: dict[str, Any]
) -> None:
    desk = sit_down(strict)
    lungs(desk, small_ct)
    desk.run()
    before = desk.volumes_ml()
    assert len(before) == 2
    run_faulty(desk, nim, **fault)
    expect(desk.trouble).to_have_count(0)
    assert desk.volumes_ml() == before
    assert desk.badge.get_attribute("data-mock") == "false"


def test_an_empty_mask_is_an_answer_that_names_what_was_not_found(
    sit_down: Callable[..., Desk], strict: Server, nim: Vista3dNim, small_ct: Path
) -> None:
    desk = sit_down(strict)
    lungs(desk, small_ct)
    run_faulty(desk, nim, empty_mask=True)
    assert desk.rows.count() == 0
    expect(desk.page.locator("#seg-organs .wb-missing")).to_contain_text("not found: 2")
    expect(desk.page.locator("#seg-organs")).to_contain_text("right lung lower lobe")
    expect(desk.page.locator("#seg-progress").get_by_role("alert")).to_have_count(0)
    expect(desk.badge).to_have_attribute("data-kind", "local")


def test_a_refused_connection_is_a_mock_or_an_error_as_the_mode_table_says(
    start: Callable[..., Server], sit_down: Callable[..., Desk], small_ct: Path
) -> None:
    refused = {"IMAGING_NIM_MODE": "local", "IMAGING_NIM_VISTA3D_URL": NOBODY}
    desk = sit_down(start(**refused))
    expect(desk.page.locator("#nim-vista3d")).to_have_attribute("data-state", "mock")
    lungs(desk, small_ct)
    desk.run()
    is_a_mock_that_says_why(desk, "refused")
    desk = sit_down(start(**refused, IMAGING_NIM_ALLOW_MOCK_FALLBACK="false"))
    expect(desk.page.locator("#nim-vista3d")).to_have_attribute("data-state", "unavailable")
    lungs(desk, small_ct)
    desk.run()
    is_an_error(desk, "IMAGING_NIM_VISTA3D_URL")


def test_the_panel_follows_the_nims_by_itself(sit_down: Callable[..., Desk], strict: Server, nim: Vista3dNim) -> None:
    desk = sit_down(strict)
    chip = desk.page.locator("#nim-vista3d")
    expect(chip).to_have_attribute("data-state", "available")
    expect(desk.page.locator("#nim-maisi")).to_have_attribute("data-state", "available")
    for gone in ("#nim-vila_m3", "#nim-llm"):
        expect(desk.page.locator(gone)).to_have_attribute("data-state", "unavailable")
        assert desk.page.locator(gone).get_attribute("title")
    expect(desk.page.locator("#nim-llm")).to_have_attribute("title", re.compile("IMAGING_NIM_LLM_URL"))
    desk.page.set_viewport_size({"width": 1024, "height": 768})
    tab = desk.page.get_by_role("tab", name="Status").bounding_box()
    assert tab["x"] + tab["width"] <= desk.page.locator("#nim-vista3d").bounding_box()["x"]
    nim.switch(starting_s=300)
    expect(chip).to_have_attribute("data-state", "starting")
    desk.page.get_by_role("tab", name="Status").click()
    row = desk.page.locator("#status-table tr[data-service=vista3d]")
    expect(row).to_have_attribute("data-state", "starting")
    nim.switch()
    expect(row).to_have_attribute("data-state", "available")
    expect(row.locator("[data-cell=model]")).to_contain_text("fixture")
    desk.page.click("[data-more=vista3d]")
    expect(desk.page.locator("#status-more-vista3d")).to_contain_text(nim.url)


def test_in_cloud_mode_the_panel_says_what_has_no_hosted_endpoint(
    start: Callable[..., Server], sit_down: Callable[..., Desk]
) -> None:
    with HealthNim(Family.LLM) as hosted:
        desk = sit_down(
            start(IMAGING_NIM_MODE="cloud", IMAGING_NIM_CLOUD_URL=f"{hosted.url}/v1", NVIDIA_API_KEY="nvapi-not-a-key")
        )
        for name in ("vista3d", "maisi"):
            chip = desk.page.locator(f"#nim-{name}")
            expect(chip).to_have_attribute("data-state", "mock")
            expect(chip).to_have_attribute("title", re.compile("no hosted endpoint", re.IGNORECASE))
        expect(desk.page.locator("#nim-llm")).to_have_attribute("data-state", re.compile("cloud|mock"))
        assert "nvapi" not in desk.page.content()
