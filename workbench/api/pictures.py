"""`/pictures`: what a question can be put about, made from a file or from a view of a case."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from workbench.api import pictures_schemas as schemas
from workbench.api import schemas as shared
from workbench.api.asking import Asker, is_multipart, json_body
from workbench.api.form import receive_files
from workbench.api.pictures_answers import picture_answer, saved_name
from workbench.domain.case import Visitor
from workbench.domain.errors import InvalidRequest
from workbench.domain.organs import expand, parse_organs
from workbench.domain.picture import PictureFacts
from workbench.usecases.picture_order import ViewOrder, read_window
from workbench.usecases.workbench import Workbench

_KEPT = {"Cache-Control": "private, max-age=3600, immutable"}
"""What lies under an id never changes; an hour, so that a browser does not keep what was erased for long."""

_DESCRIBED = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": schemas.PictureBody.model_json_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "PNG, JPEG, or DICOM of one frame; at most 64 MB",
                        },
                        "window": {
                            "type": "string",
                            "description": "of a CT slice: a name (lung), or “center,width” in HU; "
                            "without it 50,400, which the model expects",
                        },
                    },
                }
            },
        },
    }
}


def build_routes(workbench: Workbench) -> APIRouter:
    """The routes of pictures."""
    router = APIRouter(tags=["Pictures"])
    pictures = workbench.pictures

    def told(facts: PictureFacts, visitor: Visitor) -> schemas.PictureAnswer:
        return picture_answer(facts, workbench.nims.modes.mode_of(visitor))

    @router.post("/pictures", status_code=201, response_model=schemas.PictureAnswer, openapi_extra=_DESCRIBED)
    async def make(request: Request, visitor: Asker) -> Response:
        """Make a picture to ask about: a form with the file of one, or JSON with a view of a case.

        Of a file nothing but its pixels is kept.
        """
        if is_multipart(request):
            facts = await _of_form(request, workbench, visitor)
        else:
            body: schemas.PictureBody = await json_body(request, schemas.PictureBody)
            facts = await run_in_threadpool(pictures.of_case, visitor, body.case_id, view_order(body))
        answer = told(facts, visitor).model_dump(mode="json")
        return JSONResponse(answer, status_code=201, headers={"Location": f"/pictures/{facts.id}"})

    @router.get("/pictures/{picture_id}")
    def facts_of(picture_id: str, visitor: Asker) -> schemas.PictureAnswer:
        """What is known of a picture."""
        return told(pictures.facts(visitor, picture_id), visitor)

    @router.get("/pictures/{picture_id}/image", response_class=Response)
    def image(picture_id: str, request: Request, visitor: Asker) -> Response:
        """The bytes, exactly as a model is sent them."""
        facts = pictures.facts(visitor, picture_id)
        headers = _KEPT | {"ETag": f'"{facts.sha256}"', "Vary": "Cookie, Authorization"}
        if facts.sha256 in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        picture = pictures.get(visitor, picture_id)
        headers["Content-Disposition"] = f'inline; filename="{saved_name(facts)}"'
        return Response(picture.encoded, media_type=facts.media_type, headers=headers)

    @router.delete("/pictures/{picture_id}")
    def forget(picture_id: str, visitor: Asker) -> shared.Deleted:
        """Erase a picture; answers about it stay as they were given."""
        pictures.forget(visitor, picture_id)
        return shared.Deleted(deleted=picture_id)

    return router


def view_order(body: schemas.PictureBody) -> ViewOrder:
    """The view that a body asks for.

    Raises:
        InvalidRequest: no such window, or slices of a picture of one slice.
        UnknownOrgan: a structure that is not known.
    """
    if body.slices and not body.mosaic:
        raise InvalidRequest("Slices of several planes make a mosaic.", hint="Send “mosaic”: true, or one “slice”.")
    window = body.window.model_dump() if isinstance(body.window, schemas.WindowChoice) else body.window
    return ViewOrder(
        plane=body.plane,
        slice=body.slice,
        slices=body.slices,
        overlay=body.overlay,
        mosaic=body.mosaic,
        visible=None if body.labels is None else _labels(body.labels),
        safe_colours=body.safe,
    ).windowed(window)


def _labels(asked: Sequence[str | int]) -> frozenset[int]:
    """Ids as they are, for a mask may hold what cannot be asked of VISTA-3D; names with their parts."""
    ids = {int(each) for each in asked if isinstance(each, int) or each.isdecimal()}
    names = [each for each in asked if isinstance(each, str) and not each.isdecimal()]
    return frozenset(ids | set(expand(parse_organs(names))))


async def _of_form(request: Request, workbench: Workbench, visitor: Visitor) -> PictureFacts:
    form = await receive_files(request, workbench.pictures, visitor)
    if form.placed is None:
        raise InvalidRequest("The form holds no file.", hint="Send the picture in the field “file”.")
    try:
        window = read_window(form.text("window"))[:2] if form.text("window") else None
    except InvalidRequest:
        workbench.pictures.give_up(form.placed)
        raise
    return await run_in_threadpool(workbench.pictures.take, visitor, form.placed, window=window)
