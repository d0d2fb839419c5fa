"""DOCX, HTML, Markdown, text and JSON Lines: what is kept, what is left out, and what cannot be read, told why."""

from __future__ import annotations

import json

import pytest

from tests.knowledge.documents_made import LIVER, docx, read, read_one, why_not, zipped
from workbench.knowledge.documents.nouns import ReadDocument, Unread


@pytest.fixture
def write(tmp_path):
    def written(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return written


def sections(document):
    return [(each.section, each.text) for each in document.paragraphs]


def text_of(document):
    return "\n".join(each.text for each in document.paragraphs)


# DOCX


def report(document):
    document.core_properties.title = "Volumes of the liver"
    document.add_heading("Methods", 1)
    document.add_heading("Scanner", 2)
    document.add_paragraph(LIVER)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        table.rows[0].cells + table.rows[1].cells, ("Organ", "Volume (mL)", "liver", "1500"), strict=True
    ):
        cell.text = text
    document.add_heading("Results", 1)
    document.add_paragraph("It was large.")


def test_a_docx_has_its_headings_as_sections_and_its_tables_as_sentences(write):
    document = read_one(write("report.docx", docx(report)))
    assert document.title == "Volumes of the liver"
    assert sections(document) == [
        ("Methods › Scanner", LIVER),
        ("Methods › Scanner", "Organ: liver; Volume (mL): 1500"),
        ("Results", "It was large."),
    ]
    assert {each.page for each in document.paragraphs} == {None}


def test_a_cell_that_spans_columns_is_told_once(write):
    def build(document):
        table = document.add_table(rows=2, cols=3)
        table.cell(1, 0).merge(table.cell(1, 2)).text = "The whole row"

    assert text_of(read_one(write("merged.docx", docx(build)))) == "The whole row"


