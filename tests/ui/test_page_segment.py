"""From an upload to a table and what one does with it, in mock mode."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.data import real
from tests.serving import Server
from tests.ui.desk import Desk, unpacked

pytestmark = pytest.mark.browser


@pytest.fixture
def demo(segmented: Desk) -> Desk:
    """The demo case with its mask, everything shown, from the middle axial slice."""
    segmented.page.keyboard.press("Escape")
    segmented.page.locator("#seg-organs [data-show=all]").click()
    segmented.page.locator("#seg-organs [data-find]").fill("")
    segmented.page.evaluate(
        "() => { const v = window.workbench.viewers['seg-viewer']; v.setPlane('axial'); v.reset(); v.setSlice(1); }"
    )
    segmented.shows("slice", 1)
    return segmented


def test_a_zip_of_a_real_series_becomes_a_table_of_volumes(desk: Desk, mock_server: Server) -> None:
    desk.open_ct(real("ct/crlm-ct-1004_dicom.zip"))
    assert desk.fact("Size") == "512 × 512 × 41"
    assert desk.fact("Spacing") == "0.80 × 0.80 × 5.00\u202fmm"
    assert desk.fact("Axes") == "LPS"
    assert desk.fact("Modality") == "CT"
    assert desk.fact("Range").startswith("\u22121\u202f024 to")
    desk.shows("slices", 41)
    assert desk.badge.get_attribute("data-mock") == "false"
    assert not desk.band()
    desk.choose("liver", "spleen", "left lung lower lobe", "vertebrae L1")
    expect(desk.run_button).to_have_text("Segment 4 structures")
    desk.run()
    volumes = desk.volumes_ml()
    assert {"liver", "spleen"} <= set(volumes)
    missing = desk.page.locator("#seg-organs .wb-missing")
    told = set(volumes) | set(missing.inner_text().lower().split(", ") if missing.count() else ())
    for asked in ("liver", "spleen", "left lung lower lobe", "vertebrae l1"):
        assert any(asked in each.lower() for each in told), asked
    assert desk.badge.get_attribute("data-mock") == "true"
    expect(desk.badge).to_contain_text("MOCK")
    expect(desk.page.locator("#seg-organs")).to_contain_text("MOCK")
    desk.still()
    assert desk.band()
    assert mock_server.left_behind() == []


def test_many_dicom_files_are_read_as_the_zip_of_them(desk: Desk, mock_server: Server, tmp_path: Path) -> None:
    files = unpacked(real("ct/totalseg-abdomen20_dicom_j2k.zip"), tmp_path)
    assert len(files) == 20
    desk.open_ct(*files)
    assert desk.fact("Size") == "512 × 512 × 20"
    assert desk.fact("Spacing").endswith("2.00\u202fmm")
    assert mock_server.left_behind() == []
    kept = [path for path in (mock_server.data / "tmp").rglob("*") if path.is_file() and path.stat().st_size]
    assert kept == []  # Gradio leaves an empty file for each one it handed over


def test_a_file_dropped_on_the_picture_is_opened(desk: Desk, small_ct: Path) -> None:
    desk.page.locator(".wbv-stage").evaluate(
        """(stage, bytes) => { const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], 'body.nii.gz'));
        stage.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })); }""",
        list(small_ct.read_bytes()),
    )
    desk.wait_open()
    assert desk.fact("Size") == "64 × 56 × 48"


def test_a_row_takes_the_picture_to_the_largest_slice_of_its_structure(demo: Desk) -> None:
    manifest = demo.page.evaluate("window.workbench.viewers['seg-viewer'].manifest.segmentation.structures")
    largest = {each["name"]: each["largest_slice"] for each in manifest}
    for plane in ("axial", "coronal"):
        demo.page.get_by_role("button", name=plane.capitalize(), exact=True).click()
        for name in ("liver", "right kidney"):
            demo.row(name).locator(".wb-jump").click()
            demo.shows("slice", largest[name][plane])
            expect(demo.row(name)).to_have_attribute("data-picked", "")
    assert demo.rows.locator("xpath=self::*[@data-picked]").count() == 1


def test_the_mask_on_show_is_largest_on_the_slice_a_row_leads_to(demo: Desk) -> None:
    case = demo.fact("case")
    mask = demo.context.request.get(f"{demo.url}/cases/{case}/mask.nii.gz").body()
    labels = np.asarray(nibabel.Nifti1Image.from_bytes(gzip.decompress(mask)).dataobj)
    liver = int(demo.row("liver").get_attribute("data-label") or 0)
    areas = (labels == liver).sum(axis=(0, 1))
    demo.row("liver").locator(".wb-jump").click()
    demo.page.wait_for_function("document.querySelector('#seg-viewer').dataset.slice !== '1'")
    assert areas[int(demo.seen("slice")) - 1] == areas.max()


def test_structures_are_shown_and_hidden_one_by_one_and_all_together(demo: Desk) -> None:
    def shown() -> set[int]:
        demo.settle()
        return set(
            demo.page.evaluate(
                "(() => { const v = window.workbench.viewers['seg-viewer'];"
                "return v.visible === null ? [...v.byLabel.keys()] : [...v.visible]; })()"
            )
        )

    everything = shown()
    assert len(everything) == demo.rows.count() >= 30
    demo.row("liver").get_by_role("checkbox").uncheck()
    assert everything - shown() == {1}
    demo.page.locator("#seg-organs [data-show=none]").click()
    assert shown() == set()
    demo.page.locator("#seg-organs [data-show=all]").click()
    assert shown() == everything
    demo.row("spleen").locator(".wb-jump").click()
    demo.page.get_by_role("button", name="Show only this").click()
    assert shown() == {3}
    assert demo.rows.locator("input:checked").count() == 1


def test_the_table_is_searched_and_sorted(demo: Desk) -> None:
    demo.page.locator("#seg-organs [data-find]").fill("right lung")
    visible = [each for each in demo.rows.all() if each.is_visible()]
    assert {each.get_attribute("data-name") for each in visible} == {
        "right lung upper lobe", "right lung middle lobe", "right lung lower lobe",
    }  # fmt: skip
    demo.page.locator("#seg-organs [data-find]").fill("")

    def order(key: str) -> list[str]:
        return demo.rows.evaluate_all(f"rows => rows.map(row => row.dataset.{key})")

    header = demo.page.locator("#seg-organs th[data-sort=name]")
    for _ in range(2):
        header.get_by_role("button").click()
        names = order("name")
        assert names == sorted(names, reverse=header.get_attribute("aria-sort") == "descending")
    header = demo.page.locator("#seg-organs th[data-sort=volume]")
    for _ in range(2):
        header.get_by_role("button").click()
        volumes = [float(each) for each in order("volume")]
        assert volumes == sorted(volumes, reverse=header.get_attribute("aria-sort") == "descending")
    if header.get_attribute("aria-sort") != "descending":
        header.get_by_role("button").click()


def test_a_row_tells_its_numbers_with_units(demo: Desk) -> None:
    demo.row("liver").locator(".wb-jump").click()
    detail = demo.page.locator("#seg-detail")
    expect(detail).to_contain_text("liver")
    stored = json.loads(demo.row("liver").get_attribute("data-detail") or "{}")
    figures = re.sub(r"\D", "", detail.locator("dt:text-is('Voxels') + dd").inner_text())
    assert int(figures) == stored["voxels"]
    assert stored["voxels"] * 1.5**3 / 1000 == pytest.approx(demo.volumes_ml()["liver"], abs=1e-6)
    expect(detail.locator("dt:text-is('Extent') + dd")).to_contain_text("mm (R–L, A–P, S–I)")


@pytest.mark.parametrize(
    "kind", ["HU histogram", "Area along the slices", "Contact sheet", "Volumes against references"]
)
def test_a_figure_opens_over_the_page_and_closes_with_escape(demo: Desk, kind: str) -> None:
    demo.row("liver").locator(".wb-jump").click()
    opener = demo.page.get_by_role("button", name=kind)
    opener.click()
    dialog = demo.page.locator("dialog#wb-figure[data-state=ready]")
    expect(dialog).to_be_visible()
    width, height = dialog.locator("img").evaluate("each => [each.naturalWidth, each.naturalHeight]")
    assert width > 400
    assert height > 200
    inside = dialog.evaluate(
        "each => { const box = each.getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight"
        " && each.scrollHeight <= each.clientHeight && each.scrollWidth <= each.clientWidth; }"
    )
    assert inside
    demo.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()


def test_every_download_arrives_with_mock_in_its_name_and_content(demo: Desk) -> None:
    demo.row("liver").locator(".wb-jump").click()
    found: dict[str, tuple[str, bytes]] = {}
    for link in demo.page.locator("#seg-downloads a[download]").all():
        with demo.page.expect_download() as waiting:
            link.click()
        file = waiting.value
        found[link.get_attribute("data-file") or ""] = (file.suggested_filename, Path(file.path()).read_bytes())
    assert set(found) == {"mask.nii.gz", "volumes.csv", "volumes.json", "view.png", "image.nii.gz"}
    for name, (saved_as, _) in found.items():
        assert "MOCK" in saved_as, saved_as
        assert saved_as.endswith("." + name.partition(".")[2])
    table = demo.volumes_ml()
    stored = json.loads(found["volumes.json"][1])
    assert {each["name"].replace("_", " "): each["volume_ml"] for each in stored["organs"]} == pytest.approx(table)
    assert stored["is_mock"] is True
    lines = list(csv.DictReader(found["volumes.csv"][1].decode("utf-8-sig").splitlines()))
    assert {line["structure"].replace("_", " ") for line in lines if float(line["voxel_count"])} == set(table)
    assert {line["is_mock"] for line in lines} == {"TRUE"}
    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress(found["mask.nii.gz"][1]))
    voxels = json.loads(demo.row("liver").get_attribute("data-detail") or "{}")["voxels"]
    assert np.count_nonzero(np.asarray(mask.dataobj) == 1) == voxels
    assert b"MOCK" in bytes(mask.header["descrip"])
    picture = Image.open(io.BytesIO(found["view.png"][1]))
    amber = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert ((amber[:, 0] > 220) & (amber[:, 2] < 90)).sum() > 500


def test_the_picture_taken_away_is_the_slice_on_screen(demo: Desk) -> None:
    demo.page.get_by_role("button", name="Coronal", exact=True).click()
    demo.row("liver").locator(".wb-jump").click()
    demo.page.locator("#seg-window").select_option("lung")
    demo.row("spleen").get_by_role("checkbox").uncheck()
    with demo.page.expect_download() as waiting:
        demo.page.locator("#seg-downloads a[data-file='view.png']").click()
    url = waiting.value.url
    assert f"plane=coronal&slice={demo.seen('slice')}" in url
    assert "center=-600" in url
    assert "3" not in re.search(r"labels=([^&]*)", url)[1].split("%2C")


def test_the_link_to_a_view_leads_back_to_it(demo: Desk) -> None:
    demo.context.grant_permissions(["clipboard-read", "clipboard-write"])
    demo.page.get_by_role("button", name="Sagittal", exact=True).click()
    demo.page.evaluate("window.workbench.viewers['seg-viewer'].setSlice(111)")
    demo.page.locator("#seg-window").select_option("lung")
    expect(demo.page).to_have_url(re.compile(r"plane=sagittal&slice=111&window=lung"))
    demo.page.get_by_role("button", name="Copy link to this view").click()
    expect(demo.page.get_by_role("button", name="Link copied")).to_be_visible()
    link = demo.page.evaluate("navigator.clipboard.readText()")
    assert link == demo.page.url
    again = demo.context.new_page()
    try:
        again.goto(link)
        viewer = again.locator("#seg-viewer[data-state=ready]")
        expect(viewer).to_have_attribute("data-plane", "sagittal")
        expect(viewer).to_have_attribute("data-slice", "111")
        expect(viewer).to_have_attribute("data-window-center", "-600")
        expect(again.locator("#seg-organs tbody tr")).to_have_count(demo.rows.count())
        expect(again).to_have_url(link)
    finally:
        again.close()


def test_another_visitor_cannot_open_the_link_and_is_told_so(
    demo: Desk, sit_down: Callable[..., Desk], mock_server: Server
) -> None:
    case = demo.fact("case")
    other = sit_down(mock_server, path=f"/?case={case}&plane=coronal&slice=12")
    expect(other.trouble).to_contain_text("This case cannot be opened")
    expect(other.trouble.locator(".wb-hint")).to_contain_text("Open the CT again")
    other.shows("state", "empty")
    assert other.rows.count() == 0
    assert other.context.request.get(f"{other.url}/cases/{case}/mask.nii.gz").status == 404
    other.open_demo()
    assert other.fact("case") != case


def test_a_preset_fills_the_list_and_the_button_counts_it(desk: Desk) -> None:
    desk.page.locator("#seg-preset-chest").click()
    expect(desk.run_button).to_have_text(re.compile(r"^\s*Segment \d+ structures$"))
    count = int(re.sub(r"\D", "", desk.run_button.inner_text()))
    expect(desk.page.locator("#seg-classes .token")).to_have_count(count)
    desk.page.locator("#seg-preset-everything").click()
    expect(desk.run_button).to_have_text("Segment everything")


def test_the_demo_opens_from_the_picture_and_from_an_address(
    sit_down: Callable[..., Desk], mock_server: Server
) -> None:
    desk = sit_down(mock_server)
    desk.page.locator("#seg-viewer").get_by_role("button", name="Open the demo case").click()
    desk.wait_open()
    assert desk.badge.get_attribute("data-mock") == "true"
    expect(desk.badge).to_contain_text("phantom")
    assert sit_down(mock_server, path="/?demo=1").page.wait_for_selector("#seg-viewer[data-state=ready]")


def test_the_status_line_tells_place_value_grid_and_memory(demo: Desk) -> None:
    demo.row("liver").locator(".wb-jump").click()
    box = demo.page.locator("#seg-viewer canvas[data-main=true]").bounding_box()
    demo.page.mouse.move(box["x"] + box["width"] * 0.35, box["y"] + box["height"] * 0.5)
    expect(demo.page.locator("#wb-under")).to_have_text(re.compile(r"HU −?\d+.*liver"))
    expect(demo.page.locator("#wb-at")).to_have_text(re.compile(rf"axial {demo.seen('slice')} / \d+.*mm"))
    expect(demo.page.locator("#wb-grid")).to_contain_text("1.50 × 1.50 × 1.50 mm")
    expect(demo.page.locator("#wb-memory")).to_have_text(re.compile(r"^\d+ MB$"))
