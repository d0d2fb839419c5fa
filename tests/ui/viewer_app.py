"""A page with nothing but the viewer, and the three routes it fetches from, over arrays in memory."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.staticfiles import StaticFiles
from numpy.typing import NDArray
from starlette.responses import Response

from workbench.domain.organs import ORGANS
from workbench.domain.volume import Grid
from workbench.imaging.colours import colour_of
from workbench.imaging.slices import PLANES, read_voxel, slice_count, slice_of, view_geometry
from workbench.imaging.stacks import stack_bytes
from workbench.ui.viewer import build_viewer

WEB = Path(__file__).resolve().parents[2] / "assets" / "web"
EMPTY = "<p>Open a CT to begin</p>"


@dataclass
class Served:
    """What the page shows; `broken` makes every stack fail, `asked` remembers the requests."""

    voxels_hu: NDArray[np.int16]
    grid: Grid
    labels: NDArray[np.uint8] | None = None
    mock: bool = False
    synthetic: bool = False
    broken: bool = False
    revision: int = 1
    asked: list[str] = field(default_factory=list)
    known: dict[int, dict[str, Any]] = field(default_factory=dict)

    def manifest(self) -> dict[str, Any]:
        return {
            "id": "case",
            "revision": self.revision,
            "badge": {"kind": "upload", "text": "upload", "mock": self.mock, "synthetic": self.synthetic},
            **view_geometry(self.grid),
            "hu_range": [int(self.voxels_hu.min()), int(self.voxels_hu.max())],
            "window": {"center": 50, "width": 400},
            "segmentation": self._segmentation(),
        }

    def _segmentation(self) -> dict[str, Any] | None:
        if self.labels is None:
            return None
        return {"revision": self.revision, "mock": self.mock, "structures": [self._structure(n) for n in self._found()]}

    def _found(self) -> list[int]:
        return [label for label, count in enumerate(self.counts) if label and count]

    @cached_property
    def counts(self) -> list[int]:
        assert self.labels is not None
        return np.bincount(self.labels.ravel(order="K"), minlength=256).tolist()

    def _structure(self, label: int) -> dict[str, Any]:
        if label not in self.known:
            self.known[label] = self._measure(label)
        return self.known[label]

    def _measure(self, label: int) -> dict[str, Any]:
        assert self.labels is not None
        largest = {
            plane: 1 + int(np.argmax([(slice_of(self.labels, self.grid, plane, n) == label).sum()
                                      for n in range(1, slice_count(self.grid, plane) + 1)]))
            for plane in PLANES
        }  # fmt: skip
        return {
            "label": label,
            "name": ORGANS[label].name,
            "colour": colour_of(label),
            "safe_colour": colour_of(label, safe=True),
            "group": ORGANS[label].group,
            "volume_ml": 1.0,
            "touches_edge": False,
            "largest_slice": largest,
        }


def build_app(served: Served) -> FastAPI:
    app = FastAPI()
    app.mount("/assets/web", StaticFiles(directory=WEB))

    @app.get("/cases/{case_id}/view")
    def view(case_id: str) -> dict[str, Any]:
        if case_id != "case":
            raise HTTPException(404, "There is no such case.")
        return served.manifest()

    @app.get("/cases/{case_id}/stack/{kind}/{plane}")
    def stack(
        kind: str, plane: str, start: int = 1, n: int = 1, center: float = 50, width: float = 400, quality: int = 85
    ) -> Response:
        served.asked.append(f"{kind}/{plane}/{start}+{n}/{center:g},{width:g}")
        if served.broken:
            raise HTTPException(503, "The volume is being moved.")
        array: Any = served.labels if kind == "label" else served.voxels_hu
        body = stack_bytes(array, served.grid, kind, plane, start, n, center=center, width=width, quality=quality)
        return Response(body, media_type="application/octet-stream")

    @app.get("/cases/{case_id}/voxel")
    def voxel(plane: str, slice: int, x: int, y: int) -> dict[str, Any]:
        return read_voxel(served.voxels_hu, served.labels, served.grid, plane=plane, number=slice, x=x, y=y)

    with gr.Blocks(title="viewer") as page:
        viewer = build_viewer("seg-viewer", empty_html=EMPTY)
        opener = gr.Button("open", elem_id="open")
        reviser = gr.Button("revise", elem_id="revise")
        opener.click(lambda: {"case": "case", "revision": 1}, outputs=viewer)
        reviser.click(lambda: {"case": "case", "revision": 2}, outputs=viewer)
    css = "#seg-viewer { height: calc(100vh - 60px); } .gradio-container { padding: 0 !important; max-width: none; }"
    css += " .gradio-container main { max-width: none !important; padding: 0 !important; }"
    return gr.mount_gradio_app(app, page, path="/", css=css, run_history=False)


@contextmanager
def serving(served: Served) -> Iterator[str]:
    """The page's address while it is served."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(build_app(served), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join(10)
