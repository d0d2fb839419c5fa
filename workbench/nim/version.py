"""The version that a NIM tells of its model, on its own information route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.domain.errors import NimError
from workbench.domain.progress import Progress
from workbench.nim.http import Line

_WITHIN_S = 3.0


class ModelVersion:
    """The model's version, asked until it is known; some releases have no such route."""

    def __init__(self, line: Line, path: str, name: str) -> None:
        self._line = line
        self._path = path
        self._name = name
        self._known: str | None = None

    def get(self, progress: Progress) -> str:
        """The version, or `unknown`."""
        if self._known is None:
            progress.stage(f"asking {self._name} for its version")
            try:
                self._known = version_in(self._line.get(self._path, within_s=_WITHIN_S).json())
            except NimError:
                return "unknown"
        return self._known or "unknown"


def version_in(info: Any) -> str | None:
    """The version in an information body such as that of `/v1/vista3d/info`, wherever it stands; None without one."""
    if not isinstance(info, Mapping):
        return None
    for field in ("version", "model_version", "release"):
        if isinstance(info.get(field), (str, int, float)):
            return str(info[field])[:40]
    return next(filter(None, (version_in(each) for each in info.values())), None)
