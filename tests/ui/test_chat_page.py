"""The Chat tab of a running workbench in mock mode: documents go in, a quote with its page comes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.knowledge.documents_made import pdf
from tests.serving import Server
from tests.ui.chat_desk import ChatDesk
from tests.ui.desk import Desk
from tests.ui.test_page_access import FAINT, OVERFLOW

pytestmark = pytest.mark.browser

FAT = "# Attenuation of fat\n\nFat under the skin usually has -120 to -90 HU. Muscle has 40 to 60 HU.\n"
SPLEEN = "# Spleen volume\n\nThe spleen of a healthy adult has a mean volume of 215 mL. It lies under the left ribs.\n"
LIVER = (
    (
        "The liver is the largest solid organ of the abdomen. It has two lobes and eight",
        "segments, each with a branch of the portal vein and of the hepatic artery of its own.",
        "The falciform ligament marks the border between the lobes on its front. The right",
        "lobe is by far the larger one and lies under the right half of the diaphragm. The",
        "gallbladder lies in a groove on its lower side. The caudate lobe lies behind, beside",
        "the inferior vena cava, and drains into that vein directly by small veins of its own.",
        "The hepatic veins run between the segments and end just below the right atrium.",
    ),
    (
        "Its mean attenuation without contrast is 58.8 HU in healthy adults. Iron deposition",
        "makes the liver brighter than that, and fat makes it darker. Blood vessels appear",
        "darker than the parenchyma in a healthy liver before contrast is given. In steatosis",
        "the vessels may look brighter than the parenchyma around them. The spleen serves as",
        "the reference inside the same picture, for both are scanned with one tube voltage.",
        "Regions for the measurement avoid large vessels, ducts, focal changes and the edge.",
    ),
)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("papers")
    (folder / "fat.md").write_text(FAT)
    (folder / "spleen.md").write_text(SPLEEN)
    (folder / "liver.pdf").write_bytes(pdf(LIVER, info={"Title": "The liver on CT"}))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def library(start: Callable[..., Server], chromium: Browser, papers: list[Path]) -> tuple[Server, Browser]:
    """A workbench whose library was filled through the page."""
    server = start()
    desk = Desk(chromium, server.url, path="/?tab=chat")
    chat = ChatDesk(desk.page, server.url)
    expect(desk.page.locator(".chat-state")).to_contain_text("The library is empty.")
    chat.side("library")
    desk.page.set_input_files("#chat-upload input[type=file]", [str(path) for path in papers])
    job = desk.page.locator("#chat-jobs .chat-job").first
    expect(job).to_have_attribute("data-state", "done")
    expect(job).to_contain_text("3 new; 4 passages.")
    expect(desk.page.locator("#chat-documents tbody tr[data-document]")).to_have_count(3)
    expect(desk.page.locator(".chat-state")).to_contain_text("The library holds 3 documents, 4 passages.")
    desk.page.set_input_files("#chat-upload input[type=file]", [str(papers[0])])
    expect(desk.page.locator("#chat-jobs .chat-job").first).to_contain_text("1 unchanged")
    assert desk.complaints == []
    desk.close()
    return server, chromium


@pytest.fixture
def desk(library: tuple[Server, Browser]) -> Iterator[Desk]:
    server, browser = library
    desk = Desk(browser, server.url, path="/?tab=chat")
    yield desk
    desk.close()
    assert desk.complaints == []
    assert desk.outside() == []


@pytest.fixture
def chat(desk: Desk) -> ChatDesk:
    return ChatDesk(desk.page, desk.url)


def test_a_question_is_answered_by_a_quote_whose_page_can_be_seen(chat: ChatDesk) -> None:
    chat.ask("What is the mean attenuation of the liver without contrast?")
    expect(chat.last.locator(".chat-mock")).to_have_text("MOCK")
    expect(chat.text).to_contain_text("From the library:")
    expect(chat.text).to_contain_text("Its mean attenuation without contrast is 58.8 HU in healthy adults.")
    expect(chat.last.locator(".chat-checked")).to_contain_text("covered by the text cited")
    quoted = chat.text.locator("p, li").filter(has_text="58.8 HU")
    quoted.locator(".chat-cite").click()
    card = chat.sources.locator("[data-pointed]")
    expect(card.locator("h4")).to_contain_text("The liver on CT")
    expect(card.locator(".chat-meta").first).to_contain_text("p. 2")
    expect(card.locator("mark").first).to_contain_text("attenuation")
    card.get_by_role("button", name="Show page 2").click()
    picture = card.get_by_role("img", name="Page 2 of the document")
    expect(picture).to_be_visible()
    assert picture.evaluate("each => each.decode().then(() => each.naturalWidth)") > 300
    card.get_by_role("button", name="In context").click()
    expect(card.locator(".chat-around")).to_contain_text("It has two lobes and eight segments, each")


def test_the_link_of_a_passage_opens_it_in_a_new_visit(chat: ChatDesk, desk: Desk) -> None:
    chat.ask("How large is the spleen of a healthy adult?")
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    card = chat.sources.locator(".chat-source").first
    text = card.locator(".chat-passage").inner_text()
    card.get_by_role("button", name="Copy link").click()
    link = desk.page.evaluate("navigator.clipboard.readText()")
    desk.open(link.removeprefix(desk.url))
    expect(chat.sources.locator("h3")).to_have_text("The passage of the link")
    expect(chat.sources.locator(".chat-passage").first).to_have_text(text)


def test_a_question_the_library_does_not_answer_gets_no_answer(chat: ChatDesk) -> None:
    chat.ask("Who won the football world cup in Brazil?")
    expect(chat.last).to_have_attribute("data-evidence", "none")
    expect(chat.text).to_contain_text("The library does not answer this.")
    expect(chat.last.locator(".chat-cite")).to_have_count(0)


def test_a_filter_leaves_out_what_it_should(chat: ChatDesk, desk: Desk) -> None:
    desk.page.click("[data-fold=collections]")
    desk.page.locator("[data-field='collection imaging_protocols']").check()
    chat.ask("How large is the spleen of a healthy adult?")
    expect(chat.last).to_have_attribute("data-evidence", "none")


def test_a_deleted_document_is_found_no_more(chat: ChatDesk, desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "thyroid.md").write_text("# Thyroid\n\nThe thyroid gland of an adult has about 10 to 15 mL.\n")
    chat.side("library")
    desk.page.set_input_files("#chat-upload input[type=file]", [str(tmp_path / "thyroid.md")])
    row = desk.page.locator("#chat-documents tbody tr").filter(has_text="Thyroid")
    expect(row).to_have_count(1)
    chat.ask("How large is the thyroid gland of an adult?")
    expect(chat.text).to_contain_text("The thyroid gland of an adult has about 10 to 15 mL.")
    chat.side("library")
    row.locator("[data-delete]").click()
    desk.page.locator("#chat-documents .chat-stop").click()
    expect(desk.page.locator("#chat-documents .chat-told")).to_have_text("Deleted “Thyroid”: 1 passage.")
    desk.page.click("[data-clear]")
    chat.ask("How large is the thyroid gland of an adult?")
    expect(chat.text).not_to_contain_text("10 to 15 mL")


def test_the_open_case_is_a_source_with_its_own_numbers(desk: Desk, small_ct: Path) -> None:
    desk.open("/")
    desk.open_ct(small_ct)
    desk.choose("left lung lower lobe")
    desk.run()
    volume = desk.volumes_ml()["left lung lower lobe"]
    desk.page.get_by_role("tab", name="Chat", exact=True).click()
    chat = ChatDesk.__new__(ChatDesk)
    chat.page, chat.url, chat.complaints = desk.page, desk.url, []
    box = desk.page.locator(".chat-case input")
    expect(box).to_be_enabled()
    box.check()
    expect(desk.page.locator(".chat-case")).to_contain_text("MOCK")
    chat.ask("What is the volume of the left lung lower lobe in this case?")
    told = chat.text.inner_text().replace("\u202f", "").replace(",", "")
    assert any(abs(float(each) - volume) < 0.06 for each in re.findall(r"\d+\.\d+", told)), told
    expect(chat.last.locator(".chat-with-case")).to_contain_text("MOCK")
    chat.text.locator("[data-cite=Case]").first.click()
    expect(chat.sources.locator("[data-source=Case]")).to_contain_text("left lung lower lobe")
    chat.sources.get_by_role("button", name="Open the case").click()
    expect(desk.page.get_by_role("tab", name="Segment", exact=True)).to_have_attribute("aria-selected", "true")
    desk.page.get_by_role("tab", name="Chat", exact=True).click()
    expect(chat.exchanges).to_have_count(1)


def test_the_export_holds_the_answer_and_its_passages(chat: ChatDesk, desk: Desk) -> None:
    chat.ask("What is the mean attenuation of the liver without contrast?")
    desk.page.locator(".chat-export summary").click()
    with desk.page.expect_download() as taken:
        desk.page.click("[data-format=md]")
    text = Path(taken.value.path()).read_text("utf-8")
    assert "What is the mean attenuation of the liver" in text
    assert "Its mean attenuation without contrast is 58.8 HU in healthy adults." in text
    assert "MOCK" in text


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)])
def test_it_reads_well_and_fits_in_every_size_and_theme(
    library: tuple[Server, Browser], theme: str, size: tuple[int, int]
) -> None:
    server, browser = library
    desk = Desk(browser, server.url, path="/?tab=chat", theme=theme, size=size)
    chat = ChatDesk(desk.page, server.url)
    chat.ask("What is the mean attenuation of the liver without contrast?")
    chat.ask("Who won the football world cup in Brazil?")
    for side in ("library", "sources"):
        chat.side(side)
        for fold in ("collections", "filters", "settings"):
            desk.page.click(f"[data-fold={fold}]")
            seen, faint = desk.page.evaluate(FAINT)
            assert seen >= 30
            assert faint == []
            box = desk.page.locator("#chat-folder").bounding_box()
            assert box
            assert box["y"] >= 44
            desk.page.keyboard.press("Escape")
        assert desk.page.evaluate(OVERFLOW) == [0, 0]
        for place in ("#chat-input textarea", "#chat-send", f"#chat-{side}"):
            box = desk.page.locator(place).bounding_box()
            assert box
            assert box["y"] + box["height"] <= size[1] - 26
            assert box["x"] + box["width"] <= size[0]
    desk.page.get_by_role("button", name="Hide sources").click()
    expect(desk.page.locator("#chat-side")).to_be_hidden()
    chat.exchanges.first.locator(".chat-cite").first.click()
    expect(desk.page.locator("#chat-side")).to_be_visible()
    assert desk.complaints == []
    desk.close()
