"""Switch the mode for one's own visit, for demonstrations; everybody else goes on as before."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from workbench.domain.case import Visitor
from workbench.domain.errors import NotAllowedHere, StateConflict
from workbench.domain.nim import Mode

KEPT_S = 12 * 3600.0
"""A visit that does not come back for that long is in the process's mode again, seconds."""

_MOST_KEPT = 1000


class ModeSwitch:
    """Which visit is in which mode. Kept in memory: a restart brings everybody back to the process's mode."""

    def __init__(self, process_mode: Mode, *, is_allowed: bool, kept_s: float = KEPT_S) -> None:
        self.process_mode = process_mode
        self.is_allowed = is_allowed
        self._kept_s = kept_s
        self._lock = threading.Lock()
        self._switched: OrderedDict[str, tuple[Mode, float]] = OrderedDict()

    def mode_of(self, visitor: Visitor | None) -> Mode:
        """The mode in which a visitor's requests are answered."""
        if visitor is None:
            return self.process_mode
        with self._lock:
            kept = self._switched.pop(visitor.owner, None)
            if kept is None or time.monotonic() - kept[1] > self._kept_s:
                return self.process_mode
            self._switched[visitor.owner] = (kept[0], time.monotonic())
            return kept[0]

    def switch(self, visitor: Visitor, mode: Mode, *, is_here: bool, has_visit: bool) -> Mode:
        """Answer the visitor's requests in this mode from now on; results made before stay as they are.

        Args:
            visitor: whose visit it is.
            mode: the process's own mode takes the switch back.
            is_here: whether the request came from this machine itself, by no tunnel or proxy.
            has_visit: whether the visitor is a browser's visit, not a script.

        Raises:
            StateConflict: the setting locks it, or there is no visit to switch.
            NotAllowedHere: the request came from elsewhere.
        """
        if not self.is_allowed:
            raise StateConflict(
                f"The mode is locked to {self.process_mode.value}.",
                hint="The operator can set IMAGING_MODE_SWITCH=true.",
            )
        if not is_here:
            raise NotAllowedHere(
                "The mode can be switched only on the machine that runs the workbench, not over a link or a network.",
                hint="Ask its operator, or open the page there under http://127.0.0.1.",
            )
        if not has_visit:
            raise StateConflict(
                "Only a visit of the page can switch its mode; REST uses the mode of the process.",
                hint="Open the page, or start the workbench with --mode.",
            )
        with self._lock:
            self._switched.pop(visitor.owner, None)
            if mode is not self.process_mode:
                self._switched[visitor.owner] = (mode, time.monotonic())
            while len(self._switched) > _MOST_KEPT:
                self._switched.popitem(last=False)
        return mode
