"""`workbench chat`: ask the library on the command line; one question, a line each from standard input, or by turns."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from workbench.cases.store import telling_disk_full
from workbench.cli.chat_ways import AskingWay, AskInProcess, AskOverRest
from workbench.cli.over_rest import reachable
from workbench.cli.questions import questions, tell_error
from workbench.domain.clock import Clock
from workbench.domain.errors import InvalidRequest, WorkbenchError
from workbench.settings import Settings, load_settings
from workbench.usecases.export_chat import EXPORTS, export_chat

_MARKS = {"unsupported": "not held by its source", "uncited": "no source", "wrong number": "number differs"}


def run(options: argparse.Namespace) -> int:
    """Answer every question; 1 where any of them failed, and the others are answered all the same."""
    form = _form(options.output)
    settings = load_settings(data_dir=options.data_dir, nim_mode=options.mode)
    exchanges: list[dict[str, Any]] = []
    failed = False
    with _way(settings, wants_mode=options.mode) as way:
        # Questions from a file stand alone; only a person at a terminal, or one question, has turns.
        talks = options.question is not None or sys.stdin.isatty()
        for question in questions(options.question):
            body = _body(options, question, exchanges if talks else [])
            try:
                exchanges.append(_answered(way, body, as_json=options.json))
            except WorkbenchError as error:
                if options.question is not None:
                    raise
                failed = True
                tell_error(error, question, as_json=options.json)
    if form is not None and exchanges:
        with telling_disk_full():
            Path(options.output).write_text(export_chat(exchanges, form, at=Clock().stamp()), "utf-8")
    return 1 if failed else 0


def _form(output: str | None) -> str | None:
    """The export's format, by the file's ending."""
    if output is None:
        return None
    form = Path(output).suffix.removeprefix(".").lower()
    if form not in EXPORTS:
        raise InvalidRequest(
            f"“{Path(output).name}” has no ending that says its format.", hint=f"Use one of .{', .'.join(EXPORTS)}."
        )
    return form


def _way(settings: Settings, *, wants_mode: str | None) -> AbstractContextManager[AskingWay]:
    there = reachable(settings)
    return AskInProcess(settings) if there is None else AskOverRest(there, wants_mode=wants_mode)


def _body(options: argparse.Namespace, question: str, before: list[dict[str, Any]]) -> dict[str, Any]:
    history = [
        turn
        for each in before
        for turn in ({"role": "user", "text": each["question"]}, {"role": "assistant", "text": each["answer"]})
    ]
    return {
        "question": question,
        "collections": options.collection or [],
        "filters": {"year_from": options.year_from, "year_to": options.year_to, "sources": options.source or []},
        "top_k": options.top_k,
        "case_id": options.case or "",
        "history": history,
    }


def _answered(way: AskingWay, body: dict[str, Any], *, as_json: bool) -> dict[str, Any]:
    """Ask, print as it comes, and return the whole answer."""
    answer: dict[str, Any] = {}
    streamed = False
    for name, content in way.ask(body):
        if name == "token" and not as_json:
            sys.stdout.write(content["text"])
            sys.stdout.flush()
            streamed = True
        elif name == "passages" and not as_json:
            sys.stdout.write(_who(content))
        elif name == "done":
            answer = content
    if as_json:
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(("\n" if streamed else answer["answer"] + "\n") + notes(answer))
    sys.stdout.flush()
    return answer


def _who(passages: dict[str, Any]) -> str:
    """Who answers, told before the first word."""
    lines = []
    if passages["is_mock"]:
        because = f" ({passages['fallback_reason']})" if passages["fallback_reason"] else ""
        lines.append(f"MOCK: quotes from the library, no language model{because}")
    if passages["evidence"] == "weak":
        lines.append("Weak evidence: the library hardly covers this question.")
    return "".join(f"{line}\n" for line in lines)


def notes(answer: dict[str, Any]) -> str:
    """What follows an answer: what was marked in it, and its sources."""
    lines = [f"Searched for: {answer['rewritten']}"] if answer["rewritten"] else []
    lines += [
        f"! {_MARKS[each['support']]}: {each['text']}" for each in answer["sentences"] if each["support"] in _MARKS
    ]
    if answer["removed"]:
        lines.append(f"! {answer['removed']} citations that pointed nowhere were removed")
    if answer["finish"] == "cut":
        lines.append("! the answer broke off before its end")
    if answer["finish"] == "length":
        lines.append("! the answer reached its longest length")
    rows = answer["citations"]
    if answer["evidence"] == "none" and answer["nearest"]:
        lines.append("Nearest passages, which are not evidence:")
        rows = answer["nearest"]
    for row in rows:
        label = f"[{row['n']}]" if "n" in row else " -"
        year = f", {row['year']}" if row["year"] else ""
        page = f", p. {row['page']}" if row["page"] else ""
        lines.append(f"{label} {row['title']}. {row['source']}{year}{page}")
    lines += [f"note: {each}" for each in answer["notices"]]
    return "".join(f"{line}\n" for line in lines)
