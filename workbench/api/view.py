"""What the slice viewer fetches: the manifest, stacks of slices, the value under the pointer, a picture to keep."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from workbench.api.asking import Asker
from workbench.domain.badge import badge_of
from workbench.domain.case import Case, Visitor
from workbench.domain.errors import InvalidRequest, NotFound
from workbench.domain.organs import ORGANS
from workbench.domain.trace import span
from workbench.usecases.workbench import Workbench

_CACHED = {"Cache-Control": "private, max-age=3600"}
_FRESH = {"Cache-Control": "private, no-store"}


def build_view_routes(router: APIRouter, workbench: Workbench) -> None:
    """Add the routes of the viewer."""

    @router.get("/cases/{case_id}/view")
    def view(case_id: str, visitor: Asker) -> dict[str, Any]:
        """Planes, structures, colours and badge: all the viewer needs before it fetches slices."""
        return manifest(workbench, workbench.review.case(visitor, case_id))

    @router.get("/cases/{case_id}/stack/{kind}/{plane}", response_class=Response)
    async def stack(
        case_id: str,
        kind: str,
        plane: str,
        visitor: Asker,
        start: int = 1,
        n: int = 1,
        center: float = 50,
        width: float = 400,
        quality: int = 85,
        revision: int = 0,
    ) -> Response:
        """Slices as bytes: `u32 count`, `u32 length` each, then the slices (raw16, jpeg or label)."""
        body = await run_in_threadpool(
            _stack, workbench, visitor, case_id, kind, plane, start, n, center, width, quality, revision
        )
        return Response(body, media_type="application/octet-stream", headers=_CACHED)

    @router.get("/cases/{case_id}/voxel")
    def voxel(case_id: str, visitor: Asker, plane: str, slice: int, x: int, y: int) -> dict[str, Any]:
        """HU and structure under a pixel, read from the volume itself."""
        from workbench.imaging.slices import read_voxel  # noqa: PLC0415 - brings the imaging libraries along

        case = workbench.review.case(visitor, case_id)
        volume = workbench.arrays.volume(case)
        labels = workbench.arrays.segmentation(case).labels if case.segmentation else None
        return read_voxel(volume.voxels_hu, labels, volume.grid, plane=plane, number=slice, x=x, y=y)

    @router.get("/cases/{case_id}/view.png", response_class=Response)
    async def picture(
        request: Request,
        case_id: str,
        visitor: Asker,
        plane: str = "axial",
        slice: int | None = None,
        window: str | None = None,
        center: float | None = None,
        width: float | None = None,
        opacity: float = 0.4,
        outline: bool = False,
        labels: str | None = None,
        safe: bool = False,
        px: int = 1024,
    ) -> Response:
        """One slice as a PNG with letters, scale and provenance, MOCK and SYNTHETIC drawn in where they hold."""
        from workbench.imaging.slices import WINDOWS, Window  # noqa: PLC0415 - brings the imaging libraries along

        if window is not None and window not in WINDOWS:
            raise InvalidRequest(f"There is no window “{window[:20]}”.", hint=f"Windows are {', '.join(WINDOWS)}.")
        shown = WINDOWS[window or "soft tissue"]
        if center is not None and width is not None:
            shown = Window(center=center, width=width)
        visible = None if labels is None else {int(each) for each in labels.split(",") if each.isdecimal()}
        case = workbench.review.case(visitor, case_id)
        png = await run_in_threadpool(
            workbench.exports.picture,
            case,
            plane=plane,
            number=slice,
            window=shown,
            opacity=opacity,
            outline=outline,
            visible=visible,
            safe_colours=safe,
            longest_px=px,
        )
        stem = f"case-{case.id[:6]}-{plane}{case.name_mark}.png"
        return Response(
            png,
            media_type="image/png",
            headers=_FRESH | {"Content-Disposition": f'inline; filename="{stem}"'},
        )


def manifest(workbench: Workbench, case: Case) -> dict[str, Any]:
    """The viewer's manifest of a case."""
    from workbench.imaging.slices import view_geometry  # noqa: PLC0415 - brings the imaging libraries along

    grid = workbench.arrays.volume(case).grid
    report = case.report
    return {
        "id": case.id,
        "revision": case.revision,
        "badge": _badge(case),
        **view_geometry(grid),
        "hu_range": list(report.hu_range) if report else [-1024, 3071],
        "window": {"center": 50, "width": 400},
        "segmentation": _structures(case),
    }


def _badge(case: Case) -> dict[str, Any]:
    shown = badge_of(case)
    return {"kind": shown.kind, "text": shown.text, "mock": shown.is_mock, "synthetic": shown.is_synthetic}


def _structures(case: Case) -> dict[str, Any] | None:
    from workbench.imaging.colours import colour_of  # noqa: PLC0415 - reads its tables

    if case.segmentation is None or case.measurements is None:
        return None
    return {
        "revision": case.revision,
        "mock": case.measurements.is_mock,
        "structures": [
            {
                "label": organ.label,
                "name": organ.name,
                "colour": colour_of(organ.label),
                "safe_colour": colour_of(organ.label, safe=True),
                "group": ORGANS[organ.label].group if organ.label in ORGANS else "other",
                "volume_ml": organ.volume_ml,
                "touches_edge": organ.touches_edge,
                "largest_slice": dict(organ.largest_slice),
            }
            for organ in case.measurements.organs
        ],
    }


def _stack(
    workbench: Workbench,
    visitor: Visitor,
    case_id: str,
    kind: str,
    plane: str,
    start: int,
    n: int,
    center: float,
    width: float,
    quality: int,
    revision: int,
) -> bytes:
    from workbench.imaging.stacks import stack_bytes  # noqa: PLC0415 - brings the imaging libraries along

    case = workbench.review.case(visitor, case_id)
    volume = workbench.arrays.volume(case)
    array: Any = volume.voxels_hu
    if kind == "label":
        if case.segmentation is None or revision not in (0, case.revision):
            raise NotFound("This mask was replaced by a newer one.", hint="Load the case again.")
        array = workbench.arrays.segmentation(case).labels
    with span("render"):
        return stack_bytes(array, volume.grid, kind, plane, start, n, center=center, width=width, quality=quality)
