"""The Chat tab over scripted REST: what the server says, and when, is the test's to choose.

The schema is the published one (`/query`, `/documents`, `/collections`). Answers are made up here, not by any model.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles

from tests.serving import ROOT
from workbench.ui import chat

WEB = ROOT / "assets" / "web"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)

Step = tuple[str, Any]
"""An event and its data. `("wait", None)` holds until the test lets go, `("pause", s)` for so many seconds,
`("cut", None)` ends without a last event."""


def passage(number: int, text: str, /, **more: Any) -> dict[str, Any]:
    """A passage as published; `number` names it."""
    return {
        "passage_id": f"p{number}",
        "document_id": f"d{number}",
        "collection": "imaging_literature",
        "title": f"Article {number}",
        "source": f"source {number}",
        "page": None,
        "section": None,
        "year": 2020 + number,
        "text": text,
        "score": 0.9 - number / 10,
        "cosine": None,
        "keyword": None,
        "rerank": None,
        "url": f"/?tab=chat&collection=imaging_literature&passage=p{number}",
        "source_url": None,
        "references": [],
        "page_image": None,
        **more,
    }


def sentence(text: str, within: str, *cites: int, support: str = "supported", **more: Any) -> dict[str, Any]:
    """A checked sentence with its place in the answer."""
    start = within.index(text)
    made = {"text": text, "start": start, "end": start + len(text), "cites": list(cites), "support": support}
    return {**made, "coverage": 0.8 if cites else None, "note": None, **more}


def answer(text: str, **more: Any) -> dict[str, Any]:
    """A whole answer as published."""
    return {
        "question": "",
        "answer": text,
        "evidence": "strong",
        "rewritten": None,
        "citations": [],
        "sentences": [],
        "uncited": [],
        "removed": 0,
        "nearest": [],
        "missing": [],
        "notices": [],
        "case": None,
        "model": "meta/llama3-8b-instruct",
        "is_mock": False,
        "fallback_reason": None,
        "finish": "stop",
        "timings_ms": {},
        "provenance": {"origin": "local", "created_at": "2026-01-02T03:04:05Z", "elapsed_s": 1.24},
        **more,
    }


def found(*passages: dict[str, Any], **more: Any) -> Step:
    """The event that tells what was found and who will answer."""
    told = {"evidence": "strong", "missing": [], "notices": [], "passages": list(passages)}
    return "passages", {**told, "model": "meta/llama3-8b-instruct", "is_mock": False, "fallback_reason": None, **more}


@dataclass
class Told:
    """What the server answers, and what it was asked."""

    script: list[Step] = field(default_factory=list)
    refusals: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    consents: list[dict[str, Any]] = field(default_factory=list)
    exported: list[dict[str, Any]] = field(default_factory=list)
    uploads: list[tuple[str, list[str]]] = field(default_factory=list)
    collections: list[dict[str, Any]] = field(default_factory=list)
    documents: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    passages: dict[str, dict[str, Any]] = field(default_factory=dict)
    go: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)

    def begin(self, *collections: dict[str, Any]) -> None:
        """Forget everything for the next test; an answer still held by the last one ends."""
        self.go.set()
        fresh = type(self)(collections=list(collections))
        self.__dict__.update(fresh.__dict__)

    async def events(self) -> AsyncIterator[str]:
        go, stopped = self.go, self.stopped
        try:
            for name, data in self.script:
                if name == "wait":
                    while not go.is_set():
                        await asyncio.sleep(0.01)
                elif name == "pause":
                    await asyncio.sleep(data)
                elif name == "cut":
                    return
                else:
                    yield f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
        except asyncio.CancelledError:
            stopped.set()
            raise


def collection(name: str, **more: Any) -> dict[str, Any]:
    """A collection as published."""
    made = {"name": name, "description": "", "documents": 0, "passages": 0, "embedder": "all-MiniLM-L6-v2"}
    return {**made, "dimension": 384, "needs_reindex": None, "shared": True, **more}


def problem(status: int, title: str, detail: str, **more: Any) -> JSONResponse:
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(content, status, media_type="application/problem+json")


def build_app(told: Told) -> FastAPI:
    app = FastAPI()
    app.mount("/assets/web", StaticFiles(directory=WEB))

    @app.post("/query")
    async def query(request: Request) -> Response:
        told.asked.append(await request.json())
        if told.refusals:
            status, content = told.refusals.pop(0)
            return JSONResponse({"status": status, **content}, status, media_type="application/problem+json")
        return StreamingResponse(told.events(), media_type="text/event-stream")

    @app.post("/consent", status_code=204)
    async def consent(request: Request) -> Response:
        told.consents.append(await request.json())
        return Response(status_code=204)

    @app.post("/query/export")
    async def export(request: Request) -> Response:
        body = await request.json()
        told.exported.append(body)
        name = f'attachment; filename="conversation.{body["format"]}"'
        return Response("exported", media_type="text/plain", headers={"Content-Disposition": name})

    _library(app, told)

    with gr.Blocks(title="chat", fill_height=True, fill_width=True) as page:
        gr.HTML("", elem_id="nim-panel")
        with gr.Tabs(elem_id="wb-tabs"), gr.Tab("Chat", id="chat"):
            chat.build_tab()
    start = "() => { import('/assets/web/shell.js').then((each) => each.startShell());"
    start += " import('/assets/web/chat/index.js').then((each) => each.startChat({ maxUploadBytes: 1e6 })); }"
    css = [WEB / "workbench.css", WEB / "talk.css", WEB / "chat.css"]
    return gr.mount_gradio_app(
        app, page, path="/", js=start, css_paths=css, run_history=False, theme=gr.themes.Base(), footer_links=[]
    )


def _library(app: FastAPI, told: Told) -> None:
    @app.get("/collections")
    def collections() -> list[dict[str, Any]]:
        return told.collections

    @app.post("/collections", status_code=201)
    async def create(request: Request) -> Response:
        name = (await request.json())["name"]
        if any(each["name"] == name for each in told.collections):
            return problem(409, "Not possible now", f"There is a collection {name} already.", hint="Take another name.")
        told.collections.append(collection(name))
        return JSONResponse(told.collections[-1], 201)

    @app.delete("/collections/{name}")
    def drop(name: str) -> dict[str, int]:
        told.collections = [each for each in told.collections if each["name"] != name]
        return {"deleted_passages": sum(each["passages"] for each in told.documents.pop(name, []))}

    @app.post("/collections/{name}/reindex", status_code=202)
    def reindex(name: str) -> dict[str, str]:
        next(each for each in told.collections if each["name"] == name)["needs_reindex"] = None
        return {"job_id": "reindex"}

    @app.get("/documents")
    def documents(collection: str) -> dict[str, Any]:
        return {"documents": told.documents.get(collection, [])}

    @app.post("/documents", status_code=202)
    async def add(request: Request) -> dict[str, str]:
        async with request.form() as form:
            names = [each.filename or "" for each in form.getlist("file") if not isinstance(each, str)]
            told.uploads.append((str(form.get("collection", "")), names))
        return {"job_id": "ingest"}

    @app.get("/documents/jobs/{job_id}")
    def job(job_id: str) -> dict[str, Any]:
        return told.jobs.pop(0) if len(told.jobs) > 1 else told.jobs[0]

    @app.delete("/documents/jobs/{job_id}")
    def cancel(job_id: str) -> dict[str, Any]:
        told.cancelled.append(job_id)
        return told.jobs[0]

    @app.delete("/documents/{document_id}")
    def delete(document_id: str) -> Response:
        for name, rows in told.documents.items():
            gone = [each for each in rows if each["id"] == document_id]
            told.documents[name] = [each for each in rows if each["id"] != document_id]
            if gone:
                return JSONResponse({"deleted_passages": gone[0]["passages"]})
        return problem(404, "Not found", "There is no such document.")

    @app.get("/documents/{document_id}/pages/{page}.png")
    def picture(document_id: str, page: int) -> Response:
        return Response(PIXEL, media_type="image/png")

    @app.get("/passages/{passage_id}")
    def one(passage_id: str) -> Response:
        if passage_id not in told.passages:
            return problem(404, "Not found", "There is no such passage.", hint="Its document may have been deleted.")
        return JSONResponse(told.passages[passage_id])

    _ = (collections, create, drop, reindex, documents, add, job, cancel, delete, picture, one)


@contextmanager
def serving(make: Callable[[Any], FastAPI] = build_app, told: Told | None = None) -> Iterator[tuple[str, Any]]:
    """The page's address, and what it is told, while it is served."""
    told = Told() if told is None else told
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(make(told), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}", told
    told.go.set()
    server.should_exit = True
    thread.join(10)
