"""How long work tells where it is, and learns that it is no longer wanted."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What long work is given to report to. `stage` raises `Cancelled` once a person stopped the work."""

    def stage(self, name: str, fraction: float | None = None) -> None:
        """Say what is being done; `fraction` runs 0..1 over this stage, None where it cannot be known."""


class Silent:
    """Progress that nobody watches."""

    def stage(self, name: str, fraction: float | None = None) -> None:
        """Ignore it."""
