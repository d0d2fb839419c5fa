"""The review record as text to keep beside a study."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.domain.records import FIELDS, Fact, Known, RecordNote, ReviewRecord

_SPECIAL = str.maketrans({each: f"\\{each}" for each in "\\`*_{}[]<>#|!~"})


def record_markdown(record: ReviewRecord, history: Sequence[RecordNote]) -> str:
    """Markdown: a table for each service, then which record began when. Values are escaped."""
    parts = [
        f"# Deployment record {record.id}",
        f"Mode {record.mode}. Begun {record.made_at}. Every field is observed (by which probe, when), declared by the "
        "operator, or unknown. Research use. Not for clinical decisions.",
    ]
    for each in record.services:
        rows = [
            f"| {title} | {_escaped(fact.text) or '-'} | {fact.known.value} | {_escaped(how_known(fact))} |"
            for title, fact in ((title, each.fields[name]) for name, title in FIELDS.items())
        ]
        parts += [f"## {each.title}", "\n".join(["| Field | Value | Known | How |", "|---|---|---|---|", *rows])]
    if history:
        lines = [f"- {note.at} `{note.id}` {_escaped(' '.join(note.changes))}".rstrip() for note in history]
        parts += ["## History", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def how_known(fact: Fact) -> str:
    """By which probe or document a fact is known, when, and what was declared in its place."""
    if fact.known is Known.UNKNOWN:
        return ""
    when = f", {fact.at}" if fact.at else ""
    other = f"; declared otherwise: {Fact(value=fact.declared, known=Known.DECLARED).text}" if fact.declared else ""
    return f"{fact.by}{when}{other}"


def _escaped(text: str) -> str:
    return " ".join(text.split()).translate(_SPECIAL)
