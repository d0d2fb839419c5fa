"""Know who is really answering."""

from __future__ import annotations

from collections.abc import Callable

from workbench.domain.nim import NimStatus, Service, State


class NimStatuses:
    """The state of the four services, as a request would meet it now."""

    def __init__(self, ask: Callable[[], tuple[NimStatus, ...]]) -> None:
        self._ask = ask

    def all(self) -> tuple[NimStatus, ...]:
        """VISTA-3D, MAISI, VILA-M3, Llama-3, in this order; probed side by side, cached for seconds."""
        return self._ask()

    def by_name(self) -> dict[Service, State]:
        """The published state of each."""
        return {status.service: status.published_state for status in self.all()}
