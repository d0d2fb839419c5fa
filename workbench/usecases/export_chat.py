"""Take a conversation away: Markdown, JSON or HTML, each answer with its passages and where it comes from."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

NOTICE = "Research use. Not for clinical decisions."

EXPORTS: Mapping[str, str] = {"md": "text/markdown", "json": "application/json", "html": "text/html"}
"""Formats and their media types."""

_MARKED = {
    "uncited": "no source given",
    "unsupported": "not held by what it cites",
    "wrong number": "number differs from the case's table",
}
# What Markdown would read as HTML, or as a picture or a link to be fetched; “p < 0.05” stays as it is.
_ACTIVE = re.compile(r"<(?=[A-Za-z/!?])|(?<=!)\[|(?<=\])\(")
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#15202b}"
    "h2{font-size:1.1rem;border-top:1px solid #d5dbe2;padding-top:1rem}blockquote{margin:.5rem 0;padding-left:.8rem;"
    "border-left:3px solid #d5dbe2}.mark{color:#8a5a00;font-weight:600}.quiet{color:#56616e;font-size:.9rem}"
)


def export_chat(exchanges: Sequence[Mapping[str, Any]], form: str, *, at: str) -> str:
    """The conversation as text in one of `EXPORTS`.

    Args:
        exchanges: answers in their published form, oldest first.
        form: `md`, `json` or `html`.
        at: when it is exported, ISO 8601.
    """
    if form == "json":
        content = {"notice": NOTICE, "exported_at": at, "exchanges": list(exchanges)}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return _html(exchanges, at) if form == "html" else _markdown(exchanges, at)


def _markdown(exchanges: Sequence[Mapping[str, Any]], at: str) -> str:
    """Whatever a model or a document wrote is text in it: nothing of it is HTML, a link or a picture."""
    lines = ["# Conversation with the library", "", f"Exported {at}. {NOTICE}", ""]
    for each in exchanges:
        lines += [f"## {_plain(_line(each['question']))}", ""]
        lines += [f"*{_plain(each_note)}*" for each_note in _notes(each)] + [""]
        lines += [_plain(each["answer"]), ""]
        lines += [f"- Marked: “{_plain(_line(text))}” ({_plain(why)})" for text, why in _marked(each)]
        passages = list(_passages(each))
        if passages:
            lines += ["", f"### {_heading(each)}", ""]
        for label, title, text, references in passages:
            lines += [f"**{label}** {_plain(title)}", "", *(f"> {_plain(part)}" for part in text.splitlines()), ""]
            lines += [f"- {_plain(reference)}" for reference in references]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _html(exchanges: Sequence[Mapping[str, Any]], at: str) -> str:
    """One file without scripts; whatever a model or a document wrote is text in it."""
    body = []
    for each in exchanges:
        body.append(f"<h2>{_safe(each['question'])}</h2>")
        body += [f'<p class="mark">{_safe(note)}</p>' for note in _notes(each)]
        body += [f"<p>{_safe(part)}</p>" for part in each["answer"].split("\n") if part.strip()]
        marked = list(_marked(each))
        if marked:
            items = "".join(
                f'<li>“{_safe(text)}” <span class="mark">({_safe(why)})</span></li>' for text, why in marked
            )
            body.append(f"<ul>{items}</ul>")
        passages = list(_passages(each))
        if passages:
            body.append(f"<h3>{_safe(_heading(each))}</h3>")
        for label, title, text, references in passages:
            body.append(f"<p><strong>{_safe(label)}</strong> {_safe(title)}</p><blockquote>{_safe(text)}</blockquote>")
            body += [f'<p class="quiet">{_safe(reference)}</p>' for reference in references]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Conversation with the library</title>'
        f"<style>{_STYLE}</style></head><body><h1>Conversation with the library</h1>"
        f'<p class="quiet">Exported {_safe(at)}. {NOTICE}</p>{"".join(body)}</body></html>\n'
    )


def _notes(each: Mapping[str, Any]) -> Iterator[str]:
    """Where the answer comes from, before the answer itself."""
    made = each["provenance"]
    origin = "MOCK" if each["is_mock"] else str(made["origin"])
    yield f"Answered by {each['model']} ({origin}), {made['created_at']}. Evidence: {each['evidence']}."
    if each["fallback_reason"]:
        yield f"A mock stood in: {each['fallback_reason']}"
    if each["rewritten"]:
        yield f"Searched for: {_line(each['rewritten'])}"
    if each["case"] and each["case"]["marks"]:
        yield f"The case is marked {' and '.join(each['case']['marks'])}."
    if each["removed"]:
        yield f"{each['removed']} citations that pointed nowhere were removed."
    if each["finish"] in ("length", "cut"):
        yield "The answer is not complete." if each["finish"] == "cut" else "The answer was cut at its longest length."
    yield from each["notices"]


def _marked(each: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for sentence in each["sentences"]:
        if sentence["support"] in _MARKED:
            yield sentence["text"], sentence["note"] or _MARKED[sentence["support"]]


def _heading(each: Mapping[str, Any]) -> str:
    return "Sources" if each["citations"] or each["evidence"] != "none" else "Nearest passages, which are not evidence"


def _passages(each: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Iterable[str]]]:
    """Label, title line, text and references of what the answer rests on."""
    for row in each["citations"] or (each["nearest"] if each["evidence"] == "none" else ()):
        label = f"[{row['n']}]" if "n" in row else "–"
        year = f", {row['year']}" if row["year"] else ""
        page = f", p. {row['page']}" if row["page"] else ""
        section = f", {row['section']}" if row["section"] else ""
        yield label, f"{row['title']}. {row['source']}{year}{page}{section}", row["text"], row["references"]
    if each["case"] and "[Case]" in each["answer"]:
        yield "[Case]", "Measurements of the open case", each["case"]["text"], ()


def _line(text: str) -> str:
    return " ".join(text.split())


def _plain(text: str) -> str:
    """Text that stays text where the Markdown is shown."""
    return _ACTIVE.sub(lambda found: "\\" + found[0], text)


def _safe(text: object) -> str:
    return html.escape(str(text), quote=True)
