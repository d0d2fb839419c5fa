"""What tests of questions about pictures stand on: a picture, somebody who answers, and the use case around them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.case_made import AT, made_by
from tests.recorded import records
from workbench.domain.case import Visitor
from workbench.domain.clock import Clock
from workbench.domain.dialogue import Finish
from workbench.domain.errors import NotFound
from workbench.domain.experts import Trigger
from workbench.domain.image_dialogue import ImageRequest, ImageStream, SentAs, Working
from workbench.domain.nim import Mode, NimStatus, Service, State
from workbench.domain.picture import Modality, Picture, PictureFacts, PictureKind, PictureView
from workbench.domain.progress import Progress
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.records import Operator
from workbench.usecases.ask_image import AskImage
from workbench.usecases.consent import Consents
from workbench.usecases.expert_offer import Behind
from workbench.usecases.expert_reading import Read
from workbench.usecases.image_talk import ImageAnswering
from workbench.usecases.purposes import Purposes

ADA = Visitor(owner="ada")
PIXELS = b"\xff\xd8 no real JPEG \xff\xd9"
VIEW = PictureView(
    case_id="c0ffee", plane="axial", slices={"axial": 30}, center=50.0, width=400.0, window="soft tissue"
)


def a_picture(
    name: str = "picture1",
    *,
    owner: str = "ada",
    view: PictureView | None = VIEW,
    made: Provenance | None = None,
    encoded: bytes = PIXELS,
    **more: Any,
) -> Picture:
    """A slice of a case, 512 x 400 pixels."""
    provenance = made or made_by(Origin.LOCAL, "workbench", made_by(Origin.UPLOAD, "NIfTI"))
    facts = PictureFacts(
        id=name,
        owner=owner,
        created_at=AT,
        sha256=hashlib.sha256(encoded).hexdigest(),
        media_type="image/jpeg",
        width_px=512,
        height_px=400,
        size_bytes=len(encoded),
        provenance=provenance,
        view=view,
        **{"kind": PictureKind.VIEW if view else PictureKind.UPLOAD, "modality": Modality.CT, **more},
    )
    return Picture(facts=facts, encoded=encoded, provenance=provenance)


@dataclass
class Shelf:
    """Pictures by their id."""

    pictures: dict[str, Picture] = field(default_factory=dict)

    def put(self, picture: Picture) -> Picture:
        self.pictures[picture.facts.id] = picture
        return picture

    def get(self, visitor: Visitor, picture_id: str) -> Picture:
        found = self.pictures.get(picture_id)
        if found is None or not visitor.may_reach(found.facts.owner):
            raise NotFound("There is no such picture.")
        return found


@dataclass
class Beholder:
    """Somebody who says what it is told to say about a picture, and keeps what it was given."""

    says: tuple[str, ...] = ("The liver ", "is on this slice.")
    origin: Origin = Origin.LOCAL
    state: State = State.AVAILABLE
    breaks: Exception | None = None
    refuses: Exception | None = None
    ends: Finish = Finish.STOP
    sent_as: SentAs = SentAs.INLINE
    waits: Callable[[Progress], None] | None = None
    given: list[ImageRequest] = field(default_factory=list)
    closed: int = 0

    def status(self) -> NimStatus:
        return NimStatus(
            service=Service.VILA_M3, state=self.state, published_state=self.state, url="http://nim", detail=""
        )

    def run(self, request: ImageRequest, /) -> ImageStream:
        if self.waits is not None:
            self.waits(request.progress)
        if self.refuses is not None:
            raise self.refuses
        self.given.append(request)
        return ImageStream(
            tokens=self._tokens(),
            finish=lambda: self.ends,
            close=self._close,
            prompt=f"[picture] {request.question}",
            sent_as=self.sent_as,
            provenance=made_by(self.origin, "vila-m3", parameters={"endpoint": "made for a test"}),
        )

    def _tokens(self) -> Iterator[str]:
        yield from self.says
        if self.breaks is not None:
            raise self.breaks

    def _close(self) -> None:
        self.closed += 1


@dataclass
class Experts:
    """An expert that gives what it is told to give."""

    gives: Read | None = None
    is_behind: Behind = Behind.VOLUME
    asked: list[Trigger] = field(default_factory=list)

    def behind(self, visitor: Visitor, picture: PictureFacts) -> Behind:
        return self.is_behind if picture.view else Behind.NOTHING

    def require(self, visitor: Visitor, picture: PictureFacts) -> None:
        """Always allowed."""

    def read(
        self, visitor: Visitor, picture: PictureFacts, trigger: Trigger, check: Callable[[], None]
    ) -> Generator[Working, None, Read]:
        self.asked.append(trigger)
        yield Working(stage="segmenting", fraction=0.5)
        check()
        assert self.gives is not None
        return self.gives


def asking(
    folder: Path,
    beholder: Beholder,
    *,
    shelf: Shelf | None = None,
    experts: Any = None,
    stand_in: Beholder | None = None,
    consents: Consents | None = None,
    mode: Mode = Mode.LOCAL,
    allows: bool = True,
    leaves_for: str | None = None,
    operator: Operator | None = None,
) -> AskImage:
    """The use case around them, with the picture `picture1` where no shelf is given."""
    if shelf is None:
        shelf = Shelf()
        shelf.put(a_picture())
    kept = records(folder)
    if operator is not None:
        kept = replace(kept, purposes=Purposes(operator, kept.metrics))
    return AskImage(
        answering=lambda _: ImageAnswering(
            mode=mode,
            talker=beholder,
            stand_in=stand_in or Beholder(says=("A demonstration.",), origin=Origin.MOCK, state=State.MOCK),
            allows_stand_in=allows,
            leaves_for=leaves_for,
        ),
        pictures=shelf,  # type: ignore[arg-type]  # only `get` is needed
        experts=experts or Experts(),
        consents=consents or Consents(),
        records=kept,
        clock=Clock(),
    )
