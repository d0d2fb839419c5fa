"""The viewer in a real browser, over a volume small enough to know by heart."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.ui.viewer_app import Served, serving
from workbench.domain.volume import Grid
from workbench.imaging.colours import colour_of
from workbench.imaging.slices import Window, apply_window, slice_of
from workbench.ui.viewer import build_viewer

pytestmark = pytest.mark.browser

SHAPE = (64, 48, 40)
AMBER = (240, 180, 41)
READY = "#seg-viewer[data-state=ready]"
V = "window.workbench.viewers['seg-viewer']"


def made(**kept: object) -> Served:
    """Stored RAS, so that right and front are flipped for display: a bright block on the patient's right, high up."""
    voxels = np.full(SHAPE, -100, np.int16, order="F")
    voxels[40:60, 10:20, 25:38] = 150
    labels = np.zeros(SHAPE, np.uint8, order="F")
    labels[40:60, 10:20, 25:38] = 1
    labels[4:10, 30:40, 5:9] = 3
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = (-64, -48, -300)
    return Served(voxels, Grid(shape=SHAPE, affine_ras_mm=affine), labels, **kept)


@pytest.fixture
def served() -> Served:
    return made()


@pytest.fixture
def opened(browser_page: Page, served: Served) -> Iterator[Page]:
    with serving(served) as url:
        start(browser_page, url)
        yield browser_page


