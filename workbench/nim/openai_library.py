"""The `openai` package and its transport, loaded late and kept quiet."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Library:
    openai: ModuleType
    httpx2: ModuleType


@functools.cache
def library() -> Any:
    """The package and its transport, loaded when a chat is first wanted: it takes most of a second."""
    import httpx2  # noqa: PLC0415 - loaded with the package below
    import openai  # noqa: PLC0415 - takes most of a second, and a mock needs none of it

    # At its debug level older releases of the package log whole requests, questions and documents included.
    for name in ("openai", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return Library(openai=openai, httpx2=httpx2)
