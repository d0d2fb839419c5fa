"""Know who is really answering."""

from __future__ import annotations

from collections.abc import Callable

from workbench.domain.case import Visitor
from workbench.domain.nim import ROUTED, Mode, NimStatus, Segmenter, Service, State, Synthesizer
from workbench.domain.services import Services
from workbench.usecases.check_now import CheckNow
from workbench.usecases.mode_switch import ModeSwitch


class NimStatuses:
    """The state of the services, as a request of a visitor would meet them now; None is the process itself."""

    def __init__(self, in_mode: Callable[[Mode], Services], *, modes: ModeSwitch, checks: CheckNow) -> None:
        self._in_mode = in_mode
        self.modes = modes
        self.checks = checks

    def all(self, visitor: Visitor | None = None) -> tuple[NimStatus, ...]:
        """VISTA-3D, MAISI, VILA-M3, Llama-3, in this order; looked at side by side, kept for seconds."""
        return tuple(each for each in self.with_helpers(visitor) if each.service in ROUTED)

    def with_helpers(self, visitor: Visitor | None = None) -> tuple[NimStatus, ...]:
        """As `all`, then the embedding and reranking NIMs where their addresses are set."""
        return self._services(visitor).statuses()

    def by_name(self, visitor: Visitor | None = None) -> dict[Service, State]:
        """The published state of each of the four."""
        return {status.service: status.published_state for status in self.all(visitor)}

    def settled(self, visitor: Visitor | None = None) -> bool:
        """Whether the others answer at once; after the first look they always do."""
        return self._services(visitor).settled()

    def segmenter(self, visitor: Visitor) -> tuple[Mode, Segmenter]:
        """Who segments for a visitor, and in which mode."""
        mode = self.modes.mode_of(visitor)
        return mode, self._in_mode(mode).segmenter

    def synthesizer(self, visitor: Visitor) -> tuple[Mode, Synthesizer]:
        """Who makes synthetic CTs for a visitor, and in which mode."""
        mode = self.modes.mode_of(visitor)
        return mode, self._in_mode(mode).synthesizer

    def _services(self, visitor: Visitor | None) -> Services:
        return self._in_mode(self.modes.mode_of(visitor))
