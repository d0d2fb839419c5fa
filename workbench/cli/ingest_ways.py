"""Two ways into the library: the workbench that runs on this machine, or one of this command's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import IO, Any, Protocol, cast

from workbench.api.library_answers import job_answer
from workbench.cli.in_process import OwnWorkbench
from workbench.cli.over_rest import OpenedWhenRead, OverRest
from workbench.domain.library import SourceFile
from workbench.usecases.access import LOCAL

_LOOK_EVERY_S = 0.2

Tell = Callable[[str, float | None], None]


class IngestWay(Protocol):
    """How files become documents."""

    def ingest(self, files: Sequence[SourceFile], collection: str, tell: Tell) -> dict[str, Any]:
        """The ended job as published; `tell(stage, fraction)` is called while it runs."""


class IngestOverRest(OverRest):
    """Uploads to the running workbench, which owns the library."""

    def ingest(self, files: Sequence[SourceFile], collection: str, tell: Tell) -> dict[str, Any]:
        """Upload, then follow the job; Ctrl-C stops it."""
        tell("uploading", None)
        accepted = self.asked(
            self.client.post(
                "/documents",
                data={"collection": collection} if collection else {},
                files=[("file", (each.name, cast(IO[bytes], OpenedWhenRead(each.path)))) for each in files],
                timeout=None,
            )
        )
        address = f"/documents/jobs/{accepted['job_id']}"
        try:
            while (job := self.asked(self.client.get(address)))["state"] == "running":
                tell(job["stage"], job["fraction"])
                time.sleep(_LOOK_EVERY_S)
        except KeyboardInterrupt:
            self.client.delete(address)
            raise
        ended: dict[str, Any] = job
        return ended


class IngestInProcess(OwnWorkbench):
    """Adding documents in this process."""

    def ingest(self, files: Sequence[SourceFile], collection: str, tell: Tell) -> dict[str, Any]:
        """Read the files where they lie; Ctrl-C stops it, and what was added whole stays."""
        adding = self._workbench.adding
        job_id = adding.add_files(LOCAL, files, collection=collection).id
        try:
            while (job := adding.wait(LOCAL, job_id, _LOOK_EVERY_S)).view.running:
                tell(job.view.stage, job.view.fraction)
        except KeyboardInterrupt:
            adding.cancel(LOCAL, job_id)
            adding.wait(LOCAL, job_id)
            raise
        return job_answer(job).model_dump(mode="json")
