"""The workbench as its clients meet it: over a real socket, as a process of its own or in a thread of this one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import nibabel
import numpy as np
import uvicorn
from numpy.typing import NDArray

from workbench.api.routes import build_app
from workbench.assemble import assemble
from workbench.settings import load_settings
from workbench.usecases.workbench import Workbench

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 240.0
"""Long enough for the slowest machine; nothing is measured with it."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running workbench: where it answers, where it keeps its data, and what it is."""

    url: str
    data: Path
    process: subprocess.Popen[str] | None = None
    log: Path | None = None
    workbench: Workbench | None = None

    def client(self, **headers: str) -> httpx.Client:
        """A client of its own: its cookies are its visit."""
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_S, trust_env=False)

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 0

    def left_behind(self) -> list[str]:
        """What lies in the upload folders: nothing, once an upload is read or refused."""
        return sorted(str(path.relative_to(self.data)) for path in (self.data / "uploads").rglob("*"))

    def case_ids(self) -> set[str]:
        return {path.name for path in (self.data / "cases").iterdir()}

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit status."""
        assert self.process is not None
        self.process.send_signal(sent)
        return self.process.wait(PATIENCE_S)


def environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a workbench that runs in `folder`, where no one's own `.env` is found."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".env").touch()
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default", **settings}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "workbench", *arguments]


@contextlib.contextmanager
def serving(data: Path, *options: str, **settings: str) -> Iterator[Server]:
    """`workbench serve` on a free port, mock mode unless a setting says otherwise; stopped at the end."""
    folder = data.parent / f"{data.name}-started-in"
    # Indexing the starter library takes half a minute of both cores; tests of the library ask for it.
    env = environment(folder, {"IMAGING_NIM_MODE": "mock", "IMAGING_STARTER_LIBRARY": "false", **settings})
    arguments = ("serve", "--port", "0", "--json", "--no-browser", "--data-dir", str(data), *options)
    log = folder / "stderr.log"
    with (
        log.open("w") as told,
        subprocess.Popen(
            command(*arguments), cwd=folder, env=env, stdout=subprocess.PIPE, stderr=told, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"the workbench did not start: {log.read_text()}"
            yield Server(url=json.loads(line)["url"], data=data, process=process, log=log)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()


@contextlib.contextmanager
def in_thread(
    data: Path, *, shared: bool = False, hosts: frozenset[str] | None = None, **settings: Any
) -> Iterator[Server]:
    """REST without the page, in a thread of this process: for the many ways in which it can be set up."""
    made = load_settings(
        env_file=None, data_dir=data, **{"nim_mode": "mock", "workers": 1, "starter_library": False, **settings}
    )
    workbench = assemble(made, shared=shared).workbench
    app = build_app(workbench, hosts=lambda: hosts)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield Server(url=f"http://127.0.0.1:{listener.getsockname()[1]}", data=data, workbench=workbench)
        finally:
            server.should_exit = True
            thread.join(30)
            workbench.close()


def workbench_command(*arguments: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as typed in a terminal."""
    env = environment(cwd, settings)
    return subprocess.run(
        command(*arguments), cwd=cwd, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def wait_until(true: Any) -> None:
    """Wait for something that happens by itself; its never happening is the failure."""
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.02)


def in_a_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns. In a thread of its own: where a browser is driven, this one has a loop already."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, coroutine).result()


def body_hu(shape: tuple[int, int, int] = (64, 56, 48)) -> NDArray[np.int16]:
    """A trunk for quick tests: an ellipse of soft tissue with two lungs and a spine, in air. Indexed (i, j, k)."""
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    hu = np.full(shape, -1000, np.int16)
    hu[(i / 0.8) ** 2 + (j / 0.6) ** 2 < 1] = 40
    for side in (-0.35, 0.35):
        hu[((i - side) / 0.25) ** 2 + (j / 0.4) ** 2 + ((k - 0.5) / 0.5) ** 2 < 1] = -850
    hu[(i / 0.1) ** 2 + ((j + 0.4) / 0.1) ** 2 < 1] = 400
    return hu


def write_ct(
    path: Path, hu: NDArray[np.int16] | None = None, spacing_mm: tuple[float, float, float] = (5, 5, 6)
) -> Path:
    """A NIfTI of `hu` (or of `body_hu`), RAS, centred on the origin."""
    voxels = body_hu() if hu is None else hu
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = -np.array(voxels.shape[:3]) * spacing_mm / 2
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(voxels, affine).to_filename(path)
    return path


def segment_file(client: httpx.Client, path: Path, **fields: Any) -> httpx.Response:
    """Upload a file to the segment route and wait for the answer."""
    with path.open("rb") as file:
        return client.post("/nim/vista3d/segment", files={"file": (path.name, file)}, data=fields)


def assert_problem(answer: httpx.Response, status: int, *words: str) -> dict[str, Any]:
    """An error in the one form (RFC 9457), with these words in what it says, and no path of this machine."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail"} <= set(told)
    assert told["status"] == status
    said = f"{told['detail']} {told.get('hint', '')}"
    for word in words:
        assert word.lower() in said.lower(), said
    assert str(ROOT.parent) not in answer.text
    assert "/tmp" not in answer.text
    assert "Traceback" not in answer.text
    return told
