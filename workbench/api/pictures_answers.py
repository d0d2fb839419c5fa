"""Pictures in their published form."""

from __future__ import annotations

from typing import Literal

from workbench.api import pictures_schemas as schemas
from workbench.domain.nim import Mode
from workbench.domain.picture import MOST_INLINE_CHARACTERS, PictureFacts, PictureView, Shown

_ENDINGS = {"image/jpeg": "jpg", "image/png": "png"}


def picture_answer(facts: PictureFacts, mode: Mode) -> schemas.PictureAnswer:
    """The answer of `POST /pictures` and `GET /pictures/{id}`, for a visitor in this mode."""
    view = facts.view
    return schemas.PictureAnswer(
        id=facts.id,
        url=picture_url(facts),
        kind=facts.kind.value,
        created_at=facts.created_at,
        sha256=facts.sha256,
        media_type=facts.media_type,
        width_px=facts.width_px,
        height_px=facts.height_px,
        size_bytes=facts.size_bytes,
        modality=facts.modality.value if facts.modality else None,
        mm_per_px=None if facts.mm_per_px is None else round(facts.mm_per_px, 6),
        mark=facts.mark,
        is_mock=facts.provenance.is_mock,
        is_synthetic=facts.provenance.is_synthetic,
        case_id=view.case_id if view else None,
        plane=view.plane if view else None,
        slice=view.slice if view else None,
        slices=dict(view.slices) if view else None,
        window=window_row(view) if view else None,
        overlay=view.overlay if view else False,
        revision=view.revision if view else None,
        structures=None if facts.structures is None else [_shown_row(each) for each in facts.structures],
        burned_in=facts.burned_in,
        legend=facts.legend,
        notes=list(facts.notes),
        sent_as=_sent_as(facts, mode),
        provenance=facts.provenance.to_json(),
    )


def window_row(view: PictureView) -> schemas.WindowRow:
    """The window of a view."""
    return schemas.WindowRow(name=view.window, center=view.center, width=view.width)


def picture_url(facts: PictureFacts) -> str:
    """Where the bytes are, relative to the page."""
    return f"pictures/{facts.id}/image"


def saved_name(facts: PictureFacts) -> str:
    """The name under which a browser saves the picture: whether it is a mock's or synthetic, and nothing of a file."""
    mark = f"-{facts.mark.replace(' ', '-')}" if facts.mark else ""
    return f"picture-{facts.id[:6]}{mark}.{_ENDINGS.get(facts.media_type, 'img')}"


def _sent_as(facts: PictureFacts, mode: Mode) -> Literal["inline", "asset"]:
    """Only the hosted catalogue limits what a request may hold."""
    fits = facts.base64_characters < MOST_INLINE_CHARACTERS
    return "inline" if fits or mode is not Mode.CLOUD else "asset"


def _shown_row(shown: Shown) -> schemas.ShownRow:
    return schemas.ShownRow(
        label=shown.label,
        name=shown.name,
        area_mm2=round(shown.area_mm2, 2),
        share=round(shown.share, 6),
        center_xy=(round(shown.center_xy[0], 4), round(shown.center_xy[1], 4)),
        volume_ml=None if shown.volume_ml is None else round(shown.volume_ml, 6),
        touches_edge=shown.touches_edge,
        colour=shown.colour,
    )
