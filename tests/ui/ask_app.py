"""The Ask tab over scripted REST: what the server says, and when, is the test's to choose.

The schema is the published one (`/pictures`, `/nim/vilam3/…`). Answers are made up here, not by any model.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from PIL import Image

from tests.ui.chat_app import WEB, Step, Told, problem
from workbench.ui import ask_image


def grey(width: int = 64, height: int = 48, level: int = 90) -> bytes:
    """A PNG of one grey."""
    packed = io.BytesIO()
    Image.new("L", (width, height), level).save(packed, "PNG")
    return packed.getvalue()


def picture(picture_id: str, encoded: bytes, **more: Any) -> dict[str, Any]:
    """A picture as published."""
    with Image.open(io.BytesIO(encoded)) as opened:
        width, height = opened.size
    made = {
        "id": picture_id,
        "url": f"pictures/{picture_id}/image",
        "kind": "upload",
        "created_at": "2026-01-02T03:04:05Z",
        "sha256": hashlib.sha256(encoded).hexdigest(),
        "media_type": "image/png",
        "width_px": width,
        "height_px": height,
        "size_bytes": len(encoded),
        "modality": None,
        "mm_per_px": None,
        "mark": None,
        "is_mock": False,
        "is_synthetic": False,
        "case_id": None,
        "plane": None,
        "slice": None,
        "slices": None,
        "window": None,
        "overlay": False,
        "revision": None,
        "structures": None,
        "burned_in": None,
        "legend": None,
        "notes": [],
        "sent_as": "inline",
        "provenance": {"origin": "upload", "parameters": {}},
    }
    return {**made, **more}


def of_case(**more: Any) -> dict[str, Any]:
    """What makes a picture one of a case's axial slices."""
    window = {"name": "soft tissue", "center": 50.0, "width": 400.0}
    made = {"kind": "view", "case_id": "c0ffee", "plane": "axial", "slice": 20, "slices": {"axial": 20}}
    return {**made, "window": window, "modality": "CT", "revision": 0, **more}


LOCAL = {"origin": "local", "created_at": "2026-01-02T03:04:05Z", "elapsed_s": 1.24}
PROMPT = "Here are the experts.\n[picture]\nThis is a CT image.\nWhich organs are visible?"


def begun(**more: Any) -> Step:
    """The event that tells who answers and what was sent."""
    told = {"model": "vila-m3-8b", "is_mock": False, "fallback_reason": None, "prompt": PROMPT, "sent_as": "inline"}
    return "begun", {**told, "provenance": LOCAL, **more}


def answer(text: str, **more: Any) -> dict[str, Any]:
    """A whole answer as published."""
    made = {
        "question": "",
        "answer": text,
        "model": "vila-m3-8b",
        "is_mock": False,
        "is_synthetic": False,
        "fallback_reason": None,
        "confidence": None,
        "image": {},
        "inference_time_ms": 1240.0,
        "timings_ms": {},
        "finish": "stop",
        "prompt": PROMPT,
        "sent_as": "inline",
        "trigger": None,
        "offer": "",
        "can_run": False,
        "expert": None,
        "notices": [],
        "warnings": [],
        "case_id": None,
        "provenance": LOCAL,
    }
    return {**made, **more}


def script(text: str, **more: Any) -> list[Step]:
    """The events of an answer that ends well."""
    return [begun(), ("token", {"text": text}), ("done", answer(text, **more))]


TUMOUR = {
    "trigger": {"expert": "VISTA3D", "argument": "hepatic tumor"},
    "offer": "Segment hepatic tumor with VISTA-3D?",
    "can_run": True,
}


