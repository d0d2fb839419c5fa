"""HTML: what a reader sees of a page, as text. Scripts, styles, forms, menus and what is hidden are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.domain.progress import Progress
from workbench.knowledge.documents.cleaned import decoded, short, web_address, year_of
from workbench.knowledge.documents.nouns import DocumentLimits, ReadDocument, Reading
from workbench.knowledge.documents.outline import Outline
from workbench.knowledge.documents.plain import stem_of
from workbench.knowledge.documents.tables import table_lines

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.I)
_NEVER_SHOWN = (
    "script, style, noscript, template, iframe, object, embed, svg, math, canvas, nav, footer, aside, form, button, "
    "select, textarea, dialog, [hidden], [aria-hidden=true]"
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCK_NAMES = """
    address article blockquote body br caption center dd details div dl dt fieldset figcaption figure header hgroup hr
    html legend li main ol p pre section summary table tbody td tfoot th thead tr ul
    """
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_TITLES = ("meta[name=citation_title]", "meta[property='og:title']", "meta[name='dc.title']", "meta[name='DC.title']")
_YEARS = (
    "meta[name=citation_publication_date]",
    "meta[name=citation_date]",
    "meta[property='article:published_time']",
    "meta[name='dc.date']",
    "meta[name='DC.date']",
)
_MOST_CELLS = 100_000


def read_web(path: Path, name: str, limits: DocumentLimits, progress: Progress) -> Reading:
    """The one document of an HTML file."""
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415 - only where an HTML file is read

    raw = path.read_bytes()
    declared = _CHARSET.search(raw[:4096])
    text, note = decoded(raw, declared=declared[1].decode("ascii") if declared else None)
    page = LexborHTMLParser(text)
    title = _title(page)
    year = next(filter(None, (year_of(value) for value in _contents(page, _YEARS))), None)
    address = _address(page)
    for node in page.css(_NEVER_SHOWN):
        node.decompose()
    outline = Outline()
    if page.body is not None:
        _walk(page.body, outline)
    title = title or outline.first_heading or stem_of(name)
    yield ReadDocument(
        name=name,
        title=title,
        source=name,
        paragraphs=outline.without(title),
        year=year,
        url=address,
        notes=(note,) if note else (),
    )


def _walk(body: LexborNode, outline: Outline) -> None:
    """Follow the page's nodes in order, without recursion: a page may be nested as deep as it likes."""
    words: list[str] = []

    def end_paragraph() -> None:
        outline.paragraph("".join(words))
        words.clear()

    node: Any = body.child
    while node is not None:
        inside = None
        tag = node.tag
        if tag == "-text":
            words.append(node.text_content or "")
        elif tag in _HEADINGS:
            end_paragraph()
            outline.heading(_HEADINGS[tag], node.text(separator=" "))
        elif tag == "table" and _is_data(node):
            end_paragraph()
            _table(node, outline)
        else:
            if tag in _BLOCKS:
                end_paragraph()
            inside = node.child
        if inside is not None:
            node = inside
            continue
        while node is not None and node.next is None:
            node = node.parent
            if node is None or node.mem_id == body.mem_id:  # `==` compares what the nodes look like as HTML
                end_paragraph()
                return
            if node.tag in _BLOCKS:
                end_paragraph()
        if node is not None:
            node = node.next
    end_paragraph()


def _is_data(table: LexborNode) -> bool:
    """Whether a table holds data, not the layout of a page: no table, heading or paragraph lies in its cells."""
    return table.css_first("table table, td h1, td h2, td h3, td p + p, td ul") is None


def _table(table: LexborNode, outline: Outline) -> None:
    caption = table.css_first("caption")
    if caption is not None:
        outline.paragraph(caption.text(separator=" "))
    rows: list[list[str]] = []
    cells = 0
    for row in table.css("tr"):
        rows.append([cell.text(separator=" ") for cell in row.css("td, th")])
        cells += len(rows[-1])
        if cells > _MOST_CELLS:
            break
    has_header = table.css_first("tr") is not None and table.css_first("tr th") is not None
    for line in table_lines(rows, has_header=has_header):
        outline.paragraph(line)


def _title(page: LexborHTMLParser) -> str:
    named = next((value for value in _contents(page, _TITLES) if value.strip()), "")
    if not named:
        node = page.css_first("head title")
        named = node.text() if node is not None else ""
    return short(named, 512)


def _address(page: LexborHTMLParser) -> str | None:
    """Where the page itself says that it is published."""
    doi = next(iter(_contents(page, ("meta[name=citation_doi]",))), "").strip().removeprefix("doi:")
    if re.fullmatch(r"10\.\d{4,9}/\S{1,200}", doi):
        return web_address(f"https://doi.org/{doi}")
    link = page.css_first("link[rel=canonical]")
    return web_address(link.attributes.get("href")) if link is not None else None


def _contents(page: LexborHTMLParser, selectors: tuple[str, ...]) -> Iterator[str]:
    for selector in selectors:
        node = page.css_first(selector)
        if node is not None and node.attributes.get("content"):
            yield str(node.attributes["content"])
