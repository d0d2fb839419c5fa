"""What the imaging commands share: through whom they work, and where they write."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from workbench.domain.errors import InvalidRequest
from workbench.settings import Settings


class Way(Protocol):
    """How a command gets its answer: over REST, or in this process."""

    def segment(
        self, files: list[Path], classes: list[str] | None, series: int | None, tell: Callable[..., None]
    ) -> dict[str, Any]:
        """The published answer; `tell(stage, fraction)` is called while it runs."""

    def generate(self, fields: dict[str, Any], tell: Callable[..., None]) -> dict[str, Any]:
        """The published answer; `tell(stage, fraction)` is called while it runs."""

    def fetch(self, case_id: str, name: str, target: Path) -> None:
        """Write one of the case's files."""


def way_to(settings: Settings, *, wants_mode: str | None) -> Any:
    """The workbench that owns the data folder, where one runs; else one of this process. Enter it, then ask."""
    from workbench.cli.in_process import InProcess  # noqa: PLC0415 - each way brings its own libraries
    from workbench.cli.over_rest import OverRest, reachable  # noqa: PLC0415 - likewise

    there = reachable(settings)
    return OverRest(there, wants_mode=wants_mode) if there else InProcess(settings)


def output_folder(named: str | None) -> Path | None:
    """The folder to write to, made before the work: a minute of computing must not end at a folder that cannot be."""
    if named is None:
        return None
    folder = Path(named)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise InvalidRequest(
            f"Nothing can be written to the folder “{folder.name}”: {error.strerror}.", hint="Give another with -o."
        ) from error
