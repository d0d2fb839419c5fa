"""The PDFs that passages came from, so that a cited page can be shown."""

from __future__ import annotations

import shutil
from pathlib import Path

from workbench.cases.store import make_private, telling_disk_full


class Originals:
    """One file a document, readable by this user only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, document_id: str, pdf: Path) -> None:
        """Copy a document's PDF, the whole file or none of it.

        Raises:
            StorageFull: the disk has no room.
        """
        make_private(self._folder)
        part = self._folder / f"{document_id}.part"
        try:
            with telling_disk_full():
                part.touch(mode=0o600)
                shutil.copyfile(pdf, part)
            part.replace(self._path(document_id))
        finally:
            part.unlink(missing_ok=True)

    def find(self, document_id: str) -> Path | None:
        """Where a document's PDF lies, None for a document that has none."""
        path = self._path(document_id)
        return path if path.is_file() else None

    def drop(self, document_id: str) -> None:
        """Erase it."""
        self._path(document_id).unlink(missing_ok=True)

    def _path(self, document_id: str) -> Path:
        if not (document_id.isascii() and document_id.isalnum()):
            return self._folder / "no such document"
        return self._folder / f"{document_id}.pdf"
