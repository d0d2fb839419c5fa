"""PDFs: pages, labels, running lines, headings; and those that cannot be read, each told why."""

from __future__ import annotations

import pytest

from tests.knowledge.documents_made import pdf, read_one, why_not
from workbench.domain.errors import NotFound
from workbench.domain.progress import Silent
from workbench.knowledge.chunks import chunks
from workbench.knowledge.documents.page_picture import draw_page

FILL = "This sentence only fills the line of a page so that it is as long as any other."


@pytest.fixture
def write(tmp_path):
    def written(pages, name="paper.pdf", **options):
        path = tmp_path / name
        path.write_bytes(pdf(pages, **options))
        return path

    return written


def text_of(document) -> str:
    return "\n".join(each.text for each in document.paragraphs)


def test_each_paragraph_knows_its_page(write):
    document = read_one(write([[FILL, "The liver has 1500 mL."], [FILL, "The spleen has 200 mL."]]))
    where = {each.page for each in document.paragraphs if "spleen" in each.text}
    assert where == {2}
    assert document.has_pages


def test_the_numbers_printed_on_the_pages_are_kept_where_they_differ(write):
    labels = "0 << /S /r >> 2 << /S /D /St 1 >>"
    document = read_one(write([[f"{FILL} {word}."] for word in ("one", "two", "three", "four")], labels=labels))
    assert [(each.page, each.label) for each in document.paragraphs] == [(1, "i"), (2, "ii"), (3, "1"), (4, "2")]


def test_a_pdf_that_numbers_its_pages_as_they_are_counted_has_no_labels(write):
    document = read_one(write([[FILL], [FILL + " Again."]]))
    assert {each.label for each in document.paragraphs} == {None}


def test_headers_footers_and_page_numbers_are_dropped(write):
    words = ("alpha", "beta", "gamma", "delta", "epsilon")
    pages = [
        [
            "Journal of Made-up Radiology 2020",
            f"{FILL} {word}.",
            f"The measured value of {word} is {n} mL.",
            f"Page {n}",
        ]
        for n, word in enumerate(words, 11)
    ]
    text = text_of(read_one(write(pages)))
    assert "Journal of" not in text
    assert "Page 1" not in text
    for n, word in enumerate(words, 11):
        assert f"The measured value of {word} is {n} mL." in text


def test_headers_that_change_with_the_chapter_and_the_side_are_dropped_too(write):
    pages = []
    for n in range(16):
        header = ("Handbook of Volumes" if n % 2 else ("The liver" if n < 8 else "The spleen")) + f" {n}"
        pages.append([header, f"{FILL} It is number {n} of sixteen."])
    text = text_of(read_one(write(pages)))
    assert "Handbook" not in text
    assert "The spleen" not in text
    assert text.count(FILL) == 16


def test_text_that_counts_with_the_pages_is_no_running_line(write):
    pages = [
        [f"This is page {n}, which tells of organ {n}.", f"The volume of organ {n} is {10 * n} mL."] for n in range(9)
    ]
    text = text_of(read_one(write(pages)))
    assert all(f"The volume of organ {n} is {10 * n} mL." in text and f"organ {n}." in text for n in range(9))


def test_pages_that_say_the_same_are_not_emptied(write):
    assert text_of(read_one(write([["The liver is the largest organ of the abdomen"]] * 4))).count("largest organ") == 4


def test_a_line_that_repeats_inside_the_pages_is_kept(write):
    pages = [
        [FILL, FILL, f"{FILL} {n}.", "The liver was measured three times.", f"{n} {FILL}", FILL + " b", f"{FILL} {n} c"]
        for n in ("one", "two", "three", "four", "five")
    ]
    assert text_of(read_one(write(pages))).count("The liver was measured three times.") == 5


def test_a_word_broken_at_a_lines_end_is_whole_again(write):
    document = read_one(write([["The segmen-", "tation of the liver was repeated by two readers on other days."]]))
    assert "The segmentation of the liver" in text_of(document)


def test_a_word_that_is_written_with_a_hyphen_keeps_it_at_a_lines_end(write):
    document = read_one(
        write(
            [["A contrast-enhanced scan was made of all.", "It was contrast-", "enhanced in the portal venous phase."]]
        )
    )
    assert "It was contrast-enhanced in the portal" in text_of(document)


def test_a_sentence_over_a_page_break_is_whole_and_cites_both_pages(write):
    first = ["The volume of the liver was measured on every scan of the study by two"]
    second = ["readers who did not know of each other. The spleen was not measured."]
    document = read_one(write([first, second]))
    (whole,) = [each for each in chunks(document.paragraphs) if "by two readers who" in each.text]
    assert (whole.page_start, whole.page_end) == (1, 2)