def start(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("#seg-viewer[data-state=empty] .wbv-bar", state="attached")
    page.click("#open")
    page.wait_for_selector(READY)
    page.wait_for_selector("#seg-viewer[data-loaded=true]")
    settle(page)


def settle(page: Page) -> None:
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def act(page: Page, code: str) -> None:
    page.evaluate(f"() => {{ {V}.{code}; }}")
    settle(page)


def shot(page: Page) -> np.ndarray:
    """The stage as RGB."""
    png = page.locator("#seg-viewer .wbv-stage").screenshot(animations="disabled")
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def pixel(page: Page, column: int, row: int) -> list[int]:
    """The colour drawn at the middle of a pixel of the main picture."""
    return page.evaluate(
        f"""([x, y]) => {{ const pane = {V}.panes.find((each) => each.main);
        const at = [pane.left + (x + 0.5) * pane.stepX, pane.top + (y + 0.5) * pane.stepY].map((c) => c * pane.ratio);
        return [...pane.canvas.getContext('2d').getImageData(...at, 1, 1).data].slice(0, 3); }}""",
        [column, row],
    )


def viewer(page: Page):
    return page.locator("#seg-viewer")


def test_it_is_empty_before_a_case_and_ready_after(browser_page: Page, served: Served) -> None:
    with serving(served) as url:
        browser_page.goto(url)
        expect(viewer(browser_page)).to_have_attribute("data-state", "empty")
        expect(browser_page.locator(".wbv-empty")).to_contain_text("Open a CT to begin")
        browser_page.click("#open")
        expect(viewer(browser_page)).to_have_attribute("data-state", "ready")
        expect(viewer(browser_page)).to_have_attribute("data-plane", "axial")
        expect(viewer(browser_page)).to_have_attribute("data-slice", "20")
        expect(viewer(browser_page)).to_have_attribute("data-slices", "40")
        expect(viewer(browser_page)).to_have_attribute("role", "application")


@pytest.mark.parametrize(("plane", "number"), [("axial", 30), ("coronal", 33), ("sagittal", 12)])
def test_every_plane_shows_what_the_server_would_draw(opened: Page, served: Served, plane: str, number: int) -> None:
    act(opened, f"setPlane('{plane}')")
    act(opened, f"setSlice({number})")
    act(opened, "setVisible([])")
    wanted = apply_window(slice_of(served.voxels_hu, served.grid, plane, number), Window(center=50, width=400))
    assert wanted.max() > wanted.min()
    rows, columns = wanted.shape
    for row in range(3, rows - 3, 7):
        for column in range(4, columns - 4, 9):
            block = wanted[row - 2 : row + 3, column - 2 : column + 3]
            if block.min() == block.max():  # away from edges, where enlarging blends
                assert pixel(opened, column, row) == [wanted[row, column]] * 3, (row, column)


def test_keys_move_through_the_slices_and_stop_at_the_ends(opened: Page) -> None:
    viewer(opened).focus()
    for key, slice_number in [
        ("ArrowUp", 21), ("ArrowDown", 20), ("PageUp", 30), ("PageDown", 20), ("End", 40), ("ArrowUp", 40), ("Home", 1),
        ("PageDown", 1),
    ]:  # fmt: skip
        opened.keyboard.press(key)
        expect(viewer(opened)).to_have_attribute("data-slice", str(slice_number))
    opened.keyboard.press("c")
    expect(viewer(opened)).to_have_attribute("data-plane", "coronal")
    expect(viewer(opened)).to_have_attribute("data-slices", "48")


def test_wheel_and_slider_change_the_slice(opened: Page) -> None:
    opened.locator(".wbv-stage").hover()
    opened.mouse.wheel(0, -100)
    expect(viewer(opened)).to_have_attribute("data-slice", "21")
    opened.mouse.wheel(0, 100)
    expect(viewer(opened)).to_have_attribute("data-slice", "20")
    opened.locator(".wbv-foot input").fill("7")
    expect(viewer(opened)).to_have_attribute("data-slice", "7")
    expect(opened.locator(".wbv-place")).to_have_text("7 / 40")
    expect(opened.locator(".wbv-live")).to_have_text("axial slice 7 of 40")


def test_a_loaded_volume_is_looked_through_without_the_server(opened: Page, served: Served) -> None:
    opened.wait_for_function(f"{V}.labels.complete")
    before = len(served.asked)
    for plane in ("coronal", "sagittal", "axial"):
        act(opened, f"setPlane('{plane}')")
        for number in (1, 9, 30):
            act(opened, f"setSlice({number})")
            assert viewer(opened).get_attribute("data-painted") == f"{plane}:{number}"
    act(opened, "setWindow('lung')")
    act(opened, "setOpacity(0.8)")
    act(opened, "setStyle('outline')")
    assert len(served.asked) == before


def test_dragging_sets_window_and_level_and_reset_brings_them_back(opened: Page) -> None:
    box = opened.locator(".wbv-stage").bounding_box()
    x, y = box["x"] + 300, box["y"] + 300
    opened.mouse.move(x, y)
    opened.mouse.down()
    opened.mouse.move(x + 50, y - 20)
    opened.mouse.up()
    expect(viewer(opened)).to_have_attribute("data-window-width", "500")
    expect(viewer(opened)).to_have_attribute("data-window-center", "10")
    expect(opened.locator("#seg-window")).to_have_value("")
    opened.locator(".wbv-stage canvas:visible").dblclick()
    expect(viewer(opened)).to_have_attribute("data-window-width", "400")
    expect(opened.locator("#seg-window")).to_have_value("soft tissue")


def test_presets_and_numbers_set_the_window(opened: Page) -> None:
    opened.locator("#seg-window").select_option("bone")
    expect(viewer(opened)).to_have_attribute("data-window-center", "400")
    opened.get_by_label("Window width in HU").fill("90")
    opened.get_by_label("Window width in HU").press("Tab")
    expect(viewer(opened)).to_have_attribute("data-window-width", "90")
    opened.get_by_label("Window width in HU").fill("0")
    opened.get_by_label("Window width in HU").press("Tab")
    expect(viewer(opened)).to_have_attribute("data-window-width", "90")


def test_ctrl_wheel_zooms_about_the_pointer_and_shift_drag_pans(opened: Page) -> None:
    box = opened.locator(".wbv-stage").bounding_box()
    x, y = box["x"] + 500, box["y"] + 250
    where = (
        f"(() => {{ const p = {V}.panes[0]; return [(500 - p.left) / p.stepX, (250 - p.top) / p.stepY, p.zoom]; }})()"
    )
    before = opened.evaluate(where)
    opened.mouse.move(x, y)
    opened.keyboard.down("Control")
    opened.mouse.wheel(0, -200)
    opened.keyboard.up("Control")
    settle(opened)
    after = opened.evaluate(where)
    assert after[2] > before[2] * 1.3
    assert after[:2] == pytest.approx(before[:2], abs=1e-6)
    opened.keyboard.down("Shift")
    opened.mouse.down()
    opened.mouse.move(x + 40, y + 30)
    opened.mouse.up()
    opened.keyboard.up("Shift")
    assert opened.evaluate(f"[{V}.panes[0].panX, {V}.panes[0].panY]") != [0, 0]
    expect(viewer(opened)).to_have_attribute("data-window-width", "400")


def test_structures_are_filled_hidden_and_recoloured(opened: Page) -> None:
    act(opened, "jumpTo(1)")
    act(opened, "setOpacity(1)")
    inside = (14, 33)  # patient right is on the picture's left, front on top
    assert pixel(opened, *inside) == list(bytes.fromhex(colour_of(1)[1:]))
    act(opened, "setSafeColours(true)")
    assert pixel(opened, *inside) == list(bytes.fromhex(colour_of(1, safe=True)[1:]))
    act(opened, "showOnly(3)")
    bare = pixel(opened, *inside)
    assert bare[0] == bare[1] == bare[2]
    act(opened, "setVisible(null)")
    act(opened, "setStyle('outline')")
    assert pixel(opened, *inside) == bare


def test_jumping_goes_to_the_largest_slice_of_the_plane(opened: Page) -> None:
    act(opened, "jumpTo(3)")
    expect(viewer(opened)).to_have_attribute("data-slice", "6")
    act(opened, "setPlane('sagittal')")
    act(opened, "jumpTo(3)")
    expect(viewer(opened)).to_have_attribute("data-slice", "55")


def test_the_pointer_reads_hu_and_structure(opened: Page) -> None:
    act(opened, "jumpTo(1)")
    opened.evaluate("window.told = []; document.addEventListener('viewer:pointer', (e) => window.told.push(e.detail))")
    place = opened.evaluate(
        f"(() => {{ const p = {V}.panes[0]; return [p.left + 14.5 * p.stepX, p.top + 33.5 * p.stepY]; }})()"
    )
    box = opened.locator(".wbv-stage").bounding_box()
    opened.mouse.move(box["x"] + place[0], box["y"] + place[1])
    told = opened.evaluate("window.told.at(-1)")
    assert (told["hu"], told["name"], told["x"], told["y"]) == (150, "liver", 14, 33)


def test_slice_events_carry_the_dicom_position(opened: Page) -> None:
    opened.evaluate("document.addEventListener('viewer:slice', (e) => { window.told = e.detail; })")
    act(opened, "setSlice(3)")
    assert opened.evaluate("window.told") == {
        "plane": "axial", "slice": 3, "slices": 40, "position": "z −294.0 mm",
    }  # fmt: skip


def test_three_planes_share_one_crosshair(opened: Page) -> None:
    act(opened, "setLayout('mpr')")
    assert opened.locator(".wbv-canvas:visible").count() == 3
    act(opened, "setTool('cross')")
    place = opened.evaluate(
        f"(() => {{ const p = {V}.panes[0]; return [p.left + 10.5 * p.stepX, p.top + 30.5 * p.stepY]; }})()"
    )
    box = opened.locator(".wbv-canvas[data-plane=axial]").bounding_box()
    opened.mouse.click(box["x"] + place[0], box["y"] + place[1])
    assert opened.evaluate(f"{V}.panes.map((each) => each.slice)") == [20, 31, 11]


@pytest.mark.parametrize(
    ("kept", "word"),
    [
        ({"mock": True}, "MOCK"),
        ({"synthetic": True}, "SYNTHETIC"),
        ({"mock": True, "synthetic": True}, "MOCK SYNTHETIC"),
    ],
)
def test_the_band_is_drawn_into_the_picture_of_what_is_mock_or_synthetic(
    browser_page: Page, kept: dict[str, bool], word: str
) -> None:
    with serving(made(**kept)) as url:
        start(browser_page, url)
        band = np.abs(shot(browser_page) - AMBER).max(axis=-1) < 6
        assert band[2].sum() > 200
        assert band[-3].sum() > 200
        assert band[:, 2].sum() > 100
        assert band[:, -3].sum() > 100
        corner = band[13:35, 13:300].any(axis=0).sum()
        assert (corner < 80) == (word == "MOCK")
        assert (corner > 150) == (word == "MOCK SYNTHETIC")


def test_a_real_case_has_no_band(opened: Page) -> None:
    assert not (np.abs(shot(opened) - AMBER).max(axis=-1) < 6).any()


def test_a_failure_says_why_and_trying_again_cures_it(browser_page: Page, served: Served) -> None:
    served.broken = True
    with serving(served) as url:
        browser_page.goto(url)
        browser_page.wait_for_selector("#seg-viewer[data-state=empty] .wbv-bar", state="attached")
        browser_page.click("#open")
        expect(viewer(browser_page)).to_have_attribute("data-state", "error")
        expect(browser_page.locator(".wbv-notice")).to_contain_text("The volume is being moved.")
        served.broken = False
        browser_page.get_by_role("button", name="Try again").click()
        expect(viewer(browser_page)).to_have_attribute("data-state", "ready")


def test_a_new_revision_fetches_the_mask_and_keeps_volume_and_place(opened: Page, served: Served) -> None:
    act(opened, "setSlice(7)")
    act(opened, "setWindow('lung')")
    served.labels, served.revision = None, 2
    served.asked.clear()
    opened.click("#revise")
    opened.wait_for_function(f"{V}.manifest.segmentation === null")
    served.labels = made().labels
    served.revision = 3
    opened.evaluate(f"{V}.refresh()")
    opened.wait_for_function(f"{V}.labels?.complete")
    expect(viewer(opened)).to_have_attribute("data-slice", "7")
    expect(viewer(opened)).to_have_attribute("data-window-center", "-600")
    assert {each.split("/")[0] for each in served.asked} == {"label"}


def test_a_lossy_preview_says_so_fetches_its_window_and_reads_true_hu(opened: Page, served: Served) -> None:
    act(opened, "setVisible([])")
    act(opened, "setTransfer('jpeg')")
    opened.wait_for_function(f"{V}.image.singles.size > 0")
    expect(opened.get_by_role("button", name="Load exact")).to_be_visible()
    act(opened, "setSlice(30)")
    served.asked.clear()
    act(opened, "setWindow('bone')")
    opened.wait_for_function(f"{V}.image.get('axial', 30) !== null && {V}.image.window.center === 400")
    jpegs = [each for each in served.asked if each.startswith("jpeg")]
    assert jpegs[0] == "jpeg/axial/30+1/400,1800"
    opened.evaluate("document.addEventListener('viewer:pointer', (e) => { window.told = e.detail; })")
    place = opened.evaluate(
        f"(() => {{ const p = {V}.panes[0]; return [p.left + 14.5 * p.stepX, p.top + 33.5 * p.stepY]; }})()"
    )
    box = opened.locator(".wbv-stage").bounding_box()
    opened.mouse.move(box["x"] + place[0], box["y"] + place[1])
    opened.wait_for_function("window.told?.hu === 150")
    opened.get_by_role("button", name="Load exact").click()
    opened.wait_for_selector("#seg-viewer[data-loaded=true]")
    assert opened.evaluate(f"{V}.image.kind") == "raw16"


def test_two_visits_give_the_same_picture(chromium: Browser, served: Served) -> None:
    shots = []
    with serving(served) as url:
        for _ in range(2):
            page = chromium.new_page(viewport={"width": 1440, "height": 900})
            start(page, url)
            page.wait_for_function(f"{V}.labels.complete")
            act(page, "jumpTo(1)")
            shots.append(shot(page))
            page.close()
    assert np.array_equal(*shots)


def test_clearing_goes_back_to_the_empty_page(opened: Page) -> None:
    act(opened, "clear()")
    expect(viewer(opened)).to_have_attribute("data-state", "empty")
    expect(viewer(opened)).to_have_attribute("data-slices", "0")


@pytest.mark.parametrize("html", ["a `b`", "${x}", "\\n", "{{x}}"])
def test_an_empty_state_that_gradio_would_interpret_is_refused(html: str) -> None:
    with pytest.raises(ValueError, match="template"):
        build_viewer("seg-viewer", empty_html=html)
