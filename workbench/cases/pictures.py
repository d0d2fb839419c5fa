"""Pictures on disk: one private folder each, the encoded bytes beside a `facts.json`.

A picture is reached only through its owner (or the API key); a wrong id and somebody else's answer alike. What is left
unused for the time set goes, and a picture of a case goes with the case.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from workbench.cases.store import make_private, telling_disk_full
from workbench.domain.case import Visitor
from workbench.domain.errors import NotFound
from workbench.domain.picture import Picture, PictureFacts

MOST_BYTES = 1_000_000_000
"""Of all pictures together; one has at most a few hundred kB."""

_LOG = logging.getLogger(__name__)
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
_FACTS, _IMAGE = "facts.json", "image"
_TOUCH_EVERY_S = 60.0


class PictureShelf:
    """The pictures under one folder.

    An owner keeps `most`, the oldest make room; together they have at most `most_bytes`, for which who has most gives
    up their oldest. What is unused for `ttl_s` seconds goes. The facts are held in memory, the bytes are not.
    """

    def __init__(self, folder: Path, *, ttl_s: float, most: int = 200, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._ttl_s = ttl_s
        self._most = most
        self._most_bytes = most_bytes
        self._lock = threading.RLock()
        make_private(folder)
        self._facts = {facts.id: facts for facts in sorted(self._found(), key=lambda each: self._used_at(each.id))}

    def keep(self, facts: PictureFacts, encoded: bytes) -> Picture:
        """Write a picture; the whole of it or nothing.

        Raises:
            StorageFull: the disk has no room.
        """
        part = self._folder / f"{facts.id}.part"
        try:
            with telling_disk_full():
                make_private(part)
                _write(part / _IMAGE, encoded)
                _write(part / _FACTS, json.dumps(facts.to_json()).encode())
                with self._lock:
                    part.replace(self._folder / facts.id)
                    self._facts[facts.id] = facts
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self._make_room(facts)
        return Picture(facts=facts, encoded=encoded, provenance=facts.provenance)

    def facts(self, visitor: Visitor, picture_id: str) -> PictureFacts:
        """What is known of a picture, if this visitor may reach it.

        Raises:
            NotFound: unknown, expired, or somebody else's: told in the same words.
        """
        with self._lock:
            found = self._facts.get(picture_id)
        if found is not None and self._is_expired(found.id):
            self.forget(found.id)
            found = None
        if found is None or not visitor.may_reach(found.owner):
            raise _no_such()
        self._touch(found.id)
        return found

    def get(self, visitor: Visitor, picture_id: str) -> Picture:
        """A picture with its bytes, exactly those that were kept. Raises as `facts`."""
        facts = self.facts(visitor, picture_id)
        try:
            encoded = (self._folder / facts.id / _IMAGE).read_bytes()
        except FileNotFoundError as error:
            raise _no_such() from error
        if hashlib.sha256(encoded).hexdigest() != facts.sha256:
            # An answer is pinned to its pixels by this digest; others must not be shown in their place.
            _LOG.warning("a picture is not what was kept; it is erased")
            self.forget(facts.id)
            raise _no_such()
        return Picture(facts=facts, encoded=encoded, provenance=facts.provenance)

    def holds(self, picture_id: str) -> bool:
        """Whether an id is taken."""
        with self._lock:
            return picture_id in self._facts

    def count(self) -> int:
        """How many pictures are kept."""
        with self._lock:
            return len(self._facts)

    def forget(self, picture_id: str) -> None:
        """Erase a picture; an unknown one is none."""
        with self._lock:
            if self._facts.pop(picture_id, None) is None:
                return
            # The facts go first, so that a half-erased picture is never found again.
            (self._folder / picture_id / _FACTS).unlink(missing_ok=True)
            shutil.rmtree(self._folder / picture_id, ignore_errors=True)

    def drop_case(self, case_id: str) -> None:
        """Erase every picture of a case."""
        self._forget_where(lambda facts: facts.view is not None and facts.view.case_id == case_id)

    def sweep(self) -> int:
        """Erase what was left unused too long; returns how many pictures went."""
        return self._forget_where(lambda facts: self._is_expired(facts.id))

    def recover(self, holds_case: Callable[[str], bool]) -> None:
        """After a restart: pictures of cases that are gone go too, and whatever a crash left half-written."""
        self._forget_where(lambda facts: facts.view is not None and not holds_case(facts.view.case_id))
        with self._lock:
            for path in [each for each in self._folder.iterdir() if each.name not in self._facts]:
                shutil.rmtree(path, ignore_errors=True)

    def _forget_where(self, goes: Callable[[PictureFacts], bool]) -> int:
        with self._lock:
            going = [facts.id for facts in self._facts.values() if goes(facts)]
            for each in going:
                self.forget(each)
        return len(going)

    def _make_room(self, newest: PictureFacts) -> None:
        """Erase the oldest of who has too many, then of who has most, until the bytes fit; never the newest."""
        with self._lock:
            own = [each.id for each in self._facts.values() if each.owner == newest.owner]
            for old in own[: -self._most]:
                self.forget(old)
            by_owner: Counter[str] = Counter()
            for each in self._facts.values():
                by_owner[each.owner] += each.size_bytes
            others = [each for each in self._facts.values() if each.id != newest.id]
            while others and by_owner.total() > self._most_bytes:
                busiest = max((each.owner for each in others), key=by_owner.__getitem__)
                oldest = next(each for each in others if each.owner == busiest)
                others.remove(oldest)
                by_owner[busiest] -= oldest.size_bytes
                self.forget(oldest.id)

    def _found(self) -> Iterator[PictureFacts]:
        """What lies in the folder and can be read."""
        for path in self._folder.iterdir():
            if not _ID.match(path.name):
                continue
            try:
                facts = PictureFacts.from_json(json.loads((path / _FACTS).read_text("utf-8")))
            except (OSError, ValueError, KeyError, TypeError) as error:
                # Damaged, or of another version: no reason to keep everybody else's pictures from them.
                _LOG.warning("a picture cannot be read (%s)", type(error).__name__)
                continue
            if facts.id == path.name:
                yield facts

    def _used_at(self, picture_id: str) -> float:
        try:
            return (self._folder / picture_id).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def _is_expired(self, picture_id: str) -> bool:
        return time.time() - self._used_at(picture_id) > self._ttl_s

    def _touch(self, picture_id: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            if time.time() - self._used_at(picture_id) > min(_TOUCH_EVERY_S, self._ttl_s / 10):
                os.utime(self._folder / picture_id)


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _no_such() -> NotFound:
    return NotFound(
        "There is no such picture.",
        hint="It may have been deleted with its case or after being unused for long, or belong to another visit.",
    )
