"""Draw a view of a case as a picture to ask about: one slice, or a mosaic with one of each plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench import __version__
from workbench.cases.store import CaseStore
from workbench.domain.case import Case
from workbench.domain.errors import InvalidRequest, StateConflict
from workbench.domain.picture import PictureView, Shown
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.volume import Volume
from workbench.usecases.picture_order import SOFT_TISSUE, ViewOrder

if TYPE_CHECKING:
    from workbench.imaging.picture import Drawn


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnView:
    """A view as it is to be kept.

    `structures` is None without labels to tell, and in a mosaic; `burned_in` says why text in it is likely.
    """

    drawn: Drawn
    view: PictureView
    provenance: Provenance
    structures: tuple[Shown, ...] | None
    burned_in: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Mask:
    """The labels that say what lies on a slice: a case's mask, else those that a phantom came with."""

    labels: NDArray[np.uint8]
    provenance: Provenance
    asked: tuple[int, ...] | None = None
    may_be_drawn: bool = True


def draw_view(store: CaseStore, case: Case, order: ViewOrder, *, created_at: str) -> DrawnView:
    """Draw what is ordered. MOCK and SYNTHETIC stand in the picture where they hold of what is drawn in it.

    Raises:
        StateConflict: the volume is not read yet, or an overlay is wanted and there is no mask.
        InvalidRequest: no such plane or slice.
    """
    volume, mask = store.volume(case), _mask_of(store, case)
    if order.overlay and (mask is None or not mask.may_be_drawn):
        raise StateConflict(
            "This case has no segmentation that could be drawn over the slice.",
            hint="Run the segmentation first, or ask without the overlay.",
        )
    view = _view(case, volume, mask, order)
    made = _provenance(volume, mask if order.overlay else None, view, order, created_at)
    drawn, structures = _draw(case, volume, mask, view, order, made)
    return DrawnView(
        drawn=drawn,
        view=view,
        provenance=made,
        structures=structures,
        burned_in=_burned_in(volume, view),
        notes=() if mask is None or structures is None else _about(mask, order),
    )


def _mask_of(store: CaseStore, case: Case) -> _Mask | None:
    if case.segmentation is not None:
        held = store.segmentation(case)
        return _Mask(labels=held.labels, provenance=held.provenance, asked=held.asked)
    truth = store.truth(case)
    if truth is None or case.provenance is None:
        return None
    return _Mask(labels=truth, provenance=case.provenance, may_be_drawn=False)


def _view(case: Case, volume: Volume, mask: _Mask | None, order: ViewOrder) -> PictureView:
    from workbench.imaging.picture import default_slice  # noqa: PLC0415 - brings the imaging libraries along
    from workbench.imaging.slices import PLANES  # noqa: PLC0415 - likewise

    asked: dict[str, int] = dict(order.slices or {})
    if order.slice is not None:
        asked[order.plane] = order.slice
    for plane in (order.plane, *asked):
        if plane not in PLANES:
            raise InvalidRequest(f"There is no plane “{plane[:20]}”.", hint=f"Planes are {', '.join(PLANES)}.")
    planes = [order.plane, *(each for each in PLANES if each != order.plane)] if order.mosaic else [order.plane]
    labels = None if mask is None else mask.labels
    center, width = order.chosen_window or SOFT_TISSUE
    return PictureView(
        case_id=case.id,
        plane=order.plane,
        slices={
            plane: asked[plane] if plane in asked else default_slice(labels, volume.grid, plane) for plane in planes
        },
        center=center,
        width=width,
        window=order.window if order.chosen_window else "soft tissue",
        overlay=order.overlay,
        revision=case.revision,
    )


def _provenance(
    volume: Volume, drawn: _Mask | None, view: PictureView, order: ViewOrder, created_at: str
) -> Provenance:
    inputs = (volume.provenance,) if drawn is None else (volume.provenance, drawn.provenance)
    parameters: dict[str, Any] = {
        "plane": view.plane,
        "slices": dict(view.slices),
        "window": [view.center, view.width],
        "overlay": view.overlay,
    }
    if drawn is not None:
        parameters["visible"] = None if order.visible is None else sorted(order.visible)
    return Provenance(
        origin=Origin.MOCK if any(each.origin is Origin.MOCK for each in inputs) else Origin.LOCAL,
        model="workbench",
        version=__version__,
        created_at=created_at,
        parameters=parameters,
        inputs=inputs,
    )


def _draw(
    case: Case, volume: Volume, mask: _Mask | None, view: PictureView, order: ViewOrder, made: Provenance
) -> tuple[Drawn, tuple[Shown, ...] | None]:
    from workbench.imaging import picture  # noqa: PLC0415 - brings the imaging libraries along
    from workbench.imaging.slices import Window  # noqa: PLC0415 - likewise

    labels = None if mask is None else mask.labels
    shared: Mapping[str, Any] = {
        "window": Window(center=view.center, width=view.width),
        "overlay": order.overlay,
        "visible": order.visible,
        "safe_colours": order.safe_colours,
    }
    if order.mosaic:
        pixels, mm_per_px = picture.mosaic_picture(volume, labels, slices=view.slices, **shared)
        return picture.encode_picture(pixels, mark=made.mark, mm_per_px=mm_per_px), None
    pixels, mm_per_px = picture.slice_picture(volume, labels, plane=view.plane, slice_number=view.slice, **shared)
    structures = None
    if labels is not None:
        structures = picture.structures_on(
            labels, volume.grid, view.plane, view.slice, case.measurements, safe_colours=order.safe_colours
        )
    return picture.encode_picture(pixels, mark=made.mark, mm_per_px=mm_per_px), structures


def _burned_in(volume: Volume, view: PictureView) -> str | None:
    """Why text is likely on the axial slice that is shown; letters lie in the plane that a CT is acquired in.

    What was made up here, or by a model, names nobody.
    """
    from workbench.imaging.picture import slice_picture  # noqa: PLC0415 - brings the imaging libraries along
    from workbench.imaging.read.burned_in import likely_text  # noqa: PLC0415 - likewise
    from workbench.imaging.slices import Window  # noqa: PLC0415 - likewise

    if "axial" not in view.slices or volume.is_mock or volume.is_synthetic:
        return None
    window = Window(center=view.center, width=view.width)
    plain, _ = slice_picture(
        volume, None, plane="axial", slice_number=view.slices["axial"], window=window, overlay=False
    )
    return likely_text(plain)


def _about(mask: _Mask, order: ViewOrder) -> tuple[str, ...]:
    """What to know of the labels that named the structures."""
    notes: list[str] = []
    if mask.asked is not None:
        notes.append("The structures named are only those that the segmentation was asked for.")
    if mask.provenance.is_mock and mask.may_be_drawn and not order.overlay:
        notes.append("The structures named come from a mock's mask.")
    return tuple(notes)
