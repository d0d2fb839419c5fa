"""The client of a MAISI NIM: what is sent, how long it is waited for, and what becomes of the answer."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from workbench.cases.store import telling_disk_full
from workbench.domain.clock import Clock
from workbench.domain.maisi import regions_of
from workbench.domain.nim import NimStatus
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.synthesis import Synthesis, SynthesisOrder, SynthesisRequest
from workbench.domain.synthesis_rules import require_allowed
from workbench.domain.trace import span
from workbench.domain.work import RunInWorker
from workbench.nim.http import Connection, Line, NoAnswerInTime, Reply
from workbench.nim.maisi_failure import SETTING, failure, out_of_time
from workbench.nim.maisi_reply import Answered, most_bytes, read_answer
from workbench.nim.patience import Timeouts, ask_patiently
from workbench.nim.turns import Turns, call
from workbench.nim.version import ModelVersion

RUN = "/v1/maisi/run"
INFO = "/v1/maisi/info"
_EXTENSION = ".nii.gz"


class Maisi:
    """A MAISI NIM at `url`, a `Synthesizer`. It makes one request at a time; others wait in line.

    `client` must not read proxy settings (`http.new_client`). `status` tells what a request would get now. `scratch`
    is a private folder for answers as they come, `max_voxels` the most that one volume may claim.
    """

    def __init__(
        self,
        url: str,
        *,
        client: httpx.Client,
        timeouts: Timeouts,
        clock: Clock,
        run_in_worker: RunInWorker,
        scratch: Path,
        max_voxels: int,
        status: Callable[[], NimStatus],
    ) -> None:
        self._line = Line(url, client, name="MAISI", setting=SETTING)
        self._timeouts = timeouts
        self._clock = clock
        self._run_in_worker = run_in_worker
        self._scratch = scratch
        self._max_voxels = max_voxels
        self._status = status
        self._turns = Turns()
        self._version = ModelVersion(self._line, INFO, "MAISI")

    def status(self) -> NimStatus:
        """What would answer a request now."""
        return self._status()

    def run(self, order: SynthesisOrder, /) -> Synthesis:
        """Have the NIM make what was ordered; the arrays lie in the order's folder, which after an error is of no use.

        Raises:
            RulesBroken: MAISI would refuse it; nothing was sent.
            NimUnavailable: it cannot be used: not there, loading, no answer in time, access refused.
            NimRejected: it answered, and refused the request or ran out of memory.
            NimReplyInvalid: it answered with something that is no CT with its label map.
            StorageFull: no room on the disk for the answer.
            Cancelled: a person stopped the work; the connection is closed.
        """
        require_allowed(order.request)
        start = time.monotonic()
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix="maisi-") as kept:
            path = Path(kept) / "answer"
            with self._turns.turn(order.progress):
                self._fetch(order, path)
            order.progress.stage("reading the volume")
            with span("parse"):
                answered = self._run_in_worker(
                    read_answer, path, order.request, order.folder, self._max_voxels, progress=order.progress
                )
        return self._synthesis(answered, order, start)

    def _fetch(self, order: SynthesisOrder, path: Path) -> None:
        """Write the body of the first answer that is not “later” to `path`."""
        with span("NIM call", service="maisi"):
            reply = ask_patiently(
                lambda: self._post(order, path), timeouts=self._timeouts, name="MAISI", progress=order.progress
            )
        if reply.status != 200:
            raise failure(reply, order.request)

    def _post(self, order: SynthesisOrder, path: Path) -> Reply:
        connection = Connection()
        with telling_disk_full(), path.open("wb") as file:
            sink = _Counting(file.write)
            try:
                return call(
                    lambda: self._line.download(
                        RUN,
                        body_for(order.request),
                        into=sink,
                        connect_s=self._timeouts.connect_s,
                        answer_s=self._timeouts.answer_s,
                        max_bytes=most_bytes(order.request),
                        connection=connection,
                    ),
                    tell=lambda: order.progress.stage(sink.told()),
                    give_up=connection.hang_up,
                )
            except NoAnswerInTime as error:
                raise out_of_time(error, order.request) from error.__cause__

    def _synthesis(self, answered: Answered, order: SynthesisOrder, start: float) -> Synthesis:
        return Synthesis(
            request=order.request,
            drawn=answered.drawn,
            numbering=answered.numbering,
            warnings=answered.warnings,
            provenance=Provenance(
                origin=Origin.LOCAL,
                model="maisi",
                version=self._version.get(order.progress),
                created_at=self._clock.stamp(),
                elapsed_s=self._clock.elapsed_s(start),
                parameters={
                    "request": order.request.to_json(),
                    "numbering": str(answered.numbering),
                    "endpoint": "own NIM",
                },
                synthetic=True,
            ),
        )


class _Counting:
    """Passes an answer on and knows how much of it has come."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._bytes = 0

    def write(self, data: bytes, /) -> object:
        self._bytes += len(data)
        return self._write(data)

    def told(self) -> str:
        """The stage of the call."""
        return f"receiving the volume: {self._bytes / 1e6:,.0f} MB" if self._bytes else "MAISI is generating"


def body_for(request: SynthesisRequest) -> dict[str, Any]:
    """The documented fields of a request, size and spacing always among them, for their defaults are not documented.

    Sizes of organs override regions and anatomies, so the list is left out with them; the regions, which are required,
    are then those that hold the organs.
    """
    body: dict[str, Any] = {
        "num_output_samples": request.num_output_samples,
        "body_region": list(request.body_region or regions_of(request.names)),
        "output_size": list(request.output_size),
        "spacing": list(request.spacing_mm),
        "image_output_ext": _EXTENSION,
        "label_output_ext": _EXTENSION,
    }
    if request.controllable_anatomy_size:
        body["controllable_anatomy_size"] = [list(each) for each in request.controllable_anatomy_size]
    elif request.anatomy_list:
        body["anatomy_list"] = list(request.anatomy_list)
    return body
