"""Segment and generate through the workbench that runs on this machine: the data folder has one owner."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Self, cast

import httpx

from workbench.domain.errors import ConfigurationError, WorkbenchError
from workbench.running import Running, find
from workbench.settings import Settings

_LOOK_EVERY_S = 0.2


def reachable(settings: Settings) -> Running | None:
    """The running workbench of this data folder, if it answers."""
    there = find(settings.data_dir)
    if there is None:
        return None
    try:
        with client_of(there) as client:
            client.get("/health", timeout=5).raise_for_status()
    except httpx.HTTPError:
        return None
    return there


class OverRest:
    """A running workbench, asked over REST."""

    def __init__(self, there: Running, *, wants_mode: str | None) -> None:
        self._there = there
        self._wants_mode = wants_mode

    def __enter__(self) -> Self:
        self.client = client_of(self._there)
        mode = self.asked(self.client.get("/nim/status"))["mode"]
        if self._wants_mode not in (None, mode):
            self.client.close()
            raise ConfigurationError(
                f"The workbench that owns this data folder runs in mode {mode}.",
                hint=f"Leave --mode out, stop it, or give another folder with --data-dir to use {self._wants_mode}.",
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def segment(
        self, files: list[Path], classes: list[str] | None, series: int | None, tell: Callable[..., None]
    ) -> dict[str, Any]:
        """Upload, then follow the job; returns the published answer."""
        tell("uploading", None)
        fields: dict[str, Any] = {"target_classes": classes or []}
        if series is not None:
            fields["series"] = str(series)
        job = self.asked(
            self.client.post(
                "/nim/vista3d/segment",
                data=fields,
                files=[("file", (path.name, cast(IO[bytes], OpenedWhenRead(path)))) for path in files],
                headers={"Prefer": "respond-async"},
                timeout=None,
            )
        )
        case_id = self._follow(job, tell)
        answer: dict[str, Any] = self.asked(self.client.get(f"/cases/{case_id}"))["segmentation"]
        return answer

    def generate(self, fields: dict[str, Any], tell: Callable[..., None]) -> dict[str, Any]:
        """Send the request, then follow the job; returns the published answer."""
        job = self.asked(
            self.client.post("/nim/maisi/generate", json=fields, headers={"Prefer": "respond-async"}, timeout=None)
        )
        generation_id = self._follow(job, tell)
        answer: dict[str, Any] = self.asked(self.client.get(f"/nim/maisi/generations/{generation_id}"))["answer"]
        return answer

    def _follow(self, job: dict[str, Any], tell: Callable[..., None]) -> str:
        """Tell of a job until it ends; the id of its case. Stopping the command stops the job."""
        case_id, job_id = str(job["case_id"]), job["job_id"]
        try:
            while job["state"] == "running":
                time.sleep(_LOOK_EVERY_S)
                job = self.asked(self.client.get(f"/jobs/{job_id}"))
                tell(job["stage"], job["fraction"])
        except KeyboardInterrupt:
            self.client.delete(f"/jobs/{job_id}")
            raise
        if job["error"]:
            raise WorkbenchError(job["error"], hint=job["hint"])
        return case_id

    def events(self, path: str, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Server-sent events as they come: name and content; the event `error` is raised."""
        with self.client.stream("POST", path, json={**body, "stream": True}, timeout=None) as answer:
            if answer.is_error:
                answer.read()
                self.asked(answer)
            name = ""
            for line in answer.iter_lines():
                if line.startswith("event:"):
                    name = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    content = json.loads(line.removeprefix("data:"))
                    if name == "error":
                        raise WorkbenchError(content["detail"], hint=content.get("hint"))
                    yield name, content

    def fetch(self, case_id: str, name: str, target: Path) -> None:
        """Write one of the case's files."""
        with self.client.stream("GET", f"/cases/{case_id}/{name}", timeout=None) as answer:
            if answer.is_error:
                answer.read()
                self.asked(answer)
            with target.open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)

    @staticmethod
    def asked(answer: httpx.Response) -> Any:
        """The answer's content; a refusal is raised in its own words."""
        content = answer.json()
        if answer.is_error:
            raise WorkbenchError(content.get("detail", "The workbench refused."), hint=content.get("hint"))
        return content


class OpenedWhenRead(io.RawIOBase):
    """A file that is opened when its turn to be sent comes: a series has more files than a process may hold open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._at = 0
        self._file: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if self._file is not None:
            self._file.seek(self._at)
        return self._at

    def read(self, size: int = -1) -> bytes:
        if self._file is None:
            self._file = self._path.open("rb")
            self._file.seek(self._at)
        content = self._file.read(size)
        self._at += len(content)
        if not content:
            self.close()
        return content

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def client_of(there: Running) -> httpx.Client:
    """A client that speaks for who started the workbench."""
    return httpx.Client(
        base_url=there.url, headers={"Authorization": f"Bearer {there.token}"}, timeout=60, trust_env=False
    )
