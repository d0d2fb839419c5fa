"""What goes wrong with Milvus, told in words: its own messages hold paths, filters and addresses, and are not shown."""

from __future__ import annotations

import re
from enum import Enum, auto

from workbench.domain.errors import KnowledgeUnavailable, StorageFull, WorkbenchError


class Fault(Enum):
    """What an error of the store means for who called it."""

    LOST = auto()
    """The connection is gone: worth one more try over a new one."""
    SLOW = auto()
    """No answer in time; the call may still be running there."""
    REFUSED = auto()
    """The token does not open the store."""
    RELEASED = auto()
    """The collection is there, and not in memory: the store was restarted."""
    UNKNOWN_COLLECTION = auto()
    FULL = auto()
    OTHER = auto()


_NOT_LOADED = frozenset({101, 106, 503})
"""Milvus' error codes: collection not loaded (Lite tells 101), not fully loaded, and a channel not yet available."""
_NO_COLLECTION = frozenset({4, 100})
_NO_RIGHT = frozenset({1400, 1401})
_LOST_STATES = frozenset({"UNAVAILABLE", "CANCELLED"})
_REFUSED_STATES = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
_CONNECT_FAILED = 2
_FULL = re.compile(r"no space left|disk quota|quota exceeded|\bErrno (28|122)\b", re.IGNORECASE)
_CLOSED = re.compile(r"closed channel|channel closed|create connection first|StatusCode\.UNAVAILABLE", re.IGNORECASE)


def fault_of(error: Exception) -> Fault:
    """What an error that `pymilvus` or gRPC raised means."""
    state = _state(error)
    if state == "DEADLINE_EXCEEDED":
        return Fault.SLOW
    if state in _REFUSED_STATES:
        return Fault.REFUSED
    code, text = getattr(error, "code", None), str(error)
    if code in _NO_RIGHT or "auth check failure" in text:
        return Fault.REFUSED
    if code in _NOT_LOADED:
        return Fault.RELEASED
    if code in _NO_COLLECTION:
        return Fault.UNKNOWN_COLLECTION
    if _FULL.search(text):
        return Fault.FULL
    if state in _LOST_STATES or code == _CONNECT_FAILED or _CLOSED.search(text):
        return Fault.LOST
    return Fault.SLOW if "Retry timeout" in text else Fault.OTHER


def told(fault: Fault, *, embedded: bool, where: str = "") -> WorkbenchError:
    """The error to raise. `where` is the server's `host:port`."""
    if fault is Fault.FULL:
        return disk_full()
    if embedded:
        return KnowledgeUnavailable(
            "The library did not answer." if fault is Fault.SLOW else "The library's store failed.",
            hint="Try again; if it stays so, restart the workbench.",
        )
    message, hint = {
        Fault.REFUSED: (
            f"The Milvus server at {where} refused the token.",
            "Check IMAGING_MILVUS_TOKEN; it is written user:password, or as an API key.",
        ),
        Fault.SLOW: (
            f"The Milvus server at {where} did not answer in time.",
            "Try again; if it stays so, look at the server's load.",
        ),
        Fault.LOST: (
            f"The Milvus server at {where} cannot be reached.",
            "Start it, or correct IMAGING_MILVUS_URI; the workbench connects again by itself.",
        ),
    }.get(
        fault,
        (
            f"The Milvus server at {where} could not do what was asked.",
            "Look at the server's own log; the workbench needs Milvus 2.4 or newer.",
        ),
    )
    return KnowledgeUnavailable(message, hint=hint)


def disk_full() -> StorageFull:
    """The error for a store without room; what was put before stays."""
    return StorageFull(
        "The disk that holds the library is full; what was added before is kept.",
        hint="Free some space, or set IMAGING_DATA_DIR to another disk.",
    )


def _state(error: Exception) -> str:
    """The name of a gRPC status, empty where the error carries none."""
    code = getattr(error, "code", None)
    status = code() if callable(code) else code
    return str(getattr(status, "name", ""))