@dataclass
class AskTold(Told):
    """What the server answers on the routes of pictures, and what it was asked."""

    next_picture: dict[str, Any] = field(default_factory=dict)
    picture_problem: dict[str, Any] | None = None
    encoded: bytes = b""
    pictures: dict[str, tuple[dict[str, Any], bytes]] = field(default_factory=dict)
    forms: list[tuple[str, int, str]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    experts: list[dict[str, Any]] = field(default_factory=list)
    expert_script: list[Step] = field(default_factory=list)

    def keep(self, encoded: bytes, **more: Any) -> dict[str, Any]:
        """A picture on the shelf."""
        made = picture(f"p{len(self.pictures) + len(self.forgotten) + 1}", encoded, **{**self.next_picture, **more})
        self.pictures[made["id"]] = (made, encoded)
        return made


def build_app(told: AskTold) -> FastAPI:
    app = FastAPI()
    app.mount("/assets/web", StaticFiles(directory=WEB))
    _pictures(app, told)

    @app.post("/nim/vilam3/analyze")
    async def analyze(request: Request) -> Response:
        told.asked.append(await request.json())
        if told.refusals:
            status, content = told.refusals.pop(0)
            return JSONResponse({"status": status, **content}, status, media_type="application/problem+json")
        return StreamingResponse(told.events(), media_type="text/event-stream")

    @app.post("/nim/vilam3/expert")
    async def expert(request: Request) -> Response:
        told.experts.append(await request.json())
        told.script = told.expert_script
        return StreamingResponse(told.events(), media_type="text/event-stream")

    @app.post("/nim/vilam3/export")
    async def export(request: Request) -> Response:
        body = await request.json()
        told.exported.append(body)
        name = f'attachment; filename="questions.{body["format"]}"'
        return Response("exported", media_type="text/plain", headers={"Content-Disposition": name})

    @app.post("/consent", status_code=204)
    async def consent(request: Request) -> Response:
        told.consents.append(await request.json())
        return Response(status_code=204)

    _ = (analyze, expert, export, consent)
    return _page(app)


def _pictures(app: FastAPI, told: AskTold) -> None:
    @app.post("/pictures", status_code=201)
    async def make(request: Request) -> Response:
        if told.picture_problem:
            content = told.picture_problem
            return problem(content["status"], **{key: value for key, value in content.items() if key != "status"})
        if "json" in request.headers["content-type"]:
            told.orders.append(await request.json())
            return JSONResponse(told.keep(told.encoded or grey()), 201)
        async with request.form() as form:
            file = form["file"]
            assert not isinstance(file, str)
            told.forms.append((file.filename or "", file.size or 0, str(form.get("window", ""))))
            return JSONResponse(told.keep(await file.read()), 201)

    @app.get("/pictures/{picture_id}")
    def facts(picture_id: str) -> Response:
        if picture_id not in told.pictures:
            return problem(404, "Not found", "There is no such picture.")
        return JSONResponse(told.pictures[picture_id][0])

    @app.get("/pictures/{picture_id}/image")
    def image(picture_id: str) -> Response:
        if picture_id not in told.pictures:
            return problem(404, "Not found", "There is no such picture.")
        return Response(told.pictures[picture_id][1], media_type="image/png")

    @app.delete("/pictures/{picture_id}")
    def forget(picture_id: str) -> dict[str, str]:
        told.forgotten.append(picture_id)
        told.pictures.pop(picture_id, None)
        return {"deleted": picture_id}

    _ = (make, facts, image, forget)


def _page(app: FastAPI) -> FastAPI:
    with gr.Blocks(title="ask", fill_height=True, fill_width=True) as page:
        gr.HTML("", elem_id="nim-panel")
        with gr.Tabs(elem_id="wb-tabs"):
            with gr.Tab("Segment", id="segment"):
                gr.HTML("")
            with gr.Tab("Ask", id="ask"):
                ask_image.build_tab()
    start = "() => { import('/assets/web/shell.js').then((each) => each.startShell());"
    start += " import('/assets/web/ask/index.js').then((each) => each.startAsk({ maxUploadBytes: 1e6 })); }"
    css = [WEB / name for name in ("workbench.css", "talk.css", "ask.css")]
    return gr.mount_gradio_app(
        app, page, path="/", js=start, css_paths=css, run_history=False, theme=gr.themes.Base(), footer_links=[]
    )
