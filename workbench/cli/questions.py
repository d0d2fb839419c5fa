"""What the commands that ask share: reading the questions, telling of those that failed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from workbench.domain.errors import WorkbenchError

_PROMPT = "> "


def questions(given: str | None) -> Iterator[str]:
    """The one given, or lines of standard input until it ends; a terminal is prompted."""
    if given is not None:
        yield given
        return
    while True:
        if sys.stdin.isatty():
            sys.stderr.write(_PROMPT)
            sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


def tell_error(error: WorkbenchError, question: str, *, as_json: bool) -> None:
    """A line on standard error, and the question with its error as JSON where that is wanted."""
    told = " ".join(f"{error.message} {error.hint or ''}".split())
    sys.stderr.write(f"workbench: {told}\n")
    if as_json:
        sys.stdout.write(json.dumps({"question": question, "error": told}, ensure_ascii=False) + "\n")
        sys.stdout.flush()
