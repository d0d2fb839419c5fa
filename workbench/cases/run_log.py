"""The run log on disk: one JSON object a line, only ever appended to, cut into files of a bounded size."""

from __future__ import annotations

import itertools
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from workbench.cases.store import make_private

_LOG = logging.getLogger(__name__)
_NAME = "runs.jsonl"


class RunLog:
    """`runs.jsonl` in a private folder; full, it becomes `runs.1.jsonl`, that `runs.2.jsonl`, and so on.

    Threads and processes may append at once: a line is written whole, under a lock file. `files` counts all of them,
    the present one included; what is older is deleted.
    """

    def __init__(self, folder: Path, *, max_bytes: int, files: int) -> None:
        make_private(folder)
        self._folder = folder
        self._max_bytes = max_bytes
        self._files = files
        self._threads = threading.Lock()
        self._processes = FileLock(folder / "runs.lock")

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line. A disk that does not take it costs the line, not the run: the program's log says so."""
        text = json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        try:
            with self._threads, self._processes:
                self._make_room(len(text))
                _write(self._folder / _NAME, text)
        except OSError as error:
            _LOG.warning("a line of the run log could not be written (%s)", type(error).__name__)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every line kept, oldest first; one cut short by a crash is left out."""
        with self._threads, self._processes:
            texts = [path.read_bytes() for path in reversed(self._paths()) if path.exists()]
        for text in texts:
            for line in text.splitlines():
                try:
                    found = json.loads(line)
                except ValueError:
                    continue
                if isinstance(found, dict):
                    yield found

    def _paths(self) -> list[Path]:
        """Newest first."""
        return [self._folder / _NAME, *(self._folder / f"runs.{number}.jsonl" for number in range(1, self._files))]

    def _make_room(self, size: int) -> None:
        paths = self._paths()
        if not paths[0].exists() or paths[0].stat().st_size + size <= self._max_bytes:
            return
        paths[-1].unlink(missing_ok=True)
        for younger, older in reversed(list(itertools.pairwise(paths))):
            if younger.exists():
                younger.replace(older)


def _write(path: Path, text: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        left = text
        while left:
            left = left[os.write(handle, left) :]
    finally:
        os.close(handle)
