"""The Ask tab against vision models by their contract: the pixels received, faults told, experts, consent first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.contract_server import VisionNim, Vista3dNim
from tests.data import real
from tests.serving import Server, wait_until
from tests.ui.ask_desk import AskDesk
from tests.ui.desk import Desk

pytestmark = pytest.mark.browser

ASKED = "Which organs are visible?"
KEY = "nvapi-of-the-test"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def vision() -> Iterator[VisionNim]:
    with VisionNim() as nim:
        yield nim


@pytest.fixture(scope="module")
def own_server(start: Callable[..., Server], vision: VisionNim) -> Iterator[Server]:
    """Local mode where no mock may stand in."""
    with Vista3dNim() as vista:
        yield start(
            IMAGING_NIM_MODE="local",
            IMAGING_NIM_ALLOW_MOCK_FALLBACK="false",
            IMAGING_NIM_VILAM3_URL=vision.url,
            IMAGING_NIM_VISTA3D_URL=vista.url,
            IMAGING_NIM_MAISI_URL=NOBODY,
            IMAGING_NIM_LLM_URL=NOBODY,
        )


@pytest.fixture(scope="module")
def own_desk(chromium: Browser, own_server: Server, small_ct: Path) -> Iterator[Desk]:
    """A visit with a small CT open."""
    desk = Desk(chromium, own_server.url)
    desk.open_ct(small_ct)
    yield desk
    desk.close()
    assert desk.complaints == []
    assert desk.outside() == []


@pytest.fixture
def own(own_desk: Desk, vision: VisionNim) -> Iterator[AskDesk]:
    """The tab with the slice on screen taken, and an empty talk."""
    vision.switch()
    at = AskDesk.of(own_desk)
    if at.exchanges.count():
        at.page.click("#ask-room [data-clear]")
    at.from_viewer()
    yield at
    vision.switch()


@pytest.fixture(scope="module")
def hosted(start: Callable[..., Server]) -> Iterator[tuple[Server, VisionNim]]:
    """Cloud mode with a key; the catalogue is a fixture on this machine."""
    with ExitStack() as running:
        catalogue = running.enter_context(VisionNim(hosted=True, needs_key=KEY))
        yield (
            start(
                IMAGING_NIM_MODE="cloud",
                IMAGING_NVIDIA_API_KEY=KEY,
                IMAGING_NIM_CLOUD_URL=f"{catalogue.url}/v1",
                IMAGING_NIM_CLOUD_FUNCTIONS_URL=catalogue.functions_url,
                IMAGING_NIM_CLOUD_VLM_MODEL=catalogue.model,
            ),
            catalogue,
        )


@pytest.fixture
def cloud(hosted: tuple[Server, VisionNim], sit_down: Callable[..., Desk]) -> AskDesk:
    """A new visit, which nobody was asked in."""
    hosted[1].switch()
    hosted[1].pictures.clear()
    return AskDesk.of(sit_down(hosted[0], path="/?tab=ask"))


def noise(path: Path, side: int = 700) -> Path:
    """A grey picture that no JPEG makes small."""
    Image.fromarray(np.random.default_rng(7).integers(0, 256, (side, side), dtype=np.uint8)).save(path)
    return path


def test_the_model_receives_the_very_bytes_of_the_preview(own: AskDesk, vision: VisionNim) -> None:
    shown = own.bytes_shown()
    own.ask(ASKED)
    assert vision.pictures[-1] == shown
    expect(own.last.locator(".ask-who")).to_contain_text(f"Your NIM{vision.model}")
    expect(own.last.locator(".chat-mock")).to_have_count(0)
    own.last.locator(".ask-prompt summary").click()
    prompt = own.last.locator(".ask-prompt pre").inner_text()
    assert ASKED in prompt
    assert prompt.count("[picture]") == 1
    assert "system" not in [each["role"] for each in vision.chats()[-1]["messages"]]
    own.ask("And where?")
    expect(own.text).to_contain_text("It holds 3 turns.")
    assert vision.pictures[-1] == shown


def test_a_real_x_ray_goes_through_pixel_for_pixel(own: AskDesk, vision: VisionNim) -> None:
    own.take(real("images/cxr/nih_00000001_000.png"))
    shown = own.bytes_shown()
    own.ask("Is this a frontal or a lateral view?")
    assert vision.pictures[-1] == shown


@pytest.mark.parametrize(
    ("fault", "kept"),
    [
        ({"error": True, "after": 3}, True),
        ({"drop": "reset", "after": 3}, True),
        ({"no_model": "nested"}, False),
        ({"bad_picture": True}, False),
        ({"chat": {"status": 429, "headers": {"Retry-After": "1"}}}, False),
        ({"status": 503}, False),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_fault_says_what_and_what_to_do_and_the_next_try_works(
    own: AskDesk, vision: VisionNim, fault: dict[str, object], kept: bool
) -> None:
    shown = own.shown()
    vision.switch(**fault)
    own.ask(ASKED, ends="failed")
    trouble = own.last.get_by_role("alert")
    assert len(trouble.locator("p").first.inner_text()) > 20
    assert trouble.locator(".wb-hint").inner_text().strip()
    assert bool(own.text.inner_text().strip()) is kept
    assert own.shown() == shown
    expect(own.last.locator(".chat-question p").first).to_have_text(ASKED)
    vision.switch()
    own.last.locator("[data-retry]").click()
    own.ended()
    expect(own.exchanges).to_have_count(1)
    expect(own.text).to_contain_text("This is a fixture without a model.")


def test_stop_frees_the_nim_and_the_next_question_is_answered(own: AskDesk, vision: VisionNim) -> None:
    vision.switch(text="Word after word of an answer that takes long. " * 40, piece_s=0.05)
    vision.left.clear()
    own.type_and_send(ASKED)
    expect(own.text).to_contain_text("Word after word")
    own.send.click()
    own.ended("stopped")
    wait_until(vision.left.is_set)
    vision.switch()
    own.ask("And where?")


def test_an_expert_runs_after_the_yes_and_its_coloured_slice_is_what_the_model_gets(
    own: AskDesk, vision: VisionNim
) -> None:
    vision.switch(calls="organs")
    before = own.page.locator("#seg-organs tbody tr").count()
    own.ask("Segment the organs.")
    expect(own.text).to_have_text("<VISTA3D(organs)>")
    pictures = len(vision.pictures)
    own.last.get_by_role("button", name="Yes, segment").click()
    expect(own.exchanges).to_have_count(2)
    own.ended()
    expect(own.text).to_contain_text("An expert's result came with it.")
    marked = own.last.locator(".ask-marked img")
    fetched = marked.evaluate(
        "async each => [...new Uint8Array(await (await fetch(each.src)).arrayBuffer())].map(String).join(' ')"
    )
    assert vision.pictures[pictures:] == [bytes(int(each) for each in fetched.split())]
    assert own.last.locator(".ask-legend li").count() >= 1
    assert own.page.locator("#seg-organs tbody tr").count() == before, "the case keeps its own mask"
    own.last.locator(".ask-prompt summary").click()
    expect(own.last.locator(".ask-prompt pre")).to_contain_text("The results are")


def test_nothing_leaves_before_the_person_has_seen_the_picture_and_agrees(
    cloud: AskDesk, hosted: tuple[Server, VisionNim], tmp_path: Path
) -> None:
    catalogue = hosted[1]
    Image.new("L", (40, 30), 90).save(tmp_path / "grey.png")
    cloud.take(tmp_path / "grey.png")
    shown = cloud.bytes_shown()
    cloud.type_and_send(ASKED)
    expect(cloud.dialog).to_contain_text("the picture shown in the preview")
    expect(cloud.dialog.locator("img")).to_have_attribute("src", str(cloud.preview.get_attribute("src")))
    assert catalogue.pictures == []
    cloud.dialog.get_by_role("button", name="Send", exact=True).click()
    cloud.ended()
    assert catalogue.pictures == [shown]
    expect(cloud.last.locator(".ask-who")).to_contain_text("Hosted catalogue")
    cloud.ask("And where?")
    assert len(catalogue.pictures) == 2


def test_declined_nothing_leaves_and_the_mock_says_why_it_answers(
    cloud: AskDesk, hosted: tuple[Server, VisionNim], tmp_path: Path
) -> None:
    Image.new("L", (40, 30), 90).save(tmp_path / "grey.png")
    cloud.take(tmp_path / "grey.png")
    cloud.type_and_send(ASKED)
    cloud.dialog.get_by_role("button", name="Do not send").click()
    cloud.ended()
    assert hosted[1].pictures == []
    expect(cloud.last.locator(".ask-who")).to_contain_text("you declined to send the picture")


def test_a_picture_over_the_inline_limit_goes_as_an_asset_and_is_deleted_after(
    cloud: AskDesk, hosted: tuple[Server, VisionNim], tmp_path: Path
) -> None:
    catalogue = hosted[1]
    cloud.take(noise(tmp_path / "noise.png"))
    shown = cloud.bytes_shown()
    expect(cloud.fact("Goes")).to_have_text("Uploaded to the hosted catalogue as an asset, deleted after the answer")
    cloud.type_and_send(ASKED)
    cloud.dialog.get_by_role("button", name="Send", exact=True).click()
    cloud.ended()
    assert catalogue.pictures == [shown]
    cloud.last.locator(".ask-prompt summary").click()
    expect(cloud.last.locator(".ask-sent")).to_contain_text("as an asset, deleted after the answer")
    wait_until(lambda: not catalogue.cloud.assets)


def test_a_retired_model_names_the_setting_and_the_question_is_kept(
    start: Callable[..., Server], sit_down: Callable[..., Desk], tmp_path: Path
) -> None:
    gone = {"type": "about:blank", "title": "Gone", "status": 410, "detail": "The model has reached its end of life."}
    with VisionNim(hosted=True, needs_key=KEY) as catalogue:
        server = start(
            IMAGING_NIM_MODE="cloud",
            IMAGING_NIM_ALLOW_MOCK_FALLBACK="false",
            IMAGING_NVIDIA_API_KEY=KEY,
            IMAGING_NIM_CLOUD_URL=f"{catalogue.url}/v1",
            IMAGING_NIM_CLOUD_FUNCTIONS_URL=catalogue.functions_url,
            IMAGING_NIM_CLOUD_VLM_MODEL=catalogue.model,
        )
        ask = AskDesk.of(sit_down(server, path="/?tab=ask"))
        Image.new("L", (40, 30), 90).save(tmp_path / "grey.png")
        ask.take(tmp_path / "grey.png")
        catalogue.switch(chat={"status": 410, "body": gone})
        ask.type_and_send(ASKED)
        ask.dialog.get_by_role("button", name="Send", exact=True).click()
        ask.ended("failed")
        expect(ask.last.get_by_role("alert")).to_contain_text("IMAGING_NIM_CLOUD_VLM_MODEL")
        expect(ask.last.locator(".chat-question p").first).to_have_text(ASKED)
