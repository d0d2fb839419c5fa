"""The Ask tab of a running workbench in mock mode: slices and files go in, each answer leads back to its view."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.data import real
from tests.dicom_made import make_image
from tests.serving import Server, write_ct
from tests.ui.ask_desk import AskDesk
from tests.ui.desk import Desk
from tests.ui.test_page_access import FAINT, OVERFLOW

pytestmark = pytest.mark.browser

LUNG = "left lung lower lobe"
DIGITAL_X_RAY = "1.2.840.10008.5.1.4.1.1.1.1"
NO_VOLUME = {"RescaleSlope": None, "RescaleIntercept": None, "ImageOrientationPatient": None}


@pytest.fixture(scope="module")
def segmented_ct(chromium: Browser, mock_server: Server, small_ct: Path) -> Iterator[Desk]:
    """A small CT with a lobe found, shown where it is largest."""
    desk = Desk(chromium, mock_server.url)
    desk.open_ct(small_ct)
    desk.choose(LUNG)
    desk.run()
    desk.row(LUNG).locator(".wb-jump").click()
    desk.still()
    yield desk
    desk.close()
    assert desk.complaints == []
    assert desk.outside() == []


@pytest.fixture
def ask(segmented_ct: Desk) -> AskDesk:
    """The tab beside that CT, without what an earlier test left."""
    at = AskDesk.of(segmented_ct)
    if at.exchanges.count():
        at.page.click("#ask-room [data-clear]")
    for choice in ("overlay", "mosaic"):
        at.page.locator(f"#ask-room [data-field={choice}]").uncheck()
    return at


@pytest.fixture
def empty(sit_down: Callable[..., Desk], mock_server: Server) -> AskDesk:
    """The tab of a visit that has opened nothing."""
    return AskDesk.of(sit_down(mock_server, path="/?tab=ask"))


def pixels(encoded: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(encoded)) as opened:
        return np.asarray(opened.convert("RGB")).astype(int)


def colourful(encoded: bytes) -> int:
    """How many pixels inside the marked margin have a colour."""
    found = pixels(encoded)
    inside = found[found.shape[0] // 8 : -(found.shape[0] // 8), found.shape[1] // 8 : -(found.shape[1] // 8)]
    return int((inside.max(axis=2) - inside.min(axis=2) > 40).sum())


def test_the_slice_on_screen_is_asked_about_and_a_click_returns_to_it(ask: AskDesk, segmented_ct: Desk) -> None:
    desk, page = segmented_ct, ask.page
    page.get_by_role("tab", name="Segment", exact=True).click()
    desk.viewer.focus()
    page.keyboard.press("c")
    desk.shows("plane", "coronal")
    at, of = desk.seen("slice"), desk.seen("slices")
    page.get_by_role("tab", name="Ask", exact=True).click()
    ask.from_viewer()
    expect(ask.fact("View")).to_contain_text(f"coronal {at}\u202f/\u202f{of}, W 400 L 50 (soft tissue), overlay off")
    ask.ask("Which organs are visible?")
    expect(ask.last.locator(".chat-mock")).to_be_visible()
    expect(ask.text).to_contain_text(LUNG)
    page.get_by_role("tab", name="Segment", exact=True).click()
    desk.viewer.focus()
    page.keyboard.press("s")
    page.keyboard.press("Home")
    page.keyboard.press("2")
    desk.shows("slice", 1)
    page.get_by_role("tab", name="Ask", exact=True).click()
    ask.last.locator("[data-pin]").click()
    expect(page.get_by_role("tab", name="Segment", exact=True)).to_have_attribute("aria-selected", "true")
    for name, value in (("plane", "coronal"), ("slice", at), ("window-center", 50), ("window-width", 400)):
        desk.shows(name, value)


def test_window_overlay_and_planes_are_drawn_as_chosen(ask: AskDesk, segmented_ct: Desk) -> None:
    page = ask.page
    segmented_ct.page.evaluate("window.workbench.viewers['seg-viewer'].setWindow('bone')")
    ask.from_viewer()
    plain = ask.bytes_shown()
    assert colourful(plain) == 0
    ask.shown_after(lambda: page.locator("#ask-room [data-field=overlay]").check())
    expect(ask.fact("View")).to_contain_text("overlay on")
    assert colourful(ask.bytes_shown()) > 20
    ask.shown_after(lambda: page.locator("#ask-room [data-field=overlay]").uncheck())
    assert ask.bytes_shown() == plain
    ask.shown_after(lambda: page.locator("#ask-room [data-field=window]").select_option("screen"))
    expect(ask.fact("View")).to_contain_text("W 1\u202f800 L 400 (bone)")
    assert ask.bytes_shown() != plain
    ask.shown_after(lambda: page.locator("#ask-room [data-field=window]").select_option("model"))
    ask.shown_after(lambda: page.locator("#ask-room [data-field=mosaic]").check())
    expect(ask.fact("View")).to_contain_text("three planes")
    assert pixels(ask.bytes_shown()).shape[1] > pixels(plain).shape[1]
    box, stage = ask.preview.bounding_box(), page.locator(".ask-preview").bounding_box()
    assert box
    assert stage
    assert box["y"] + box["height"] <= stage["y"] + stage["height"] + 1, "the whole picture is in sight"


def test_a_pin_opens_the_case_it_was_taken_from_and_the_talk_goes_along(
    sit_down: Callable[..., Desk], mock_server: Server, small_ct: Path, tmp_path: Path
) -> None:
    desk = sit_down(mock_server)
    desk.open_ct(small_ct)
    first = desk.fact("case")
    ask = AskDesk.of(desk)
    ask.from_viewer()
    ask.ask("What is this?")
    at = desk.seen("slice")
    desk.page.get_by_role("tab", name="Segment", exact=True).click()
    desk.open_ct(write_ct(tmp_path / "other.nii.gz"))
    assert desk.fact("case") != first
    AskDesk.of(desk).field.fill("half a thought")
    ask.last.locator("[data-pin]").click()
    desk.wait_open()
    desk.shows("slice", at)
    assert desk.fact("case") == first
    ask = AskDesk.of(desk)
    expect(ask.exchanges).to_have_count(1)
    expect(ask.field).to_have_value("half a thought")
    ask.preview.wait_for()


def test_a_dicom_x_ray_is_read_as_one_and_asked_about(empty: AskDesk, tmp_path: Path) -> None:
    stored = np.arange(60 * 80, dtype=np.uint16).reshape(60, 80)
    tags = {"PhotometricInterpretation": "MONOCHROME1", "BodyPartExamined": "CHEST", **NO_VOLUME}
    make_image(tmp_path / "DOE^JOHN.dcm", stored, sop_class=DIGITAL_X_RAY, modality="DX", spacing=(0.2, 0.2), **tags)
    empty.take(tmp_path / "DOE^JOHN.dcm")
    expect(empty.page.get_by_label("What made the picture")).to_contain_text("Chest X-ray, as the picture says")
    shown = pixels(empty.bytes_shown())
    assert shown[0].mean() > shown[-1].mean() + 100, "in MONOCHROME1 the smallest value is white"
    empty.ask("How large is the picture?")
    expect(empty.text).to_contain_text("80")
    assert "DOE" not in empty.page.content()


def test_a_real_x_ray_and_a_picture_with_a_name_in_its_pixels(empty: AskDesk) -> None:
    empty.take(real("images/cxr/nih_00000001_000.png"))
    expect(empty.facts.locator("[data-burned]")).to_have_count(0)
    empty.page.get_by_label("What made the picture").select_option("CXR")
    empty.ask("Is this a frontal or a lateral view?")
    expect(empty.last.locator(".chat-mock")).to_be_visible()
    empty.take(real("dicom-tricky/phi_burned-in_ct.dcm"))
    expect(empty.facts.locator("[data-burned]")).to_contain_text("Text may stand in the picture")


@pytest.mark.parametrize("what", ["nothing in it", "words", "moving GIF", "20 000 px"])
def test_what_cannot_be_a_picture_is_told_with_what_to_do(empty: AskDesk, tmp_path: Path, what: str) -> None:
    path = tmp_path / "in.png"
    frames = [Image.new("L", (8, 8), level) for level in (0, 255)]
    if what == "moving GIF":
        frames[0].save(path, "GIF", save_all=True, append_images=frames[1:])
    elif what == "20 000 px":
        Image.new("1", (20_000, 20_000)).save(path, "PNG")
    else:
        path.write_text("" if what == "nothing in it" else "These are words, no pixels.")
    empty.field.fill("half a thought")
    empty.choose(path)
    expect(empty.trouble).to_contain_text("The picture was not taken")
    assert len(empty.trouble.locator("p").first.inner_text()) > 20
    expect(empty.trouble.locator(".wb-hint")).not_to_be_empty()
    expect(empty.field).to_have_value("half a thought")
    expect(empty.room).to_have_attribute("data-picture", "none")


def test_the_export_holds_question_answer_and_picture(ask: AskDesk) -> None:
    ask.from_viewer()
    ask.ask("Which organs are visible?")
    ask.page.locator("#ask-room .chat-export summary").click()
    with ask.page.expect_download() as taken:
        ask.page.click("#ask-room [data-format=html]")
    text = Path(taken.value.path()).read_text("utf-8")
    assert "Which organs are visible?" in text
    assert "MOCK" in text
    assert "data:image/" in text


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)])
def test_it_reads_well_and_fits_in_every_size_and_theme(ask: AskDesk, theme: str, size: tuple[int, int]) -> None:
    page = ask.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    if (theme == "dark") != page.evaluate("document.body.classList.contains('dark')"):
        page.click("#wb-theme")
    try:
        ask.from_viewer()
        ask.ask("Which organs are visible?")
        ask.last.locator(".ask-prompt summary").click()
        page.click("#ask-room [data-fold=settings]")
        seen, faint = page.evaluate(FAINT)
        assert seen >= 30
        assert faint == []
        page.keyboard.press("Escape")
        assert page.evaluate(OVERFLOW) == [0, 0]
        places = ("#ask-question textarea", "#ask-send", "#ask-from-viewer", ".ask-preview img", ".ask-facts")
        for place in places:
            box = page.locator(place).bounding_box()
            assert box
            assert box["y"] >= 44
            assert box["y"] + box["height"] <= size[1] - 26
            assert box["x"] + box["width"] <= size[0]
        assert page.locator(".ask-preview").bounding_box()["height"] > 200  # type: ignore[index]
        page.get_by_role("button", name="Hide picture").click()
        expect(page.locator("#ask-side")).to_be_hidden()
        page.get_by_role("button", name="Show picture").click()
        expect(page.locator("#ask-side")).to_be_visible()
    finally:
        page.set_viewport_size({"width": 1440, "height": 900})
