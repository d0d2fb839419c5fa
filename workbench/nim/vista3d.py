"""The client of a VISTA-3D NIM: what is sent, how long it is waited for, and what becomes of the answer."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from workbench.domain.clock import Clock
from workbench.domain.errors import InvalidRequest, UnknownOrgan
from workbench.domain.nim import NimStatus
from workbench.domain.organs import ORGANS, PARTS, expand
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.segmentation import Segmentation, SegmentationRequest
from workbench.domain.trace import span
from workbench.nim.exchange import Delivery, Offer
from workbench.nim.http import Connection, Line, NoAnswerInTime, Reply
from workbench.nim.patience import Timeouts, ask_patiently
from workbench.nim.turns import Turns, call
from workbench.nim.version import ModelVersion
from workbench.nim.vista3d_failure import SETTING, failure
from workbench.nim.vista3d_reply import interpret, most_bytes, read_reply

INFERENCE = "/v1/vista3d/inference"
INFO = "/v1/vista3d/info"
ZERO_SHOT = range(133, 255)
"""Labels beyond the dictionary, for structures shown by a click only (MONAI bundle `vista3d`)."""


class Vista3d:
    """A VISTA-3D NIM at `url`, a `Segmenter`. It is given one volume at a time; others wait in line.

    `client` must not read proxy settings (`http.new_client`). `status` tells what a request would get now.
    `scratch` is a private folder, `max_voxels` the most that a mask may claim.
    """

    def __init__(
        self,
        url: str,
        *,
        client: httpx.Client,
        delivery: Delivery,
        timeouts: Timeouts,
        clock: Clock,
        scratch: Path,
        max_voxels: int,
        status: Callable[[], NimStatus],
    ) -> None:
        self._line = Line(url, client, name="VISTA-3D", setting=SETTING)
        self._delivery = delivery
        self._timeouts = timeouts
        self._clock = clock
        self._scratch = scratch
        self._max_voxels = max_voxels
        self._status = status
        self._turns = Turns()
        self._version = ModelVersion(self._line, INFO, "VISTA-3D")

    def status(self) -> NimStatus:
        """What would answer a request now."""
        return self._status()

    def run(self, request: SegmentationRequest, /) -> Segmentation:
        """Segment the volume on the NIM.

        Raises:
            InvalidRequest, UnknownOrgan: VISTA-3D would refuse it; nothing was sent.
            NimUnavailable: it cannot be used: not there, loading, no answer in time, access refused.
            NimRejected: it answered, and refused the request.
            NimReplyInvalid: it answered with something that is no mask of this volume.
            Cancelled: a person stopped the work; the connection is closed.
        """
        prompts = prompts_for(request)
        with self._turns.turn(request.progress):
            start = time.monotonic()
            request.progress.stage("preparing the volume for VISTA-3D")
            with self._delivery.offer(request.image_file()) as offer:
                body = {"image": offer.image} | ({"prompts": prompts} if prompts else {})
                with span("NIM call", service="vista3d"):
                    reply = ask_patiently(
                        lambda: self._post(body, request, offer),
                        timeouts=self._timeouts,
                        name="VISTA-3D",
                        progress=request.progress,
                    )
            if reply.status != 200:
                raise failure(reply, offer)
        request.progress.stage("reading the mask")
        return self._segmentation(reply, request, start)

    def _post(self, body: dict[str, Any], request: SegmentationRequest, offer: Offer) -> Reply:
        connection = Connection()
        try:
            return call(
                lambda: self._line.post(
                    INFERENCE,
                    body,
                    connect_s=self._timeouts.connect_s,
                    answer_s=self._timeouts.answer_s,
                    max_bytes=most_bytes(request.volume.grid),
                    connection=connection,
                ),
                tell=lambda: request.progress.stage("VISTA-3D is segmenting"),
                give_up=connection.hang_up,
            )
        except NoAnswerInTime as error:
            if offer.was_fetched() is False:
                error.hint = f"{error.hint} {offer.advice}" if error.hint else offer.advice
            raise

    def _segmentation(self, reply: Reply, request: SegmentationRequest, start: float) -> Segmentation:
        grid = request.volume.grid
        asked = _asked(request)
        clicked = next(iter(request.points), None)
        with span("parse"):
            labels = read_reply(reply.body, grid, scratch=self._scratch, max_voxels=self._max_voxels)
        meaning = interpret(labels, asked=asked, zero_shot=clicked if clicked in ZERO_SHOT else None)
        return Segmentation(
            labels=meaning.labels,
            grid=grid,
            asked=asked,
            not_found=meaning.not_found,
            warnings=meaning.warnings,
            provenance=Provenance(
                origin=Origin.LOCAL,
                model="vista3d",
                version=self._version.get(request.progress),
                created_at=self._clock.stamp(),
                elapsed_s=self._clock.elapsed_s(start),
                sha256=hashlib.sha256(meaning.labels.tobytes(order="F")).hexdigest(),
                parameters={
                    "labels": None if request.labels is None else list(request.labels),
                    "points": sum(map(len, request.points.values())),
                    "endpoint": "own NIM",
                },
                inputs=(request.volume.provenance,),
            ),
        )


def prompts_for(request: SegmentationRequest) -> dict[str, Any]:
    """The `prompts` of a request: names spelled with spaces; empty for everything.

    Raises:
        InvalidRequest: no structure at all, several clicked, a superclass clicked, a click outside the volume.
        UnknownOrgan: a structure that VISTA-3D does not know or does not accept.
    """
    if request.points:
        return {"points": _points(request)}
    if request.labels is None:
        return {}
    if not request.labels:
        raise InvalidRequest("No structure was chosen.", hint="Choose at least one, or everything.")
    return {"classes": [_accepted(label) for label in request.labels]}


def _points(request: SegmentationRequest) -> dict[str, list[list[int]]]:
    if len(request.points) > 1:
        raise InvalidRequest("VISTA-3D takes clicks on one structure at a time.", hint="Run once for each structure.")
    ((label, clicks),) = request.points.items()
    if request.labels is not None and set(request.labels) != {label}:
        raise InvalidRequest("Clicks and a choice of other structures do not go together.", hint="Choose one of them.")
    if label in PARTS:
        raise InvalidRequest(
            f"VISTA-3D takes no clicks on “{ORGANS[label].name}”, which stands for several structures.",
            hint="Click one of its parts.",
        )
    name = str(label) if label in ZERO_SHOT else _accepted(label)
    shape = request.volume.grid.shape
    if not clicks or not all(0 <= at < size for click in clicks for at, size in zip(click, shape, strict=True)):
        raise InvalidRequest("A click lies outside the volume, or there is none.", hint="Click inside the picture.")
    return {name: [[int(at) for at in click] for click in clicks]}


def _accepted(label: int) -> str:
    organ = ORGANS.get(label)
    if organ is None:
        raise UnknownOrgan(f"VISTA-3D knows no structure with the number {label}.")
    if not organ.supported:
        raise UnknownOrgan(f"VISTA-3D lists “{organ.name}” and does not accept it as a request.")
    return organ.name


def _asked(request: SegmentationRequest) -> tuple[int, ...] | None:
    if request.points:
        return tuple(request.points)
    return None if request.labels is None else expand(request.labels)
