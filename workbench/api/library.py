"""`/documents`, `/passages` and `/collections`: what the library holds, and how it comes in and goes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from workbench.api import library_answers as answers
from workbench.api import library_schemas as schemas
from workbench.api.asking import Asker, is_multipart
from workbench.api.form import receive_files
from workbench.domain.case import JobView
from workbench.domain.errors import InvalidRequest
from workbench.usecases.library import DEFAULT_COLLECTION
from workbench.usecases.workbench import Workbench

_PRIVATE_PICTURE = {"Cache-Control": "private, max-age=600"}
_FORM = {
    "requestBody": {
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "PDF, DOCX, HTML, Markdown, text, JSON Lines, or a zip of these",
                        },
                        "collection": {"type": "string", "default": DEFAULT_COLLECTION, "description": "made if new"},
                    },
                }
            }
        }
    }
}


def build_routes(workbench: Workbench) -> APIRouter:
    """The routes of the library."""
    router = APIRouter(tags=["Library"])
    _document_routes(router, workbench)
    _collection_routes(router, workbench)
    return router


def _document_routes(router: APIRouter, workbench: Workbench) -> None:
    library, adding = workbench.library, workbench.adding

    @router.post("/documents", status_code=202, response_model=schemas.Accepted, openapi_extra=_FORM)
    async def add(request: Request, visitor: Asker) -> Response:
        """Add documents (field `file`, once or often) to a collection, in the background."""
        if not is_multipart(request):
            raise InvalidRequest("This is not a form.", hint="Send the documents as multipart, in the field “file”.")
        form = await receive_files(request, adding, visitor)
        if form.placed is None:
            raise InvalidRequest("The form holds no file.", hint="Send the documents in the field “file”.")
        upload, collection = form.placed, form.text("collection")
        return _accepted(await run_in_threadpool(adding.add_upload, visitor, upload, collection=collection))

    @router.get("/documents/jobs/{job_id}")
    def job(job_id: str, visitor: Asker) -> schemas.IngestJobAnswer:
        """How far a job of the library is, and its report once it ended."""
        return answers.job_answer(adding.job(visitor, job_id))

    @router.delete("/documents/jobs/{job_id}")
    def cancel(job_id: str, visitor: Asker) -> schemas.IngestJobAnswer:
        """Stop a job. What was added whole stays, and is in its report."""
        return answers.job_answer(adding.cancel(visitor, job_id))

    @router.get("/documents")
    def documents(visitor: Asker, collection: str = "") -> schemas.DocumentsAnswer:
        """The documents of a collection, or of all, newest first."""
        found = library.documents(visitor, collection or None)
        return schemas.DocumentsAnswer(documents=[answers.document_row(each) for each in found])

    @router.delete("/documents/{document_id}")
    def delete(document_id: str, visitor: Asker, collection: str = "") -> schemas.DeletedPassages:
        """Delete a document with its passages, from every collection unless one is named."""
        return schemas.DeletedPassages(
            deleted_passages=library.delete_document(visitor, document_id, collection or None)
        )

    @router.get("/documents/{document_id}/pages/{page}.png", response_class=Response)
    def picture(document_id: str, page: int, visitor: Asker) -> Response:
        """A page of a PDF as a picture; pages count from 1."""
        png = library.page_picture(visitor, document_id, page)
        return Response(png, media_type="image/png", headers=_PRIVATE_PICTURE)

    @router.get("/passages/{passage_id}")
    def passage(passage_id: str, visitor: Asker, collection: str = "") -> schemas.PassageAnswer:
        """A passage with the ones before and after it, and its document."""
        return answers.passage_answer(library.passage(visitor, passage_id, collection or None))


def _collection_routes(router: APIRouter, workbench: Workbench) -> None:
    library, adding, starter = workbench.library, workbench.adding, workbench.starter

    @router.get("/collections")
    def collections(visitor: Asker) -> list[schemas.CollectionRow]:
        """Every collection, with the documents counted that the asker may read."""
        shared = library.rules.keeps_for_all(visitor)
        found = library.collections(visitor)
        return [answers.collection_row(each, shared=shared, starter=starter.state) for each in found]

    @router.post("/collections", status_code=201)
    def create(body: schemas.NewCollection, visitor: Asker) -> schemas.CollectionRow:
        """Make an empty collection."""
        made = library.create(body.name, description=body.description)
        return answers.collection_row(made, shared=library.rules.keeps_for_all(visitor), starter=starter.state)

    @router.delete("/collections/{name}")
    def drop(name: str, visitor: Asker) -> schemas.DeletedPassages:
        """Delete a collection with everything in it."""
        return schemas.DeletedPassages(deleted_passages=library.drop(visitor, name))

    @router.post("/collections/{name}/reindex", status_code=202, response_model=schemas.Accepted)
    def reindex(name: str, visitor: Asker) -> Response:
        """Embed every passage of a collection anew, in the background."""
        return _accepted(adding.reindex(visitor, name))

    @router.get("/collections/{name}")
    def describe(name: str, visitor: Asker) -> schemas.CollectionRow:
        """One collection."""
        shared = library.rules.keeps_for_all(visitor)
        return answers.collection_row(library.collection(visitor, name), shared=shared, starter=starter.state)


def _accepted(job: JobView) -> JSONResponse:
    location = f"/documents/jobs/{job.id}"
    content = schemas.Accepted(job_id=job.id).model_dump(mode="json")
    return JSONResponse(content, status_code=202, headers={"Location": location})
