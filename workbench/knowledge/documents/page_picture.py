"""A page of a PDF as a picture."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

from workbench.domain.errors import NotFound
from workbench.domain.progress import Progress
from workbench.knowledge.documents.pdf import opened

_WIDTH_PX = 1200
"""A page of A4 in 145 dots an inch: small print can be read, and the picture stays below half a megabyte."""
_MOST_PIXELS = 6_000_000


def draw_page(path: Path, page: int, *, progress: Progress) -> bytes:
    """Page `page`, counted from 1, as PNG.

    Raises:
        NotFound: the PDF has no such page.
    """
    progress.stage("drawing")
    with opened(path) as pdf:
        if not 1 <= page <= len(pdf):
            raise NotFound(f"The document has no page {page}.", hint=f"Its pages are 1 to {len(pdf)}.")
        with closing(pdf[page - 1]) as drawn:
            width, height = drawn.get_size()
            scale = min(_WIDTH_PX / max(width, 1), (_MOST_PIXELS / max(width * height, 1)) ** 0.5)
            with closing(drawn.render(scale=scale)) as bitmap:
                picture = io.BytesIO()
                bitmap.to_pil().save(picture, "PNG")
    return picture.getvalue()
