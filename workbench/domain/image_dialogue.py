"""Questions about a picture, what is sent for them, and the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from workbench.domain.dialogue import AnswerStream, Finish, Sampling, Token, Turn
from workbench.domain.experts import BadTrigger, Trigger
from workbench.domain.nim import Nim
from workbench.domain.picture import Modality, Picture, PictureFacts
from workbench.domain.progress import Progress, Silent
from workbench.domain.provenance import Provenance, Result

IMAGE_SAMPLING = Sampling(temperature=0.0, top_p=0.9, max_tokens=1024)
"""The defaults of the model's own demo (nim/CONTRACTS 4.1)."""


class SentAs(StrEnum):
    """How a picture travelled."""

    INLINE = "inline"
    ASSET = "asset"
    FILE = "file"
    NOT_SENT = "not sent"


@dataclass(frozen=True, kw_only=True)
class ImageQuestion:
    """What a person asks about a picture. `history` is the talk about the same picture, oldest first.

    `modality` is the person's word for what made the picture; None leaves it to the picture's own facts.
    """

    text: str
    picture_id: str
    history: tuple[Turn, ...] = ()
    modality: Modality | None = None
    sampling: Sampling = IMAGE_SAMPLING


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpertReading(Result):
    """What an expert gave: the coloured slice, its legend, and what of the argument was looked for and not found.

    `legend` is in the model's form, `red: liver, blue: hepatic tumor`; empty where nothing lies on the slice.
    """

    trigger: Trigger
    picture: PictureFacts
    legend: str
    not_found: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageRequest:
    """What the answering model is given: one picture, the words, the talk so far.

    `picture` is the coloured slice where `expert` is not None; `question` is then the one that led to the call.
    `has_volume` says that a CT lies behind the picture. `progress` is told while the first token is waited for; when
    it raises, the wait ends and the server is freed.
    """

    question: str
    picture: Picture
    modality: Modality | None = None
    history: tuple[Turn, ...] = ()
    sampling: Sampling = IMAGE_SAMPLING
    has_volume: bool = False
    expert: ExpertReading | None = None
    progress: Progress = field(default_factory=Silent)


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageStream(AnswerStream):
    """An answer about a picture that is coming.

    `prompt` is what was sent, word for word, `[picture]` where the picture stood; empty where nothing was sent.
    """

    prompt: str
    sent_as: SentAs


ImageTalker = Nim[ImageRequest, ImageStream]
"""Somebody who answers about pictures: VILA-M3, the hosted vision model, or the mock that describes pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageAnswer(Result):
    """An answer, pinned to the picture it rests on.

    `picture` is the one that was asked about, also where an expert's picture was sent after it (`expert`).
    `trigger` is what the model calls for next, or why its call cannot be followed; `offer` says in a sentence what
    would be run, or why nothing can be. The model's words are never changed.
    """

    text: str
    question: str
    picture: PictureFacts
    prompt: str
    sent_as: SentAs
    trigger: Trigger | BadTrigger | None = None
    offer: str = ""
    can_run: bool = False
    expert: ExpertReading | None = None
    finish: Finish | None = None
    notices: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Begun:
    """Who answers, and what was sent, known before the first word."""

    provenance: Provenance
    prompt: str
    sent_as: SentAs


@dataclass(frozen=True, kw_only=True)
class Working:
    """What an expert is doing; `fraction` runs 0..1, None where it is not known."""

    stage: str
    fraction: float | None = None


@dataclass(frozen=True, kw_only=True)
class ExpertRead:
    """The expert is done; the model is asked next."""

    reading: ExpertReading


@dataclass(frozen=True, kw_only=True)
class ImageAnswered:
    """The whole answer, always the last event."""

    answer: ImageAnswer


ImageEvent = Begun | Working | ExpertRead | Token | ImageAnswered


@dataclass(frozen=True, kw_only=True)
class ImageExchange:
    """One question with its answer, as it is exported; `answer` is the published form of an `ImageAnswer`."""

    question: str
    answer: Mapping[str, Any]
