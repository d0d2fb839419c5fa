"""Cases and jobs: facts, slices for the viewer, downloads, erasing."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from workbench.api import answers, schemas
from workbench.api.asking import Asker
from workbench.api.form import giving_up, no_file, receive_form
from workbench.api.view import build_view_routes
from workbench.domain.case import Case, Visitor
from workbench.domain.errors import NotFound
from workbench.usecases.workbench import Workbench

PRIVATE = {"Cache-Control": "private, no-store"}
_NIFTI = "application/gzip"


def build_routes(workbench: Workbench) -> APIRouter:
    """The routes of cases and jobs."""
    router = APIRouter(tags=["Cases"])

    @router.post("/cases", status_code=202, openapi_extra=_UPLOAD)
    async def open_case(request: Request, visitor: Asker) -> schemas.OpenAnswer:
        """Upload a CT (field `file`, once or often) and read it in the background."""
        form = await receive_form(request, workbench, visitor)
        if form.case is None:
            raise no_file()
        with giving_up(workbench, form):
            series = form.number("series")
        case = form.case
        job = await run_in_threadpool(workbench.opening.open_upload, visitor, case, series=series)
        return schemas.OpenAnswer(case_id=case.id, job_id=job.id)

    @router.get("/cases/{case_id}")
    def get_case(case_id: str, visitor: Asker) -> schemas.CaseAnswer:
        """The volume's facts, the results and where to fetch them."""
        case = workbench.review.case(visitor, case_id)
        return answers.case_answer(case, workbench.review.job_on(visitor, case))

    @router.delete("/cases/{case_id}")
    def delete_case(case_id: str, visitor: Asker) -> schemas.Deleted:
        """Erase everything of a case, stopping what runs on it."""
        workbench.review.delete(visitor, case_id)
        return schemas.Deleted(deleted=case_id)

    @router.get("/jobs/{job_id}")
    def get_job(job_id: str, visitor: Asker) -> schemas.JobAnswer:
        """A job as it stands."""
        return answers.job_answer(workbench.review.job(visitor, job_id))

    @router.delete("/jobs/{job_id}")
    def cancel_job(job_id: str, visitor: Asker) -> schemas.JobAnswer:
        """Stop a job."""
        return answers.job_answer(workbench.review.cancel(visitor, job_id))

    build_view_routes(router, workbench)

    @router.get("/cases/{case_id}/figures/{kind}.png", response_class=Response)
    async def figure(case_id: str, kind: str, visitor: Asker, label: int | None = None, dark: bool = True) -> Response:
        """A figure: `histogram` and `area` of one structure, `ranges`, or `contact` of all."""
        if kind not in ("histogram", "area", "ranges", "contact"):
            raise NotFound("There is no such figure.", hint="histogram, area, ranges or contact.")
        case = workbench.review.case(visitor, case_id)
        png = await run_in_threadpool(workbench.exports.figure, case, kind, label, dark=dark)
        return Response(png, media_type="image/png", headers=PRIVATE)

    @router.get("/cases/{case_id}/{name}", response_class=Response)
    async def download(case_id: str, name: str, visitor: Asker) -> Response:
        """`image.nii.gz`, `mask.nii.gz`, `volumes.csv` or `volumes.json`."""
        return await run_in_threadpool(_download, workbench, visitor, case_id, name)

    return router


_UPLOAD = {
    "requestBody": {
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "series": {"type": "integer"},
                    },
                }
            }
        }
    }
}


def _download(workbench: Workbench, visitor: Visitor, case_id: str, name: str) -> Response:
    case = workbench.review.case(visitor, case_id)
    headers = PRIVATE | {"Content-Disposition": f'attachment; filename="{saved_name(case, name)}"'}
    if name == "image.nii.gz":
        return FileResponse(workbench.exports.image_file(case), media_type=_NIFTI, headers=headers)
    if name == "mask.nii.gz":
        return FileResponse(workbench.exports.mask_file(case), media_type=_NIFTI, headers=headers)
    if name in ("volumes.csv", "volumes.json"):
        kind = "text/csv" if name.endswith("csv") else "application/json"
        return Response(workbench.exports.tables(case)[name], media_type=kind, headers=headers)
    raise NotFound("There is no such file in a case.", hint=f"There are {', '.join(answers.DOWNLOADS)}.")


def saved_name(case: Case, name: str) -> str:
    """The name under which a browser saves a download: of which case, and whether it is a mock's or synthetic."""
    stem, _, ending = name.partition(".")
    return f"case-{case.id[:6]}-{stem}{case.name_mark}.{ending}"
