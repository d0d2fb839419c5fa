"""Markdown: headings, paragraphs, lists, tables and code; a front matter tells title, year, address and sources.

HTML inside Markdown is left out: it is never rendered here, and as text it is noise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from workbench.domain.progress import Progress
from workbench.knowledge.documents.cleaned import clean, decoded, short, texts, web_address, year_of
from workbench.knowledge.documents.nouns import DocumentLimits, ReadDocument, Reading
from workbench.knowledge.documents.outline import Outline
from workbench.knowledge.documents.plain import stem_of
from workbench.knowledge.documents.tables import table_lines

_FRONT_MATTER = re.compile(r"\A---[^\S\n]*\n(.{0,20000}?)\n(?:---|\.\.\.)[^\S\n]*(?:\n|\Z)", re.S)

_SCRIPT = re.compile(r"<(/?)(?:script|style)\b", re.I)


def read_markdown(path: Path, name: str, limits: DocumentLimits, progress: Progress) -> Reading:
    """The one document of a Markdown file."""
    raw, note = decoded(path.read_bytes())
    text = clean(raw).replace("\r\n", "\n").replace("\r", "\n")
    told, body, damaged = _front_matter(text)
    outline = Outline()
    for token, content in _blocks(body):
        if isinstance(content, int):
            outline.heading(content, token)
        else:
            outline.paragraph(token)
    title = short(str(told.get("title") or ""), 512) or outline.first_heading or stem_of(name)
    notes = [note] if note else []
    if damaged:
        notes.append("Its front matter cannot be read (not YAML) and was left out.")
    yield ReadDocument(
        name=name,
        title=title,
        source=name,
        paragraphs=outline.without(title),
        year=year_of(told.get("year")) or year_of(told.get("date")),
        url=web_address(told.get("url")),
        references=_references(told),
        notes=tuple(notes),
    )


def _front_matter(text: str) -> tuple[Mapping[str, Any], str, bool]:
    """What it tells, the text after it, and whether it is there and damaged."""
    found = _FRONT_MATTER.match(text)
    if found is None:
        return {}, text, False
    try:
        told = yaml.safe_load(found[1])
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}, text[found.end() :], True
    return (told, text[found.end() :], False) if isinstance(told, dict) else ({}, text, False)


def _references(told: Mapping[str, Any]) -> tuple[str, ...]:
    named = told.get("sources", told.get("references"))
    if isinstance(named, str):
        named = [named]
    return texts(named) if isinstance(named, list) else ()


def _blocks(body: str) -> Iterator[tuple[str, int | None]]:
    """(heading, its level) or (paragraph, None), in order."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - only where a Markdown file is read

    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    level: int | None = None
    rows: list[list[str]] | None = None
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1:])
        elif token.type == "table_open":
            rows = []
        elif token.type == "tr_open" and rows is not None:
            rows.append([])
        elif token.type == "table_close" and rows is not None:
            yield from ((line, None) for line in table_lines(rows, has_header=True))
            rows = None
        elif token.type == "inline":
            content = _plain(token.children or ())
            if rows:
                rows[-1].append(content)
            else:
                yield content, level
            level = None
        elif token.type in ("fence", "code_block"):
            yield token.content, None


def _plain(tokens: Sequence[Any]) -> str:
    """The words of a line: of a link what it is called, of a picture what stands in its place; of a script nothing."""
    kept = {"text": None, "code_inline": None, "softbreak": " ", "hardbreak": " "}
    parts = []
    in_script = False
    for token in tokens:
        if token.type == "html_inline" and (tag := _SCRIPT.match(token.content)):
            in_script = not tag[1]
        elif token.type in kept and not in_script:
            parts.append(kept[token.type] or token.content)
        elif token.type == "image":
            parts.append(_plain(token.children or ()))
    return "".join(parts)
