"""Finds the files that ship with the workbench and are not code."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def asset(*parts: str) -> Path:
    """Path of a file or folder under `assets`: inside the package when installed from a wheel, else beside it.

    Raises:
        FileNotFoundError: the installation lacks it; the message names the asset, not the place.
    """
    shipped = PACKAGE / "_assets"
    folder = shipped if shipped.is_dir() else PACKAGE.parent / "assets"
    found = folder.joinpath(*parts)
    if not found.exists():
        raise FileNotFoundError(f"the workbench was installed without its asset {'/'.join(parts)}")
    return found
