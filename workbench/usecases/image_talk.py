"""One question about a picture on its way: what is handed on of the talk, and how the answer is put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workbench import __version__
from workbench.domain.case import Visitor
from workbench.domain.dialogue import Finish, Turn
from workbench.domain.image_dialogue import (
    ExpertReading,
    ImageAnswer,
    ImageQuestion,
    ImageRequest,
    ImageStream,
    ImageTalker,
    SentAs,
)
from workbench.domain.nim import Mode
from workbench.domain.picture import Picture, PictureFacts
from workbench.domain.progress import Progress
from workbench.domain.provenance import Origin, Provenance
from workbench.usecases.expert_offer import Behind, offer_of, written

NO_MODEL = "no model asked"
MOST_TURNS = 40
MOST_HISTORY_CHARACTERS = 40_000
"""What of a talk is handed on; the client leaves out more where the model's window is smaller."""


@dataclass(frozen=True, kw_only=True)
class ImageAnswering:
    """Who answers in a visitor's mode. `stand_in` answers what may not leave this machine.

    `leaves_for` is the host outside this machine that a request would be sent to, None where nothing leaves. It holds
    whatever the host's state is now: one that is down may be up a moment later.
    """

    mode: Mode
    talker: ImageTalker
    stand_in: ImageTalker
    allows_stand_in: bool
    leaves_for: str | None = None


@dataclass(frozen=True, kw_only=True)
class ImageTalk:
    """A question, the picture it is about, and who answers.

    `start` is monotonic, in seconds. `expert` is what an expert gave before this answer, `shown` the picture that the
    model is shown: the expert's where there is one.
    """

    visitor: Visitor
    question: ImageQuestion
    picture: Picture
    shown: Picture
    who: ImageAnswering
    start: float
    expert: ExpertReading | None = None
    notices: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def about(self) -> PictureFacts:
        """The picture that was asked about."""
        return self.picture.facts

    def request(self, *, has_volume: bool, progress: Progress) -> ImageRequest:
        """What the model is given."""
        return ImageRequest(
            question=self.question.text,
            picture=self.shown,
            modality=self.question.modality or self.about.modality,
            history=self._recent()[0],
            sampling=self.question.sampling,
            has_volume=has_volume,
            expert=self.expert,
            progress=progress,
        )

    def begun(self, made: Provenance, sent_as: SentAs) -> Provenance:
        """Who answers, from which picture: an answer about an invented picture is as invented as the picture."""
        sampling = self.question.sampling
        parameters = {
            **made.parameters,
            "mode": self.who.mode.value,
            "picture": _pinned(self.about),
            "sent_as": sent_as.value,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "seed": sampling.seed,
        }
        rests_on: tuple[Provenance, ...] = (self.about.provenance,)
        told = rests_on
        if self.expert is not None:
            parameters["expert"] = {"call": written(self.expert.trigger), "sha256": self.shown.facts.sha256}
            rests_on = (*rests_on, self.shown.facts.provenance)
            told = (*rests_on, self.expert.provenance)  # the mask is among the inputs of the coloured slice
        return replace(
            made, parameters=parameters, inputs=(*(each for each in made.inputs if each not in told), *rests_on)
        )

    def answered(
        self,
        text: str,
        stream: ImageStream,
        behind: Behind,
        made: Provenance,
        *,
        finish: Finish,
        timings_ms: Mapping[str, float],
    ) -> ImageAnswer:
        """The answer of a model, with what it calls for next."""
        offer = offer_of(text, behind, done=self.expert.trigger.argument if self.expert else None)
        return ImageAnswer(
            text=text,
            question=self.question.text,
            picture=self.about,
            prompt=stream.prompt,
            sent_as=stream.sent_as,
            trigger=offer.trigger,
            offer=offer.text,
            can_run=offer.can_run,
            expert=self.expert,
            finish=finish,
            notices=(*self.notices, *self._recent()[1]),
            timings_ms={**self.timings_ms, **timings_ms},
            provenance=made,
        )

    def unmarked(self, expert: ExpertReading, *, at: str, elapsed_s: float) -> ImageAnswer:
        """The answer where an expert marked nothing on the slice.

        A model would be shown nothing new, so none is asked, and the workbench says so itself.
        """
        view = self.about.view
        where = f" ({view.plane} {view.slice})" if view else ""
        who = "The mock of VISTA-3D" if expert.provenance.origin is Origin.MOCK else "VISTA-3D"
        made = Provenance(
            origin=Origin.MOCK if self.who.mode is Mode.MOCK else Origin.LOCAL,
            model=NO_MODEL,
            version=__version__,
            created_at=at,
            elapsed_s=elapsed_s,
        )
        return ImageAnswer(
            text=f"{who} was asked for {expert.trigger.argument} and marked nothing on this slice{where}. "
            "The model was not asked again: there is nothing new to look at.",
            question=self.question.text,
            picture=self.about,
            prompt="",
            sent_as=SentAs.NOT_SENT,
            expert=expert,
            finish=Finish.STOP,
            notices=self.notices,
            timings_ms={**self.timings_ms, "total": elapsed_s * 1000},
            provenance=self.begun(made, SentAs.NOT_SENT),
        )

    def _recent(self) -> tuple[tuple[Turn, ...], tuple[str, ...]]:
        """The last turns that are handed on, from a question on, and what to say about those left out."""
        talk = self.question.history
        room, first = MOST_HISTORY_CHARACTERS, len(talk)
        while first > max(0, len(talk) - MOST_TURNS) and len(talk[first - 1].text) <= room:
            first -= 1
            room -= len(talk[first].text)
        while first < len(talk) and talk[first].role != "user":
            first += 1
        kept = talk[first:]
        if len(kept) == len(talk):
            return kept, ()
        return kept, (f"Only the last {len(kept)} of {len(talk)} turns were taken along, from a question on.",)


def _pinned(picture: PictureFacts) -> dict[str, Any]:
    """What ties an answer to its picture."""
    pinned: dict[str, Any] = {"sha256": picture.sha256, "kind": picture.kind.value}
    if (view := picture.view) is not None:
        pinned |= {
            "plane": view.plane,
            "slices": dict(view.slices),
            "center": view.center,
            "width": view.width,
            "overlay": view.overlay,
            "revision": view.revision,
        }
    return pinned
