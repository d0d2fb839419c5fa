"""Generations on disk: one small file each, so that a request outlives its failure, a closed page and a restart."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from pathlib import Path

from workbench.cases.store import make_private, telling_disk_full
from workbench.domain.case import JobState, Visitor
from workbench.domain.errors import NotFound
from workbench.domain.generation import Generation

_LOG = logging.getLogger(__name__)
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")


class GenerationShelf:
    """The generations under one folder. A visitor keeps `most`; what is older than `ttl_s` seconds goes."""

    def __init__(self, folder: Path, *, ttl_s: float, most: int = 50) -> None:
        self._folder = folder
        self._ttl_s = ttl_s
        self._most = most
        self._lock = threading.RLock()
        make_private(folder)

    def keep(self, generation: Generation) -> Generation:
        """Write it; the whole file or none of it. The owner's oldest ended ones make room."""
        target = self._path(generation.id)
        with self._lock, telling_disk_full():
            part = target.with_suffix(".part")
            part.unlink(missing_ok=True)
            part.touch(mode=0o600)
            part.write_text(json.dumps(generation.to_json()), "utf-8")
            part.replace(target)
            own = [each for each in self._all() if each.owner == generation.owner and not each.running]
            for old in own[self._most :]:
                self._path(old.id).unlink(missing_ok=True)
        return generation

    def get(self, visitor: Visitor, generation_id: str) -> Generation:
        """The generation, if this visitor may reach it.

        Raises:
            NotFound: unknown, expired, or somebody else's: told in the same words.
        """
        found = self._read(self._path(generation_id)) if _ID.match(generation_id) else None
        if found is None or not visitor.may_reach(found.owner):
            raise NotFound(
                "There is no such generation.",
                hint="It may have been deleted after being unused for long, or belong to another visit.",
            )
        return found

    def of(self, visitor: Visitor) -> tuple[Generation, ...]:
        """The visitor's own, newest first; what others own is never listed."""
        with self._lock:
            return tuple(each for each in self._all() if each.owner == visitor.owner)

    def holds(self, generation_id: str) -> bool:
        """Whether an id is taken."""
        return self._path(generation_id).exists()

    def next_number(self) -> int:
        """A number above that of every generation kept."""
        with self._lock:
            return max((each.number for each in self._all()), default=0) + 1

    def forget(self, generation_id: str) -> None:
        """Erase a generation; its cases are not touched."""
        self._path(generation_id).unlink(missing_ok=True)

    def recover(self) -> None:
        """After a restart: what was running then was cut short."""
        for each in self._all():
            if each.running:
                self.keep(
                    each.with_(
                        state=JobState.FAILED,
                        error="The workbench was stopped while this was being generated.",
                        hint="Send the request again.",
                    )
                )

    def _all(self) -> list[Generation]:
        """Every generation kept, newest first; what is past its time is erased on the way."""
        found = [each for path in self._folder.glob("*.json") if (each := self._read(path)) is not None]
        return sorted(found, key=lambda each: each.number, reverse=True)

    def _read(self, path: Path) -> Generation | None:
        try:
            if time.time() - path.stat().st_mtime > self._ttl_s:
                path.unlink(missing_ok=True)
                return None
            return Generation.from_json(json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            # Damaged, or of another version: no reason to keep the others from their owners.
            _LOG.warning("a generation cannot be read (%s); it is left to expire", type(error).__name__)
            return None

    def _path(self, generation_id: str) -> Path:
        return self._folder / f"{generation_id}.json"
