"""Pictures and questions about them made for tests, and clients of a vision model that ask a contract server."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from tests.contract_server.vilam3 import HOSTED_MODEL
from tests.nim.made import CLOCK, UPLOAD
from tests.nim.made_chat import QUICK
from workbench.domain.experts import Expert, Trigger
from workbench.domain.image_dialogue import ExpertReading, ImageRequest
from workbench.domain.nim import First, NimStatus, Route, Service, State
from workbench.domain.picture import Modality, Picture, PictureFacts, PictureKind
from workbench.nim.cloud_functions import FunctionTimeouts
from workbench.nim.http import new_client
from workbench.nim.openai_client import ChatTimeouts
from workbench.nim.probe import Target
from workbench.nim.vilam3 import Vilam3

QUESTION = "Which organs are visible in this picture?"
KEY = "nvapi-secret"
READY = NimStatus(
    service=Service.VILA_M3, state=State.AVAILABLE, published_state=State.AVAILABLE, url="http://nim", detail="ready"
)
FAST = FunctionTimeouts(connect_s=2.0, answer_s=5.0, poll_every_s=0.01, poll_most_s=20.0)


def a_picture(*, width: int = 96, height: int = 64, noisy: bool = False, kind: str = "JPEG", **fields: Any) -> Picture:
    """A ramp, or noise where a large file is wanted; 96 x 64 pixels unless said."""
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = ((rows + 2 * columns) % 256).astype(np.uint8)
    if noisy:
        pixels = np.random.default_rng(7).integers(0, 256, size=(height, width), dtype=np.uint8)
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, kind, quality=95)
    encoded = held.getvalue()
    facts = PictureFacts(
        id="picture",
        owner="somebody",
        created_at="2026-01-15T12:00:00+00:00",
        kind=PictureKind.UPLOAD,
        sha256=hashlib.sha256(encoded).hexdigest(),
        media_type=f"image/{kind.lower()}",
        width_px=width,
        height_px=height,
        size_bytes=len(encoded),
        provenance=UPLOAD,
        modality=Modality.CT,
    )
    facts = replace(facts, **fields)
    return Picture(facts=facts, encoded=encoded, provenance=facts.provenance)


def a_large_picture() -> Picture:
    """One over the catalogue's inline limit, within 1120 pixels."""
    picture = a_picture(width=600, height=500, noisy=True)
    assert picture.facts.base64_characters >= 180_000
    return picture


def an_image_request(question: str = QUESTION, **fields: Any) -> ImageRequest:
    return replace(ImageRequest(question=question, picture=a_picture()), **fields)


def a_reading(argument: str = "hepatic tumor", legend: str = "red: liver, blue: hepatic tumor") -> ExpertReading:
    picture = a_picture(width=80, height=80)
    return ExpertReading(
        trigger=Trigger(expert=Expert.VISTA3D, argument=argument, labels=(1, 26)),
        picture=picture.facts,
        legend=legend,
        provenance=UPLOAD,
    )


def an_image_target(url: str, *, hosted: bool = False, model: str = "", key: str = "") -> Target:
    return Target(
        service=Service.VILA_M3,
        route=Route(first=First.HOSTED if hosted else First.OWN_NIM, stand_in=True),
        url=url,
        setting=f"IMAGING_NIM_{'CLOUD' if hosted else 'VILAM3'}_URL",
        model=model or (HOSTED_MODEL if hosted else ""),
        model_setting=f"IMAGING_NIM_{'CLOUD_VLM' if hosted else 'VILAM3'}_MODEL",
        key=key or (KEY if hosted else ""),
    )


@contextmanager
def a_vilam3(
    url: str,
    *,
    functions_url: str | None = None,
    timeouts: ChatTimeouts = QUICK,
    functions: FunctionTimeouts = FAST,
    **target: Any,
) -> Iterator[Vilam3]:
    with new_client() as client:
        made = Vilam3(
            an_image_target(url, **target),
            client=client,
            clock=CLOCK,
            status=lambda: READY,
            functions_url=f"{url}/v2/nvcf" if functions_url is None else functions_url,
            timeouts=timeouts,
            function_timeouts=functions,
        )
        try:
            yield made
        finally:
            made.close()