def test_bookmarks_are_headings_from_their_place_on_the_page(write):
    pages = [
        ["An early line before everything that is said.", "1 Methods", FILL],
        ["2 Results", "The liver has 1500 mL."],
    ]
    document = read_one(write(pages, bookmarks=[("Methods", 0), ("Results", 1)]))
    assert [(each.section, each.text) for each in document.paragraphs] == [
        ("", "An early line before everything that is said."),
        ("Methods", FILL),
        ("Results", "The liver has 1500 mL."),
    ]


def test_without_bookmarks_the_usual_headings_of_an_article_are_found(write):
    pages = [["Introduction", FILL, "Materials and methods", FILL, "Conclusion", "The liver has 1500 mL."]]
    sections = {each.text: each.section for each in read_one(write(pages)).paragraphs}
    assert sections["The liver has 1500 mL."] == "Conclusion"


def test_the_title_is_the_one_that_the_file_tells(write):
    assert read_one(write([[FILL]], info={"Title": "Volumes of the liver"})).title == "Volumes of the liver"


@pytest.mark.parametrize("junk", ["Microsoft Word - final2.docx", "untitled", "paper.dvi", "12345"])
def test_a_title_that_is_none_gives_way_to_the_largest_letters(write, junk):
    lines = ["Journal 12, 34", "Volumes of the liver", "in healthy adults", FILL, FILL]
    document = read_one(write([lines], info={"Title": junk}, sizes=[9, 20, 20]))
    assert document.title == "Volumes of the liver in healthy adults"


def test_without_any_title_the_file_names_it(write):
    assert read_one(write([[FILL, FILL, FILL]], name="liver_volumes.pdf")).title == "liver volumes"


def test_the_only_doi_of_the_first_page_is_the_address(write):
    document = read_one(write([[FILL, "https://doi.org/10.1148/rg.246045065."]]))
    assert document.url == "https://doi.org/10.1148/rg.246045065"
    assert read_one(write([[FILL, "10.1148/rg.1 and 10.1148/rg.2"]])).url is None


@pytest.mark.parametrize(
    ("line", "year"),
    [("Published online: 12 March 2019", 2019), ("© 2021 The Authors", 2021), ("It was measured in 1998.", None)],
)
def test_the_year_is_the_one_that_is_printed_as_such(write, line, year):
    assert read_one(write([[FILL, line]])).year == year


def test_a_contents_page_is_left_out(write):
    text = text_of(read_one(write([["Introduction . . . . . . . . . . 3", "Results ................ 9", FILL]])))
    assert text == FILL


def test_a_scan_without_text_is_told(write):
    why = why_not(write([["12"], []], picture=True))
    assert "scan without text" in why
    assert "OCR" in why


def test_a_pdf_without_text_or_pictures_is_told(write):
    assert "no text" in why_not(write([[], []]))


def test_pages_without_text_among_others_are_counted(write):
    document = read_one(write([[FILL], [], []], picture=True))
    assert any("2 of 3 pages hold no text" in note for note in document.notes)


def test_an_encrypted_pdf_is_told(write):
    assert "password" in why_not(write([[FILL]], encrypted=True))


@pytest.mark.parametrize("keep", [60, 200])
def test_a_pdf_cut_short_is_told(tmp_path, keep):
    (tmp_path / "cut.pdf").write_bytes(pdf([[FILL]])[:keep])
    assert "broken" in why_not(tmp_path / "cut.pdf")


def test_a_file_that_only_says_it_is_a_pdf_is_told(tmp_path):
    (tmp_path / "page.pdf").write_bytes(b"<html><body>Sign in to download</body></html>")
    assert "broken" in why_not(tmp_path / "page.pdf")


def test_a_pdf_of_5000_pages_is_told_with_the_limit(write):
    why = why_not(write([["One short line of text."]] * 5000))
    assert "5,000 pages" in why
    assert "4,000" in why


def test_more_text_than_allowed_stops_the_reading(write):
    assert "characters" in why_not(write([[FILL]] * 3), most_characters=100)


def test_a_page_is_drawn_as_a_picture(write):
    png = draw_page(write([[FILL], [FILL]]), 2, progress=Silent())
    assert png.startswith(b"\x89PNG")


@pytest.mark.parametrize("page", [0, 3, -1])
def test_a_page_that_is_not_there_is_told(write, page):
    with pytest.raises(NotFound, match="no page"):
        draw_page(write([[FILL], [FILL]]), page, progress=Silent())
