"""Review records on disk: each under its id, and the history of which began when."""

from __future__ import annotations

import json
import logging
import re
import threading
from dataclasses import asdict
from pathlib import Path

from workbench.cases.store import make_private
from workbench.domain.records import RecordNote, ReviewRecord

_LOG = logging.getLogger(__name__)
_ID = re.compile(r"[0-9a-f]{32}\Z")
_HISTORY = "history.json"
_KEPT = 500


class RecordShelf:
    """The last 500 changes of record and the records they name."""

    def __init__(self, folder: Path) -> None:
        make_private(folder)
        self._folder = folder
        self._lock = threading.Lock()
        self._history = self._read_history()

    def add(self, record: ReviewRecord) -> None:
        """Keep a record that begins now. A disk that does not take it is told in the program's log."""
        note = RecordNote(id=record.id, mode=record.mode, at=record.made_at, changes=record.changes)
        with self._lock:
            self._history = [*self._history, note][-_KEPT:]
            try:
                self._write(f"{record.id}.json", record.to_json())
                self._write(_HISTORY, [asdict(each) for each in self._history])
                self._drop_forgotten()
            except OSError as error:
                _LOG.warning("a review record could not be kept (%s)", type(error).__name__)

    def get(self, record_id: str) -> ReviewRecord | None:
        """A record by its id; None where there is none."""
        if not _ID.match(record_id):
            return None
        try:
            return ReviewRecord.from_json(json.loads((self._folder / f"{record_id}.json").read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def latest(self, mode: str) -> ReviewRecord | None:
        """The record of a mode that began last."""
        with self._lock:
            ids = [each.id for each in self._history if each.mode == mode]
        return self.get(ids[-1]) if ids else None

    def history(self) -> tuple[RecordNote, ...]:
        """Newest first."""
        with self._lock:
            return tuple(reversed(self._history))

    def _read_history(self) -> list[RecordNote]:
        try:
            stored = json.loads((self._folder / _HISTORY).read_text("utf-8"))
            return [RecordNote(**{**each, "changes": tuple(each["changes"])}) for each in stored]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            _LOG.warning("the history of review records could not be read (%s)", type(error).__name__)
            return []

    def _write(self, name: str, content: object) -> None:
        path = self._folder / name
        part = path.with_suffix(".part")
        part.write_text(json.dumps(content), "utf-8")
        part.chmod(0o600)
        part.replace(path)

    def _drop_forgotten(self) -> None:
        kept = {each.id for each in self._history}
        for path in self._folder.glob("*.json"):
            if path.stem not in kept and path.name != _HISTORY:
                path.unlink(missing_ok=True)
