"""Real CTs for the tests: a folder beside the checkout, never part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def real(name: str) -> Path:
    """The path of a real file, or a skip that says in one line that the folder is absent."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no real data: ../shared/data/{name} is absent")
    return path
