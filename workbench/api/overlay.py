"""The two-colour overlay of a checked case, in the viewer's own form: a manifest, and stacks of labels."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from workbench.api.asking import Asker
from workbench.api.view import manifest
from workbench.domain.case import Visitor
from workbench.domain.errors import NotFound, StateConflict
from workbench.domain.trace import span
from workbench.usecases.workbench import Workbench

_CACHED = {"Cache-Control": "private, max-age=3600"}


def build_routes(workbench: Workbench) -> APIRouter:
    """The routes of the overlay; `label` 0 is every structure that was compared."""
    router = APIRouter(tags=["Cases"])

    @router.get("/cases/{case_id}/check/view")
    def view(case_id: str, visitor: Asker, label: int = 0) -> dict[str, Any]:
        """The viewer's manifest of the overlay: where only MAISI's labels, only VISTA-3D, or both have a structure."""
        from workbench.imaging.overlay import SAID  # noqa: PLC0415 - brings the imaging libraries along

        case = workbench.review.case(visitor, case_id)
        judgement = case.judgement
        if judgement is None:
            raise StateConflict("This case has no comparison yet.", hint="Press Check it first.")
        _labels(judgement.agreements, label)
        shown = manifest(workbench, case)
        return {
            **shown,
            "segmentation": {
                "revision": judgement.number,
                "mock": judgement.is_mock,
                "stack": f"cases/{case.id}/check/stack",
                "query": {"label": label},
                "places": [
                    {"label": each["label"], "largest_slice": each["largest_slice"]}
                    for each in (shown["segmentation"] or {"structures": []})["structures"]
                ],
                "structures": [
                    {
                        "label": each.value,
                        "name": each.name,
                        "colour": each.colour,
                        "safe_colour": each.safe_colour,
                        "group": "comparison",
                        "volume_ml": 0.0,
                        "touches_edge": False,
                        "largest_slice": {},
                    }
                    for each in SAID
                ],
            },
        }

    @router.get("/cases/{case_id}/check/stack/label/{plane}", response_class=Response)
    async def stack(
        case_id: str, plane: str, visitor: Asker, start: int = 1, n: int = 1, label: int = 0, revision: int = 0
    ) -> Response:
        """Slices of the overlay in the form of a stack of labels."""
        body = await run_in_threadpool(_stack, workbench, visitor, case_id, plane, start, n, label, revision)
        return Response(body, media_type="application/octet-stream", headers=_CACHED)

    return router


def _stack(
    workbench: Workbench, visitor: Visitor, case_id: str, plane: str, start: int, n: int, label: int, revision: int
) -> bytes:
    from workbench.imaging.overlay import overlay_stack  # noqa: PLC0415 - brings the imaging libraries along

    case = workbench.review.case(visitor, case_id)
    own, second = workbench.judging.label_maps(case)
    if case.judgement is None or revision not in (0, case.judgement.number):
        raise NotFound("This comparison was replaced by a newer one.", hint="Load the case again.")
    labels = _labels(case.judgement.agreements, label)
    with span("render"):
        return overlay_stack(own, second, workbench.arrays.volume(case).grid, plane, start, n, labels=labels)


def _labels(compared: Any, label: int) -> tuple[int, ...]:
    """The structures to show; those that one map alone has are among the compared ones."""
    every = tuple(each.label for each in compared)
    if label and label not in every:
        raise NotFound("This structure was not compared.", hint="The rows of the comparison tell which ones were.")
    return (label,) if label else every
