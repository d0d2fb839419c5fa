"""What cannot be opened is said beside its cause, and what was open stays open."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.data import real
from tests.dicom_made import make_series
from tests.serving import Server, body_hu, write_ct
from tests.ui.desk import Desk, is_upload

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Files that are no CT, by what is wrong with them."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "report.nii.gz").write_text("The liver is of normal size.\n" * 40)
    moving = nibabel.Nifti1Image(np.zeros((12, 12, 8, 5), np.int16), np.eye(4))
    moving.to_filename(folder / "moving.nii.gz")
    whole = write_ct(folder / "whole.nii.gz").read_bytes()
    (folder / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.nii").write_bytes(b"")
    (folder / "bomb.nii.gz").write_bytes(gzip.compress(bytes(1000)))
    stored = np.full((6, 16, 16), 100, np.uint16)
    return {
        "text": [folder / "report.nii.gz"],
        "4-D": [folder / "moving.nii.gz"],
        "truncated": [folder / "cut.nii.gz"],
        "empty": [folder / "empty.nii"],
        "MR": make_series(folder / "mr", stored, modality="MR", sop_class="1.2.840.10008.5.1.4.1.1.4"),
    }


@pytest.mark.parametrize(
    ("fault", "word"),
    [("text", "text"), ("4-D", "4 dimensions"), ("truncated", "cut"), ("empty", "empty"), ("MR", "MR")],
)
def test_a_file_that_is_no_ct_is_refused_in_words_and_the_open_case_stays(
    desk: Desk, mock_server: Server, bad: dict[str, list[Path]], small_ct: Path, fault: str, word: str
) -> None:
    desk.open_ct(small_ct)
    case, cases = desk.fact("case"), mock_server.case_ids()
    desk.upload(*bad[fault])
    expect(desk.trouble).to_contain_text("The CT could not be opened")
    told = desk.report.get_by_role("alert").inner_text()
    assert word.lower() in told.lower(), told
    assert desk.trouble.locator(".wb-hint").inner_text().strip()
    for secret in ("/tmp", str(mock_server.data), "Traceback", "1.2.3.4"):
        assert secret not in told
    assert desk.fact("case") == case
    assert desk.fact("Size") == "64 × 56 × 48"
    desk.shows("state", "ready")
    expect(desk.run_button).to_be_enabled()
    assert mock_server.case_ids() == cases
    assert mock_server.left_behind() == []
    desk.choose("left lung lower lobe")
    desk.run()
    assert desk.rows.count() == 1
    expect(desk.trouble).to_have_count(0)


def test_an_error_on_an_empty_page_leaves_the_way_to_open_another(
    desk: Desk, bad: dict[str, list[Path]], small_ct: Path
) -> None:
    desk.upload(*bad["text"])
    expect(desk.trouble).to_contain_text("The CT could not be opened")
    desk.shows("state", "empty")
    expect(desk.run_button).to_be_disabled()
    desk.open_ct(small_ct)
    expect(desk.trouble).to_have_count(0)


@pytest.mark.parametrize("control", ["choose", "drop", "folder"])
def test_a_file_over_the_limit_is_refused_before_it_travels(
    desk: Desk, tmp_path: Path, small_ct: Path, control: str
) -> None:
    desk.open_ct(small_ct)
    large = tmp_path / "large.nii"
    with large.open("wb") as file:
        file.truncate(65_000_001)
    sent: list[str] = []
    desk.page.on("request", lambda request: sent.append(request.url) if is_upload(request) else None)
    if control == "drop":
        desk.page.evaluate(
            """() => { const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(65_000_001)], 'large.nii'));
            const area = document.querySelector('#seg-upload button');
            area.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })); }"""
        )
    elif control == "folder":
        desk.page.set_input_files("input[webkitdirectory]", str(tmp_path))
    else:
        desk.upload(large)
    expect(desk.trouble).to_contain_text("Too large to upload")
    expect(desk.trouble).to_contain_text("65 MB; at most 64 MB")
    expect(desk.trouble.locator(".wb-hint")).to_contain_text("IMAGING_MAX_UPLOAD_MB")
    assert desk.fact("Size") == "64 × 56 × 48"
    desk.open_ct(small_ct)
    expect(desk.trouble).to_have_count(0)
    assert len(sent) == 1


def test_several_series_are_listed_and_the_likeliest_is_preselected(desk: Desk, mock_server: Server) -> None:
    desk.upload(real("dicom-tricky/philips-phantom_mixed-series.zip"))
    if desk.page.locator("#seg-report .wb-facts, #seg-report .wb-series").first.evaluate(
        "each => each.classList.contains('wb-series')"
    ):
        chooser = desk.page.locator("#seg-series input")
        expect(chooser).to_be_visible()
        assert "28 slices" in chooser.input_value()
        expect(desk.report).to_contain_text("not usable")
        desk.page.locator("#seg-open-series").click()
        desk.wait_open()
        expect(chooser).to_be_hidden()
    assert desk.fact("Size").endswith("× 28")
    others = desk.report.locator("details", has_text="other series")
    others.locator("summary").click()
    expect(others).to_contain_text("not usable")
    assert mock_server.left_behind() == []


def test_two_volumes_in_one_upload_wait_for_the_choice(desk: Desk, mock_server: Server, tmp_path: Path) -> None:
    hu = body_hu((32, 32, 14))
    stored = (hu + 1024).astype(np.uint16).transpose(2, 1, 0)
    long = make_series(tmp_path / "long", stored, series="1.2.3.5", SeriesNumber=5, SeriesDescription="Long body")
    short = make_series(
        tmp_path / "short", stored[:8], series="1.2.3.6", SeriesNumber=6, SeriesDescription="Short body"
    )
    named = [path.rename(path.with_name(f"{path.parent.name}-{path.name}")) for path in [*short, *long]]
    desk.upload(*named)
    chooser = desk.page.locator("#seg-series input")
    expect(chooser).to_be_visible()
    assert "Long body" in chooser.input_value()
    chooser.click()
    desk.page.get_by_role("option", name="Short body").click()
    desk.page.locator("#seg-open-series").click()
    desk.wait_open()
    assert desk.fact("Size") == "32 × 32 × 8"
    expect(desk.report).to_contain_text("Short body")
    expect(chooser).to_be_hidden()
    assert mock_server.left_behind() == []


def test_cancelling_a_run_stops_it_and_keeps_the_case(desk: Desk) -> None:
    desk.open_ct(real("ct/crlm-ct-1004_dicom.zip"))
    desk.run_button.click()
    desk.page.locator("#seg-cancel").click()
    expect(desk.page.locator("#seg-progress")).to_contain_text("Stopped. Nothing was changed; you can run it again.")
    expect(desk.page.locator("#seg-cancel")).to_be_hidden()
    expect(desk.run_button).to_be_enabled()
    assert desk.rows.count() == 0
    desk.shows("state", "ready")


def test_a_reload_during_a_run_finds_it_again(desk: Desk) -> None:
    desk.open_ct(real("ct/crlm-ct-1004_dicom.zip"))
    case = desk.fact("case")
    desk.page.wait_for_url(f"**/?case={case}*")
    desk.choose("liver")
    desk.run_button.click()
    desk.page.wait_for_selector("#seg-progress .wb-progress")
    desk.page.reload()
    desk.page.wait_for_selector("#seg-viewer[data-state=ready]")
    desk.page.wait_for_selector("#seg-organs-table")
    assert desk.fact("case") == case
    assert "liver" in desk.volumes_ml()
    expect(desk.page.locator("#seg-progress .wb-progress")).to_have_count(0)


def test_what_is_measured_survives_closing_the_page(
    sit_down: Callable[..., Desk], mock_server: Server, small_ct: Path
) -> None:
    desk = sit_down(mock_server)
    desk.open_ct(small_ct)
    desk.choose("left lung lower lobe", "right lung lower lobe")
    desk.run()
    before, url = desk.volumes_ml(), desk.page.url
    desk.page.close()
    page = desk.context.new_page()
    page.goto(url)
    page.wait_for_selector("#seg-organs-table")
    desk.page = page
    assert desk.volumes_ml() == before
