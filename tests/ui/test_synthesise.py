"""Asking MAISI on the page: known before it is sent, watched while it runs, judged when it is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from tests.contract_server import MaisiNim, Vista3dNim
from tests.nim.maisi_made import SMALL, truth
from tests.serving import Server
from tests.ui.synthesis_desk import SynthesisDesk
from workbench.domain.maisi import ANATOMIES
from workbench.domain.organs import ORGANS

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def nim() -> Iterator[MaisiNim]:
    with MaisiNim() as running:
        yield running


@pytest.fixture(scope="module")
def own(start: Callable[..., Server], nim: MaisiNim) -> Iterator[Server]:
    """A workbench with a MAISI and a VISTA-3D of its own."""
    with Vista3dNim() as vista:
        yield start(
            IMAGING_NIM_MODE="local",
            IMAGING_NIM_ALLOW_MOCK_FALLBACK="false",
            IMAGING_NIM_MAISI_URL=nim.url,
            IMAGING_NIM_VISTA3D_URL=vista.url,
            IMAGING_NIM_VILAM3_URL="http://127.0.0.1:9",
            IMAGING_NIM_LLM_URL="http://127.0.0.1:9",
        )


@pytest.fixture
def sit(chromium: Browser) -> Iterator[Callable[[Server], SynthesisDesk]]:
    """Begin visits that end with the test. A script error on the page fails it."""
    desks: list[SynthesisDesk] = []

    def visit(server: Server) -> SynthesisDesk:
        desks.append(SynthesisDesk(chromium, server.url))
        return desks[-1]

    yield visit
    for desk in desks:
        desk.close()
    assert [each for desk in desks for each in desk.complaints] == []


@pytest.fixture
def mock(sit: Callable[[Server], SynthesisDesk], mock_server: Server) -> SynthesisDesk:
    return sit(mock_server)


@pytest.fixture
def desk(sit: Callable[[Server], SynthesisDesk], own: Server, nim: MaisiNim) -> Iterator[SynthesisDesk]:
    nim.switch()
    nim.released.set()
    yield sit(own)
    nim.released.set()
    nim.switch()


def drawn_ml(sample: int, turn: str = "RAS") -> dict[str, float]:
    _, ids, _ = truth(SMALL, sample, turn)
    voxel_ml = float(np.prod(SMALL.spacing_mm)) / 1000
    return {ORGANS[label].name: count * voxel_ml for label, count in Counter(ids[ids > 0].tolist()).items()}


def ask_small(desk: SynthesisDesk, samples: int = 1) -> None:
    desk.ask(anatomies=SMALL.anatomy_list, samples=samples)


def test_a_broken_rule_is_said_beside_its_field_and_mended_with_one_click(mock: SynthesisDesk) -> None:
    mock.ask(regions=("abdomen",), spacing=(0.2, 9.0), samples=1000)
    expect(mock.rule("spacing")).to_have_count(2)
    expect(mock.rule("spacing").first).to_contain_text("0.5 to 3 mm")
    expect(mock.rule("num_output_samples")).to_contain_text("1,000 samples")
    expect(mock.generate).to_be_disabled()
    expect(mock.page.locator("#syn-verdict")).to_contain_text("3 rules are broken")
    mock.rule("num_output_samples").get_by_role("button").click()
    expect(mock.page.locator("#syn-samples-count")).to_have_value("10")
    mock.page.click("#syn-nearest")
    expect(mock.page.locator("#syn-verdict")).to_be_empty()
    expect(mock.page.locator("#syn-spacing-z")).to_have_value("5")
    expect(mock.generate).to_be_enabled()
    expect(mock.generate).to_have_text("Generate 10 abdomen CTs, 256 × 256 × 128")


def test_an_anatomy_elsewhere_and_regions_that_do_not_fit_are_told(mock: SynthesisDesk) -> None:
    mock.ask(regions=("abdomen",), anatomies=("brain", "liver"))
    expect(mock.rule("anatomy_list")).to_contain_text("outside abdomen")
    mock.ask(regions=("head", "pelvis"), anatomies=("brain",))
    expect(mock.rule("body_region")).to_contain_text("from head to pelvis")
    expect(mock.generate).to_be_disabled()


def test_the_anatomy_list_holds_only_what_maisi_knows(mock: SynthesisDesk) -> None:
    field = mock.page.locator("#syn-anatomy-find")
    field.fill("kidney")
    told = mock.page.locator("#syn-anatomy-list [role=option]")
    expect(told).to_have_count(sum("kidney" in name for name in ANATOMIES))
    field.press("ArrowDown")
    field.press("Enter")
    expect(mock.page.locator(".syn-token")).to_have_count(1)
    field.fill("unicorn")
    expect(mock.page.locator("#syn-anatomy-list")).to_contain_text("knows no anatomy")
    field.press("Enter")
    expect(mock.page.locator(".syn-token")).to_have_count(1)
    field.fill("")
    field.press("Backspace")
    expect(mock.page.locator(".syn-token")).to_have_count(0)


def test_a_preset_fills_the_form_and_the_forecast_follows(mock: SynthesisDesk) -> None:
    mock.page.select_option("#syn-preset", label="Chest and abdomen, 512 × 512 × 128")
    expect(mock.generate).to_have_text("Generate 1 chest and abdomen CT, 512 × 512 × 128")
    forecast = mock.page.locator("#syn-forecast")
    expect(forecast).to_contain_text("14 to 18 GB")
    expect(forecast).to_contain_text("400 × 400 × 382 mm")
    mock.page.select_option("#syn-machine", index=mock.page.locator("#syn-machine option").count() - 1)
    expect(forecast).to_contain_text("Fits.")
    mock.page.select_option("#syn-size-xy", "256")
    expect(mock.page.locator("#syn-preset")).to_have_value("")
    expect(mock.rule("spacing")).to_contain_text("MAISI refuses less than 256 mm")
    mock.page.click("[data-suggest]")
    expect(mock.rule("spacing")).to_have_count(0)


def test_sizes_say_that_they_override_and_hold_one_tumour(mock: SynthesisDesk) -> None:
    mock.ask(regions=("abdomen",), anatomies=("liver",))
    mock.page.click("#syn-sizes summary")
    mock.page.click("[data-add-row]")
    expect(mock.page.locator("#syn-form")).to_have_class("syn-form syn-sized")
    expect(mock.rule("controllable_anatomy_size")).to_contain_text("override")
    row = mock.page.locator(".syn-row").first
    row.locator("select").select_option("hepatic tumor")
    mock.page.click("[data-add-row]")
    others = mock.page.locator(".syn-row").nth(1).locator("select")
    expect(others.locator("option[value='lung tumor']")).to_be_disabled()
    mock.page.locator(".syn-row").nth(1).get_by_role("spinbutton").fill("7")
    expect(mock.rule("controllable_anatomy_size").first).to_contain_text("0 to 1")
    mock.page.locator(".syn-row").nth(1).get_by_role("checkbox").check()
    expect(mock.generate).to_be_enabled()
    expect(mock.generate).to_contain_text("with set sizes")
    mock.rule("controllable_anatomy_size").get_by_role("button", name="Remove the sizes").click()
    expect(mock.page.locator(".syn-row")).to_have_count(0)
    expect(mock.rule("controllable_anatomy_size")).to_have_count(0)


def test_a_mock_says_mock_and_synthetic_on_everything_and_is_found_again(mock: SynthesisDesk) -> None:
    mock.ask(regions=("head",), spacing=(1.0, 1.5))
    expect(mock.page.locator("#syn-forecast")).to_contain_text("A mock would answer")
    mock.run_through()
    mock.wait_shown()
    assert mock.words() == ["mock", "synthetic"]
    assert set(mock.organ_ml()) == {"brain", "skull", "spinal cord"}
    expect(mock.page.locator("#syn-badge")).to_contain_text("MOCK SYNTHETIC")
    expect(mock.page.locator("#syn-about")).to_contain_text("known exactly")
    before = mock.organ_ml()
    mock.open("/?tab=synthesize")
    mock.wait_form()
    mock.wait_shown()
    assert mock.organ_ml() == before
    expect(mock.generate).to_have_text("Generate 1 head CT, 256 × 256 × 128")
    mock.side("check")
    mock.page.click("#syn-check")
    expect(mock.page.locator("#syn-judgement")).to_contain_text("No verdict")
    mock.side("gallery")
    item = mock.page.locator("#syn-gallery [data-generation]").first
    expect(item).to_contain_text("MOCK SYNTHETIC")
    item.locator("[data-erase]").click()
    item.locator("[data-erase]").click()
    expect(mock.page.locator("#syn-gallery")).to_contain_text("Nothing was generated")
    expect(mock.page.locator("#syn-viewer")).to_have_attribute("data-state", "empty")


def test_two_samples_are_shown_with_the_volumes_that_the_server_drew(desk: SynthesisDesk, nim: MaisiNim) -> None:
    nim.switch(numbering="ids", orientation="SLP")
    ask_small(desk, samples=2)
    desk.run_through()
    desk.wait_shown()
    assert desk.words() == ["synthetic"]
    assert desk.organ_ml() == pytest.approx(drawn_ml(0, "SLP"))
    expect(desk.page.locator("#syn-about")).to_contain_text("global ids")
    desk.page.locator("#syn-about [data-open]").nth(1).click()
    expect(desk.page.locator("#syn-about [data-open]").nth(1)).to_have_attribute("aria-pressed", "true")
    desk.page.wait_for_selector("#syn-viewer[data-state=ready]")
    assert desk.organ_ml() == pytest.approx(drawn_ml(1, "SLP"))
    desk.side("gallery")
    expect(desk.page.locator("#syn-gallery .syn-picture")).to_have_count(2)
    with desk.page.expect_download() as taken:
        desk.side("structures")
        desk.page.click("#syn-downloads a[data-file='mask.nii.gz']")
    assert "SYNTHETIC" in taken.value.suggested_filename


def test_the_check_compares_the_labels_in_a_table_and_in_two_colours(desk: SynthesisDesk) -> None:
    ask_small(desk)
    desk.run_through()
    desk.wait_shown()
    desk.side("check")
    desk.page.click("#syn-check")
    rows = desk.page.locator("#syn-agreement tbody tr[data-name]")
    expect(rows).to_have_count(4)
    told = rows.evaluate_all("rows => rows.map(row => [row.dataset.name, Number(row.dataset.first)])")
    assert {str(name): float(first) for name, first in told} == pytest.approx(drawn_ml(0))
    expect(desk.page.locator("#syn-judgement")).to_have_attribute("data-mock", "false")
    expect(desk.page.locator("#syn-hu tbody tr")).not_to_have_count(0)
    desk.page.click("#syn-agreement tr[data-name=liver] .wb-jump")
    liver = next(label for label, organ in ORGANS.items() if organ.name == "liver")
    desk.page.wait_for_function(
        f"window.workbench.viewers['syn-viewer'].manifest.segmentation.query?.label === {liver}"
        " && window.workbench.viewers['syn-viewer'].labels.complete"
    )
    desk.settle()
    assert desk.overlay_colours() > 50
    desk.side("structures")
    desk.page.wait_for_function("!window.workbench.viewers['syn-viewer'].manifest.segmentation.query")
    assert desk.organs.count() == 4


def test_a_closed_page_finds_its_generation_running_and_cancel_stops_it(
    desk: SynthesisDesk, nim: MaisiNim, own: Server
) -> None:
    before = own.case_ids()
    nim.switch(hang=300)
    nim.released.clear()
    ask_small(desk)
    desk.start()
    expect(desk.said).to_contain_text("MAISI is generating")
    expect(desk.said).to_contain_text("of about")
    expect(desk.generate).to_be_disabled()
    desk.open("/?tab=synthesize")
    desk.wait_form()
    expect(desk.said).to_contain_text("MAISI is generating")
    desk.page.click("#syn-cancel")
    desk.wait_end()
    expect(desk.said).to_contain_text("Nothing was kept")
    expect(desk.generate).to_be_enabled()
    assert own.case_ids() == before
    desk.side("gallery")
    expect(desk.page.locator("#syn-gallery [data-state=cancelled]")).to_have_count(1)


@pytest.mark.parametrize(
    ("fault", "word"),
    [({"out_of_memory": True}, "memory"), ({"truncated": True}, "zip"), ({"other_grid": True}, "grid")],
    ids=["out of memory", "truncated", "other grid"],
)
def test_a_failure_is_told_with_its_cure_and_the_request_is_sent_again_changed(
    desk: SynthesisDesk, nim: MaisiNim, own: Server, fault: dict[str, bool], word: str
) -> None:
    before = own.case_ids()
    nim.switch(**fault)
    ask_small(desk)
    desk.run_through()
    expect(desk.said).to_contain_text("The generation failed")
    assert word in desk.said.inner_text().lower()
    assert desk.said.locator(".wb-hint").inner_text().strip()
    assert own.case_ids() == before
    assert own.left_behind() == []
    expect(desk.page.locator(".syn-token")).to_have_count(4)
    desk.side("gallery")
    failed = desk.page.locator("#syn-gallery [data-state=failed]").first
    expect(failed).to_contain_text("spleen")
    nim.switch()
    desk.page.locator("[data-drop='spleen']").click()
    desk.run_through()
    desk.wait_shown()
    assert set(desk.organ_ml()) == {"left kidney", "liver", "vertebrae L2"}
    assert own.left_behind() == []
    desk.side("gallery")
    failed.locator("[data-vary]").click()
    expect(desk.page.locator(".syn-token")).to_have_count(4)


def test_a_preflight_that_no_one_answers_keeps_the_form(mock: SynthesisDesk) -> None:
    mock.page.route("**/nim/maisi/preflight*", lambda route: route.abort())
    mock.page.fill("#syn-samples-count", "2")
    expect(mock.page.locator("#syn-verdict")).to_contain_text("does not answer")
    expect(mock.generate).to_be_disabled()
    mock.page.unroute("**/nim/maisi/preflight*")
    mock.page.fill("#syn-samples-count", "3")
    expect(mock.generate).to_be_enabled()


def test_nothing_outside_this_machine_is_asked_for(mock: SynthesisDesk) -> None:
    assert mock.outside() == []
