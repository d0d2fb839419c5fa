"""The library beside the conversation: what is in it, adding to it, deleting from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.ui.chat_app import Told
from tests.ui.chat_desk import ChatDesk, chat, served, told

__all__ = ["chat", "served", "told"]

pytestmark = pytest.mark.browser

PROGRESS = {"files": 1, "files_done": 0, "documents_done": 0, "passages": 0, "passages_done": 0}


def document(number: int, **more: Any) -> dict[str, Any]:
    made = {
        "id": f"d{number}",
        "title": f"Article {number:03}",
        "source": f"file-{number:03}.pdf",
        "year": 2000 + number,
    }
    told = {"collection": "imaging_literature", "passages": number, "added": f"2026-01-{1 + number % 28:02}T00:00:00Z"}
    return {**made, **told, "url": None, "references": [], "has_pages": False, "shared": True, **more}


def job(state: str, *, report: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    told = {"job_id": "ingest", "state": state, "stage": "reading", "fraction": None, "error": None, "hint": None}
    return {**told, "trace_id": None, "progress": PROGRESS, "report": report, **more}


def report(*rows: tuple[str, str, int, str | None], stopped: bool = False) -> dict[str, Any]:
    kinds = ("new", "replaced", "unchanged", "failed")
    documents = [
        {"name": name, "outcome": outcome, "passages": passages, "document_id": None, "why": why, "notes": []}
        for name, outcome, passages, why in rows
    ]
    counts = {kind: sum(each["outcome"] == kind for each in documents) for kind in kinds}
    return {**counts, "passages": sum(row[2] for row in rows), "stopped": stopped, "documents": documents}


@pytest.fixture
def room(chat: ChatDesk, told: Told) -> ChatDesk:
    """The tab with its library open, three documents in it."""
    told.collections[0] |= {"documents": 3, "passages": 6}
    told.documents["imaging_literature"] = [document(number) for number in (3, 2, 1)]
    chat.open()
    chat.side("library")
    return chat


def rows(room: ChatDesk) -> Locator:
    return room.page.locator("#chat-documents tbody tr[data-document]")


def first_jobs_line(room: ChatDesk) -> Locator:
    return room.page.locator("#chat-jobs .chat-job").first


def pick(room: ChatDesk, *paths: Path) -> None:
    room.page.set_input_files("#chat-upload input[type=file]", [str(path) for path in paths])


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    path = tmp_path / "paper.md"
    path.write_text("# Paper\n\nFat is light.")
    return path


def test_the_table_tells_each_document_and_is_found_and_sorted_through(room: ChatDesk) -> None:
    expect(rows(room)).to_have_count(3)
    expect(rows(room).first).to_contain_text("Article 003")
    expect(rows(room).first.locator("td").nth(0)).to_have_text("file-003.pdf, 2003")
    expect(rows(room).first.locator("td").nth(2)).to_have_text("2026-01-04")
    room.page.get_by_role("button", name="Title", exact=True).click()
    expect(rows(room).first).to_contain_text("Article 001")
    room.page.get_by_role("button", name="Passages", exact=True).click()
    expect(rows(room).first).to_contain_text("Article 003")
    room.page.get_by_label("Find a document").fill("file-002")
    expect(rows(room)).to_have_count(1)
    room.page.get_by_label("Find a document").fill("nothing such")
    expect(room.page.locator("#chat-documents tbody")).to_have_text("No document matches.")


def test_a_long_list_is_shown_in_parts(room: ChatDesk, told: Told) -> None:
    told.documents["protocols"] = [document(number, collection="protocols") for number in range(250)]
    room.page.select_option("#chat-collection select", "protocols")
    expect(rows(room)).to_have_count(100)
    room.page.get_by_role("button", name="Show 100 more of 150").click()
    expect(rows(room)).to_have_count(200)
    room.page.get_by_role("button", name="Show 50 more of 50").click()
    expect(rows(room)).to_have_count(250)


def test_a_document_is_deleted_only_after_a_second_word_and_the_passages_are_counted(
    room: ChatDesk, told: Told
) -> None:
    row = rows(room).nth(1)
    row.get_by_role("button", name="Delete Article 002").click()
    expect(row).to_contain_text("Delete “Article 002” with 2 passages?")
    row.get_by_role("button", name="Keep").click()
    expect(rows(room)).to_have_count(3)
    expect(rows(room).nth(1).locator("[data-delete]")).to_be_focused()
    rows(room).nth(1).locator("[data-delete]").click()
    rows(room).nth(1).get_by_role("button", name="Delete", exact=True).click()
    expect(room.page.locator("#chat-documents .chat-told")).to_have_text("Deleted “Article 002”: 2 passages.")
    expect(rows(room)).to_have_count(2)
    assert [each["id"] for each in told.documents["imaging_literature"]] == ["d3", "d1"]


def test_a_document_that_is_not_theirs_to_delete_stays_with_the_reason(room: ChatDesk, told: Told) -> None:
    told.documents["imaging_literature"] = []
    rows(room).first.locator("[data-delete]").click()
    rows(room).first.get_by_role("button", name="Delete", exact=True).click()
    expect(rows(room).first.get_by_role("alert")).to_contain_text("There is no such document.")
    rows(room).first.get_by_role("button", name="Close").click()
    expect(rows(room)).to_have_count(3)


def test_a_picked_file_goes_into_the_collection_on_show_and_its_way_is_told(
    room: ChatDesk, told: Told, paper: Path
) -> None:
    room.page.select_option("#chat-collection select", "protocols")
    far = {"files": 2, "files_done": 1, "documents_done": 1, "passages": 30, "passages_done": 14}
    told.jobs = [job("running", fraction=0.4, progress=far)]
    pick(room, paper)
    line = first_jobs_line(room)
    expect(line).to_contain_text("Adding paper.md")
    expect(line).to_contain_text("reading · 1 of 2 files · 14 of 30 passages")
    assert told.uploads == [("protocols", ["paper.md"])]
    told.documents["protocols"] = [document(9, title="Paper")]
    told.jobs = [job("done", report=report(("paper.md", "new", 4, None), ("scan.pdf", "failed", 0, "It has no text.")))]
    expect(line).to_contain_text("1 new, 1 failed; 4 passages.")
    expect(line.locator("li")).to_have_text("scan.pdf It has no text.")
    expect(rows(room)).to_have_count(1)
    line.get_by_role("button", name="Close").click()
    expect(room.page.locator("#chat-jobs .chat-job")).to_have_count(0)


def test_the_same_file_again_is_told_unchanged(room: ChatDesk, told: Told, paper: Path) -> None:
    told.jobs = [job("done", report=report(("paper.md", "unchanged", 4, None)))]
    pick(room, paper)
    expect(first_jobs_line(room)).to_contain_text("1 unchanged; 4 passages.")


def test_adding_can_be_cancelled_and_what_was_added_is_told(room: ChatDesk, told: Told, paper: Path) -> None:
    told.jobs = [job("running")]
    pick(room, paper)
    first_jobs_line(room).get_by_role("button", name="Cancel").click()
    expect(first_jobs_line(room).get_by_role("button", name="Cancel")).to_be_disabled()
    told.jobs = [job("cancelled", report=report(("paper.md", "new", 4, None), stopped=True))]
    expect(first_jobs_line(room)).to_contain_text("Cancelled. 1 new; 4 passages.")
    assert told.cancelled == ["ingest"]


def test_a_job_that_fails_says_why_and_what_to_do(room: ChatDesk, told: Told, paper: Path) -> None:
    told.jobs = [job("failed", error="The disk is full.", hint="Free some room, then add it again.")]
    pick(room, paper)
    expect(first_jobs_line(room).get_by_role("alert")).to_contain_text("The disk is full.")
    expect(first_jobs_line(room).locator(".wb-hint")).to_have_text("Free some room, then add it again.")


def test_files_over_the_limit_are_refused_before_they_travel(room: ChatDesk, told: Told, tmp_path: Path) -> None:
    large = tmp_path / "large.pdf"
    with large.open("wb") as file:
        file.truncate(1_000_001)
    pick(room, large)
    expect(first_jobs_line(room).get_by_role("alert")).to_contain_text("Too large to upload")
    assert told.uploads == []


def test_files_dropped_anywhere_on_the_tab_are_added_and_the_library_is_shown(room: ChatDesk, told: Told) -> None:
    told.jobs = [job("done", report=report(("a.txt", "new", 1, None), ("b.txt", "new", 1, None)))]
    room.side("sources")
    room.page.locator("#chat-log").evaluate(
        """place => { const data = new DataTransfer();
        for (const name of ['a.txt', 'b.txt']) data.items.add(new File(['words'], name));
        place.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })); }"""
    )
    expect(first_jobs_line(room)).to_contain_text("Adding 2 files")
    expect(first_jobs_line(room)).to_contain_text("2 new; 2 passages.")
    expect(room.page.locator("#chat-library")).to_be_visible()
    assert told.uploads == [("imaging_literature", ["a.txt", "b.txt"])]


def test_a_collection_is_made_and_deleted_with_its_counts_told(room: ChatDesk, told: Told) -> None:
    head = room.page.locator("#chat-collection")
    head.get_by_role("button", name="New collection").click()
    head.get_by_label("Name of the new collection").fill("protocols")
    head.get_by_role("button", name="Create").click()
    expect(head.get_by_role("alert")).to_contain_text("There is a collection protocols already.")
    head.get_by_label("Name of the new collection").fill("my_papers")
    head.get_by_label("Name of the new collection").press("Enter")
    expect(head.locator("select")).to_have_value("my_papers")
    head.locator("select").select_option("imaging_literature")
    head.get_by_role("button", name="Delete collection").click()
    expect(head).to_contain_text("Delete imaging_literature with 3 documents and 6 passages? This cannot be undone.")
    head.get_by_role("button", name="Delete", exact=True).click()
    expect(head).to_contain_text("Deleted imaging_literature: 6 passages.")
    assert [each["name"] for each in told.collections] == ["protocols", "my_papers"]


def test_a_name_that_no_collection_may_have_is_not_sent(room: ChatDesk, told: Told) -> None:
    head = room.page.locator("#chat-collection")
    head.get_by_role("button", name="New collection").click()
    head.get_by_label("Name of the new collection").fill("no blanks")
    head.get_by_role("button", name="Create").click()
    assert head.get_by_label("Name of the new collection").evaluate("each => each.validity.patternMismatch")
    assert len(told.collections) == 2


def test_a_collection_of_another_embedder_offers_to_be_indexed_again(room: ChatDesk, told: Told) -> None:
    told.collections[0]["needs_reindex"] = "Its vectors were made by another model."
    room.open()
    room.side("library")
    head = room.page.locator("#chat-collection")
    expect(head).to_contain_text("Its vectors were made by another model.")
    told.jobs = [job("running", stage="embedding", fraction=0.5), job("done", report=report())]
    head.get_by_role("button", name="Re-index").click()
    expect(first_jobs_line(room)).to_contain_text("Re-indexing imaging_literature")
    expect(head).not_to_contain_text("Needs new vectors")


@pytest.mark.parametrize(("shared", "words"), [(True, "everyone who uses this workbench"), (False, "only this visit")])
def test_who_will_read_what_is_added_is_said_before(room: ChatDesk, told: Told, shared: bool, words: str) -> None:
    told.collections[0]["shared"] = shared
    room.open()
    room.side("library")
    expect(room.page.locator(".chat-readers")).to_contain_text(words)


def test_the_starter_library_is_watched_while_it_is_indexed(room: ChatDesk, told: Told) -> None:
    told.collections[0] |= {"indexing": {"done": 12, "of": 61}}
    room.open()
    expect(room.page.locator(".chat-state")).to_contain_text("being indexed: 12 of 61 articles.")
    told.collections[0] |= {"indexing": None, "documents": 61, "passages": 400}
    expect(room.page.locator(".chat-state")).to_contain_text("61 documents, 400 passages.")


def test_a_library_that_cannot_be_read_is_told_and_comes_back_by_itself(room: ChatDesk) -> None:
    room.page.route("**/collections", lambda route: route.abort())
    room.open()
    expect(room.page.locator(".chat-welcome").get_by_role("alert")).to_contain_text("The library cannot be read")
    room.page.unroute("**/collections")
    expect(room.page.locator(".chat-state")).to_contain_text("3 documents")