def test_a_damaged_docx_is_told(write):
    whole = docx(report)
    assert "damaged" in why_not(write("cut.docx", whole[: len(whole) // 2]))


def test_a_docx_that_holds_no_xml_is_told(write):
    broken = zipped({"[Content_Types].xml": b"<Types", "word/document.xml": b"not XML"})
    assert "damaged" in why_not(write("broken.docx", broken))


def test_a_docx_that_unpacks_into_a_bomb_is_told_before_it_is_unpacked(write):
    bomb = zipped({"word/document.xml": b" " * 3_000_000})
    assert len(bomb) < 10_000
    assert "unpacks to" in why_not(write("bomb.docx", bomb), most_file_bytes=1_000_000)


# HTML

PAGE = """<!DOCTYPE html><html><head><title>Volumes of the liver</title>
<meta name="citation_publication_date" content="2019/03/12"><meta name="citation_doi" content="10.1148/rg.246045065">
<style>p { color: red }</style><script>steal("head")</script></head><body onload="steal()">
<nav>Home | About</nav><h1>Volumes of the liver</h1><p>The <b>liver</b> has <span>1500&nbsp;mL</span>.</p>
<script>document.write("<p>injected</p>")</script><noscript>no script</noscript><p hidden>hidden words</p>
<h2>Table</h2><table><tr><th>Organ</th><th>mL</th></tr><tr><td>spleen</td><td>200</td></tr></table>
<ul><li>First item</li><li>Second item</li></ul><footer>Imprint</footer></body></html>"""


def test_html_keeps_what_a_reader_sees_under_its_headings(write):
    document = read_one(write("page.html", PAGE))
    assert (document.title, document.year) == ("Volumes of the liver", 2019)
    assert document.url == "https://doi.org/10.1148/rg.246045065"
    assert sections(document) == [
        ("", "The liver has 1500 mL."),
        ("Table", "Organ: spleen; mL: 200"),
        ("Table", "First item"),
        ("Table", "Second item"),
    ]


@pytest.mark.parametrize(
    "word", ["steal", "injected", "color", "Home", "Imprint", "hidden", "no script", "<", "onload"]
)
def test_html_keeps_nothing_of_scripts_styles_menus_and_hidden_parts(write, word):
    assert word not in text_of(read_one(write("page.html", PAGE)))


def test_html_nested_beyond_reason_is_read(write):
    deep = "<div>" * 20_000 + LIVER + "</div>" * 20_000
    assert LIVER in text_of(read_one(write("deep.html", f"<html><body>{deep}</body></html>")))


def test_html_without_the_ending_is_known_by_its_beginning(write):
    assert read_one(write("page", PAGE)).title == "Volumes of the liver"


def test_a_canonical_address_that_is_a_script_is_not_kept(write):
    page = '<html><head><link rel="canonical" href="javascript:alert(1)"></head><body><p>The liver.</p></body></html>'
    assert read_one(write("page.html", page)).url is None


def test_html_is_read_in_the_encoding_that_it_declares(write):
    page = '<html><head><meta charset="iso-8859-2"></head><body><p>wątroba</p></body></html>'
    document = read_one(write("page.html", page.encode("iso-8859-2")))
    assert text_of(document) == "wątroba"
    assert document.notes == ()


# Markdown

ARTICLE = """---
title: Hounsfield units
year: 2026
url: https://example.org/hu
sources:
  - "A. Author. A title. 2015."
  - https://doi.org/10.1148/rg.246045065
---
# Hounsfield units

Water is **0 HU**, air [-1000 HU](https://example.org). <script>steal()</script>

## Ranges

- Fat: -100 HU
- Bone: above 300 HU

| Tissue | HU |
|---|---|
| liver | 60 |

<script>
steal("block")
</script>

```python
print("kept")
```
"""


def test_markdown_has_its_front_matter_headings_lists_and_tables(write):
    document = read_one(write("hu.md", ARTICLE))
    assert (document.title, document.year, document.url) == ("Hounsfield units", 2026, "https://example.org/hu")
    assert document.references == ("A. Author. A title. 2015.", "https://doi.org/10.1148/rg.246045065")
    assert sections(document) == [
        ("", "Water is 0 HU, air -1000 HU."),
        ("Ranges", "Fat: -100 HU"),
        ("Ranges", "Bone: above 300 HU"),
        ("Ranges", "Tissue: liver; HU: 60"),
        ("Ranges", 'print("kept")'),
    ]


def test_front_matter_that_is_no_yaml_is_told_and_left_out(write):
    document = read_one(write("a.md", "---\ntitle: [unclosed\n---\n# The liver\n\nIt has 1500 mL.\n"))
    assert document.title == "The liver"
    assert any("front matter" in note for note in document.notes)


def test_a_line_between_paragraphs_is_no_front_matter(write):
    assert "above" in text_of(read_one(write("a.md", "What is above.\n\n---\n\nWhat is below.\n")))


# Text


def test_the_first_line_of_a_text_is_its_title_where_it_stands_alone(write):
    document = read_one(write("liver.txt", f"Volumes of the liver\n\n{LIVER}\n"))
    assert (document.title, text_of(document)) == ("Volumes of the liver", LIVER)


def test_a_text_that_begins_with_a_sentence_is_named_by_its_file(write):
    assert read_one(write("liver_notes.txt", LIVER)).title == "liver notes"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_text_is_read_in_every_kind_of_unicode(write, encoding):
    document = read_one(write("müller.txt", "Die Leber wiegt ungefähr 1500 g – im Mittel.".encode(encoding)))
    assert text_of(document) == "Die Leber wiegt ungefähr 1500 g – im Mittel."


def test_an_encoding_that_has_to_be_guessed_is_told(write):
    document = read_one(write("alt.txt", "Die Leber wiegt ungefähr 1500 g – im Mittel.".encode("cp1252")))
    assert text_of(document) == "Die Leber wiegt ungefähr 1500 g – im Mittel."
    assert any("guessed" in note for note in document.notes)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("notes.txt", b"\x00\x01\x02\x03binary\x00" * 50, "not a text"),
        ("image.txt", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "picture"),
        ("slice.dcm", b"\0" * 128 + b"DICM" + b"\0" * 50, "Segment tab"),
        ("old.doc", b"\xd0\xcf\x11\xe0" + b"\0" * 500, "old Office"),
        ("letter.rtf", b"{\\rtf1 text}", "Rich Text"),
        ("set.tar.gz", b"\x1f\x8b" + b"\0" * 50, "gzip"),
        ("empty.txt", b"", "empty"),
        ("blank.txt", b" \n\t\n ", "empty"),
        ("sheet.xlsx", zipped({"xl/workbook.xml": b"<x/>"}), "spreadsheet"),
        ("dots.txt", b"... --- ...", "no text"),
    ],
)
def test_what_is_no_document_is_told_what_it_is(write, name, content, told):
    assert told in why_not(write(name, content))


def test_a_text_larger_than_is_read_at_once_is_told(write):
    assert "at most" in why_not(write("long.txt", LIVER * 100), most_file_bytes=1000)
    assert "characters" in why_not(write("long.txt", LIVER * 100), most_characters=1000)


def test_what_cannot_be_seen_is_not_kept(write):
    text = "The\u200b liver\u202e is \u00adlarge\x07.\ud7ff"
    assert text_of(read_one(write("odd.txt", text))) == "The liver is large.\ud7ff"


# JSON Lines


def lines(*documents) -> str:
    return "\n".join(each if isinstance(each, str) else json.dumps(each) for each in documents)


def test_a_line_is_a_document(write):
    told = {"title": "Liver", "text": LIVER, "source": "PMID 1", "year": 2019, "url": "https://example.org/1"}
    (document,) = read(write("set.jsonl", lines(told)))
    assert isinstance(document, ReadDocument)
    assert (document.title, document.source, document.year) == ("Liver", "PMID 1", 2019)
    assert (document.url, document.record, text_of(document)) == ("https://example.org/1", True, LIVER)


def test_only_the_text_of_a_line_is_needed(write):
    (document,) = read(write("set.jsonl", lines({"text": LIVER})))
    assert isinstance(document, ReadDocument)
    assert document.title.startswith("The liver is the largest")
    assert document.source == "set.jsonl"


def test_a_bad_line_is_told_and_the_others_go_on(write):
    bad = ['{"text": "cut off', '["a list"]', {"title": "no text"}, {"text": 5}, "[" * 200_000]
    found = read(write("set.jsonl", lines({"text": LIVER}, *bad, {"text": "The spleen."})))
    assert [type(each) for each in found] == [ReadDocument, *[Unread] * 5, ReadDocument]
    assert [each.name for each in found[1:3]] == ["set.jsonl, line 2", "set.jsonl, line 3"]
    assert "not JSON" in found[1].why
    assert "no object" in found[2].why


def test_a_line_that_is_not_utf8_is_told(write):
    found = read(write("set.jsonl", b'{"text": "\xfcber"}\n{"text": "The liver."}'))
    assert "UTF-8" in found[0].why
    assert isinstance(found[1], ReadDocument)


def test_json_lines_in_utf16_are_read(write):
    (document,) = read(write("set.jsonl", lines({"text": LIVER}).encode("utf-16")))
    assert text_of(document) == LIVER


@pytest.mark.parametrize(
    ("year", "kept"), [(2019, 2019), ("2019-05-01", 2019), ("c. 2019", 2019), (True, None), (12, None)]
)
def test_a_year_is_kept_where_it_is_one(write, year, kept):
    (document,) = read(write("set.jsonl", lines({"text": LIVER, "year": year})))
    assert document.year == kept


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "not an address", 5])
def test_an_address_that_cannot_be_linked_to_is_left_out_and_told(write, url):
    (document,) = read(write("set.jsonl", lines({"text": LIVER, "url": url})))
    assert document.url is None
    assert any("url" in note for note in document.notes)


def test_a_file_of_nothing_but_bad_lines_does_not_fill_the_report(write):
    found = read(write("set.jsonl", "not JSON\n" * 5000))
    assert len(found) == 1001
    assert "left out" in found[-1].why


def test_halves_of_letters_and_other_broken_unicode_become_storable(write):
    (document,) = read(write("set.jsonl", '{"text": "The \\ud800 liver.\\u0000", "title": "A\\ud800"}'))
    text_of(document).encode("utf-8")
    document.title.encode("utf-8")
