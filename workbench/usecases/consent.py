"""Ask once before anything of a visit leaves this machine."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from enum import StrEnum

from workbench.domain.case import Visitor
from workbench.domain.errors import ConsentNeeded

KEPT_S = 12 * 3600.0
"""A visit that does not come back for that long is asked again, seconds."""

_MOST_KEPT = 5000


class Leaving(StrEnum):
    """What would leave."""

    TEXT = "text"
    CASE = "case"
    IMAGE = "image"


_SENT: Mapping[Leaving, str] = {
    Leaving.TEXT: "your question, the conversation so far and the passages found for it",
    Leaving.CASE: "the volumes, HU values and warnings of the open case, without names or pictures",
    Leaving.IMAGE: (
        "the picture shown in the preview, pixel for pixel, with your question and the talk about it; "
        "no tags, no file name"
    ),
}


class Consents:
    """What each visit agreed to or declined. Kept in memory: a restart asks again."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self._kept_s = kept_s
        self._lock = threading.Lock()
        self._said: OrderedDict[tuple[str, Leaving], tuple[bool, float]] = OrderedDict()

    def say(self, visitor: Visitor, what: Leaving, *, granted: bool) -> None:
        """Remember the person's answer for this visit."""
        with self._lock:
            self._said[visitor.owner, what] = (granted, time.monotonic())
            self._said.move_to_end((visitor.owner, what))
            while len(self._said) > _MOST_KEPT:
                self._said.popitem(last=False)

    def granted(self, visitor: Visitor, what: Leaving, *, where: str) -> bool:
        """Whether it may be sent.

        Raises:
            ConsentNeeded: the person was not asked yet.
        """
        with self._lock:
            said = self._said.get((visitor.owner, what))
        if said is not None and time.monotonic() - said[1] <= self._kept_s:
            return said[0]
        raise ConsentNeeded(
            f"This would send {_SENT[what]} to {where}, outside this machine.",
            what=what.value,
            sent=_SENT[what],
            where=where,
            hint="Agree or decline; declined, nothing is sent.",
        )
