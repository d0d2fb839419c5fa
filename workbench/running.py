"""One workbench owns a data folder; others find it there."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from workbench.cases.store import make_private
from workbench.domain.errors import ConfigurationError

_NOTE = "running.json"


@dataclass(frozen=True, kw_only=True)
class Running:
    """Where a workbench listens, and the token with which commands of this user reach it."""

    url: str
    token: str


@contextlib.contextmanager
def owning(data_dir: Path) -> Iterator[None]:
    """Hold the data folder for this process.

    Raises:
        ConfigurationError: another process holds it.
    """
    make_private(data_dir)
    lock = FileLock(data_dir / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        found = find(data_dir)
        where = f" at {found.url}" if found else ""
        raise ConfigurationError(
            f"Another workbench{where} uses this data folder.",
            hint="Use that one, stop it, or give this one its own folder with --data-dir.",
        ) from error
    try:
        yield
    finally:
        (data_dir / _NOTE).unlink(missing_ok=True)
        lock.release()


def announce(data_dir: Path, running: Running) -> None:
    """Leave word of where this process listens, readable by this user only."""
    path = data_dir / _NOTE
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps({"url": running.url, "token": running.token, "pid": os.getpid()}), "utf-8")


def find(data_dir: Path) -> Running | None:
    """The workbench that owns the folder, if one left word; it may have died since."""
    try:
        note = json.loads((data_dir / _NOTE).read_text("utf-8"))
        return Running(url=str(note["url"]), token=str(note["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
