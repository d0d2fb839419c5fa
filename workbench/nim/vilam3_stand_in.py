"""Who answers about pictures where no vision model does: statistics of pixels and the mask, in words of no reading."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from workbench.domain.clock import Clock
from workbench.domain.image_dialogue import ExpertReading, ImageRequest, ImageStream, SentAs
from workbench.domain.nim import NimStatus, Service
from workbench.domain.picture import PictureFacts, PictureKind, Shown
from workbench.domain.provenance import Origin, Provenance
from workbench.nim import picture_mask, picture_pixels
from workbench.nim.mock import mock_provenance, mock_status
from workbench.nim.picture_question import Understood, Want, understand
from workbench.nim.recital import Recital, by_words

MODEL = "mock VILA-M3"
CANNOT = "This question needs a vision model; the demonstration cannot answer it."
_MOST_DETAILED = 6
_OF_MASK = frozenset({Want.STRUCTURES, Want.PRESENT, Want.WHERE, Want.HOW_LARGE})
_DETAILS = frozenset({Want.COLOUR, Want.WHERE, Want.HOW_LARGE})


class Vilam3StandIn:
    """Answers without VILA-M3, an `ImageTalker`. The same request gives the same answer; nothing is sent anywhere."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    def status(self) -> NimStatus:
        """Always mock: no socket is opened."""
        return mock_status(
            Service.VILA_M3, MODEL, "It tells statistics of pixels and what the mask marks, and recognises nothing."
        )

    def run(self, request: ImageRequest, /) -> ImageStream:
        """What pixels and mask tell towards the question, in pieces of a word each."""
        start = time.monotonic()
        recital = Recital(by_words(describe(request)))
        return ImageStream(
            tokens=recital.tokens(),
            finish=recital.finish,
            close=recital.close,
            prompt="",
            sent_as=SentAs.NOT_SENT,
            provenance=mock_provenance(MODEL, self._clock, start, inputs=(request.picture.provenance,)),
        )


def describe(request: ImageRequest) -> str:
    """The whole answer: what it is, what the question asks for as far as it can be told, and what that rests on."""
    facts = request.picture.facts
    shown = {each.label: picture_mask.name(each) for each in facts.structures or ()}
    asked = understand(request.question, request.history, shown)
    told = [*_of_expert(request.expert), *_answer(request, asked)]
    if asked.needs_reading:
        told.insert(0, CANNOT)
    return "\n\n".join(filter(None, (_opening(facts), " ".join(told), " ".join(_rests_on(facts)))))


def _opening(facts: PictureFacts) -> str:
    mask = "" if facts.structures is None else " and at the mask"
    return (
        f"This is a demonstration without a vision model. It looked only at the statistics of the pixels{mask}, and "
        "recognises nothing in the picture."
    )


def _answer(request: ImageRequest, asked: Understood) -> Iterator[str]:
    facts, wants = request.picture.facts, asked.wants
    if wants & _OF_MASK or (Want.COLOUR in wants and asked.labels):
        yield from _of_structures(facts, asked)
    if Want.VIEW in wants:
        yield picture_mask.shown_view(facts)
    if Want.PICTURE_SIZE in wants or not wants or facts.structures is None:
        yield picture_pixels.size(facts)
    if wants & {Want.BRIGHTNESS, Want.COLOUR, Want.KIND} or not wants or facts.structures is None:
        pixels = picture_pixels.pixel_statistics(request.picture.encoded)
        if Want.KIND in wants or not wants or facts.structures is None:
            yield picture_pixels.kind(facts, request.modality, pixels)
        if Want.COLOUR in wants and not asked.labels:
            yield picture_pixels.colour(pixels)
        if Want.BRIGHTNESS in wants or not wants or facts.structures is None:
            yield picture_pixels.brightness(pixels)
    if Want.ORIGIN in wants:
        yield "The demonstration answers from this machine, and nothing was sent anywhere."
        if facts.mark is None:
            yield "Nothing in the records of this picture says that it is a mock or synthetic."
    if not wants and facts.structures:
        yield picture_mask.listing(facts.structures)


def _of_structures(facts: PictureFacts, asked: Understood) -> Iterator[str]:
    if facts.structures is None:
        if facts.kind is PictureKind.MOSAIC:
            yield "Structures are told of one slice, and this picture shows three."
        else:
            yield "No mask belongs to this picture, so it cannot be told which structures it shows."
        return
    named = [each for each in facts.structures if each.label in asked.labels]
    if len(named) > _MOST_DETAILED and asked.wants & {Want.STRUCTURES, Want.PRESENT}:
        yield picture_mask.listing(named)
        return
    if not asked.labels or Want.STRUCTURES in asked.wants:
        yield picture_mask.listing(facts.structures)
    if asked.labels:
        yield from _in_detail(facts, named, asked.wants & _DETAILS or _DETAILS - {Want.COLOUR})
        missing = set(asked.labels) - {each.label for each in named}
        # Of “lungs” those on the slice are enough; of “left kidney and spleen” each is told of.
        if missing and (not named or len(missing) <= len(named)):
            yield picture_mask.not_marked(sorted(missing))
        if not named and Want.STRUCTURES not in asked.wants:
            yield picture_mask.listing(facts.structures)
    elif Want.WHERE in asked.wants:
        yield from _in_detail(facts, facts.structures, frozenset({Want.WHERE}))
    elif Want.STRUCTURES not in asked.wants:
        yield from _in_detail(facts, facts.structures, asked.wants & {Want.HOW_LARGE})


def _in_detail(facts: PictureFacts, structures: Sequence[Shown], wants: frozenset[Want]) -> Iterator[str]:
    for each in structures[:_MOST_DETAILED]:
        if Want.COLOUR in wants:
            yield picture_mask.drawn_colour(each, facts)
        if Want.WHERE in wants and facts.view is not None:
            yield f"The mask's {picture_mask.name(each)} lies {picture_mask.where(each, facts.view)}."
        if Want.HOW_LARGE in wants:
            yield picture_mask.how_large(each)
    if wants and len(structures) > _MOST_DETAILED:
        yield f"It marks {len(structures) - _MOST_DETAILED} more that this would hold for."


def _of_expert(expert: ExpertReading | None) -> Iterator[str]:
    if expert is None:
        return
    by = "A mock of VISTA-3D" if expert.provenance.origin is Origin.MOCK else "VISTA-3D"
    if expert.legend:
        colours = expert.legend.replace("<", "").replace(">", "").replace(": ", " is ")
        yield f"{by} segmented what was called for. On this slice {colours}."
    else:
        yield f"{by} segmented what was called for, and marked nothing on this slice."
    if expert.not_found:
        yield f"It returned no voxels for: {', '.join(expert.not_found)}. That tells what the mask holds, and no more."


def _rests_on(facts: PictureFacts) -> Iterator[str]:
    """What the person must know of the picture and its mask."""
    yield from facts.notes
    if facts.provenance.is_mock:
        mocks = ", ".join(dict.fromkeys(_mocks(facts.provenance)))
        yield f"What is told here rests on made-up data{f' ({mocks})' if mocks else ''}, and measures no patient."
    elif facts.provenance.is_synthetic:
        yield "The CT is synthetic: a model drew it, and it shows no patient."


def _mocks(made: Provenance) -> Iterator[str]:
    """The models at the root of what is mock."""
    below = [name for each in made.inputs for name in _mocks(each)]
    yield from below or ([made.model] if made.origin is Origin.MOCK else [])
