"""Choose who answers. The only module that reads the mode."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from workbench.domain.clock import Clock
from workbench.domain.dialogue import Talker
from workbench.domain.errors import NimUnavailable
from workbench.domain.image_dialogue import ImageTalker
from workbench.domain.library import Embedder, Reranker
from workbench.domain.nim import (
    CheckReport,
    First,
    Mode,
    Nim,
    NimStatus,
    Route,
    Segmenter,
    Service,
    Synthesizer,
)
from workbench.domain.provenance import Result
from workbench.domain.records import Describe
from workbench.domain.segmentation import Segmentation
from workbench.domain.services import Services
from workbench.domain.synthesis import Synthesis
from workbench.domain.work import RunInWorker
from workbench.nim.absent import not_deployed, not_hosted, without_key
from workbench.nim.check import ImagingCheck, check
from workbench.nim.clients import Clients
from workbench.nim.describe import Descriptions
from workbench.nim.embed import EmbeddingNim
from workbench.nim.evidence import Witnessed
from workbench.nim.in_mode import InMode
from workbench.nim.probe import Probes, Target
from workbench.nim.rerank import RerankingNim
from workbench.nim.talkers import (
    RefusingTalker,
    TalkerInMode,
    TalkerWithStandIn,
    WitnessedStream,
    WitnessedTalker,
)
from workbench.nim.targets import target, targets
from workbench.nim.vilam3_reference_check import ReferenceCheck
from workbench.nim.vista3d_check import Vista3dCheck
from workbench.nim.with_stand_in import Refusing, WithStandIn
from workbench.settings import Settings

HelperT = TypeVar("HelperT")
RequestT = TypeVar("RequestT")
ResultT = TypeVar("ResultT", bound=Result)


@dataclass(frozen=True, kw_only=True)
class Connections:
    """Who answers, how they are, and letting go of them.

    `segmenter`, `synthesizer` and `statuses` are those of the mode that the settings name; `in_mode` gives those of
    any, built when first asked for and kept. All modes share clients, looks and evidence. `warm` loads what the first
    answer of Llama-3 or VILA-M3 would have to wait for, about a second's work without a socket.
    """

    segmenter: Segmenter
    synthesizer: Synthesizer
    statuses: Callable[[], tuple[NimStatus, ...]]
    in_mode: Callable[[Mode], Services]
    describe: Describe
    warm: Callable[[], None]
    close: Callable[[], None]


def connect(settings: Settings, *, clock: Clock, run_in_worker: RunInWorker, scratch: Path) -> Connections:
    """Connect every service as the mode table says. Opens no socket; the first request or status does.

    `scratch` is a private folder for replies being read; what a crash left in it is removed.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    clients = Clients(settings, clock=clock, run_in_worker=run_in_worker, scratch=scratch)
    modes: dict[Mode, _Connected] = {}
    building = threading.Lock()

    def in_mode(mode: Mode) -> _Connected:
        with building:
            if mode not in modes:
                modes[mode] = _Connected(clients, mode)
            return modes[mode]

    own = in_mode(settings.nim_mode)
    return Connections(
        segmenter=own.segmenter,
        synthesizer=own.synthesizer,
        statuses=own.statuses,
        in_mode=in_mode,
        describe=Descriptions(
            [target(settings, service, Route(first=First.OWN_NIM, stand_in=False)) for service in Service],
            client=clients.http,
            clock=clock,
        ),
        warm=own.warm,
        close=clients.close,
    )


class _Connected:
    """Who answers in one mode, a `Services`."""

    def __init__(self, clients: Clients, mode: Mode) -> None:
        self._clients = clients
        self._targets = {each.service: each for each in targets(clients.settings, mode)}
        notes = {Service.VISTA3D: clients.warning} if clients.warning else {}
        self._probes = Probes(tuple(self._targets.values()), clients.lookout, notes=notes)
        self._status = partial(self._probes.status, Service.VISTA3D)
        self._segmenter: Segmenter = InMode(
            self._choose(Service.VISTA3D, clients.vista3d, clients.vista3d_stand_in, _told),
            mode,
            process_mode=clients.settings.nim_mode,
        )
        self._synthesizer: Synthesizer = InMode(
            self._choose(Service.MAISI, clients.maisi, clients.maisi_stand_in, _told_synthesis),
            mode,
            process_mode=clients.settings.nim_mode,
        )
        self._warm: list[Callable[[], None]] = []
        self._talker = TalkerInMode(
            self._choose_talker(self._targets[Service.LLM]), mode, process_mode=clients.settings.nim_mode
        )
        self._image_talker: ImageTalker = InMode(
            self._choose_image_talker(self._targets[Service.VILA_M3]), mode, process_mode=clients.settings.nim_mode
        )
        self._embedder = self._helper(Service.EMBED, EmbeddingNim)
        self._reranker = self._helper(Service.RERANK, RerankingNim)

    @property
    def segmenter(self) -> Segmenter:
        return self._segmenter

    @property
    def talker(self) -> Talker:
        return self._talker

    @property
    def image_talker(self) -> ImageTalker:
        return self._image_talker

    @property
    def embedder(self) -> Embedder | None:
        return self._embedder

    @property
    def reranker(self) -> Reranker | None:
        return self._reranker

    def warm(self) -> None:
        for each in self._warm:
            each()

    @property
    def synthesizer(self) -> Synthesizer:
        return self._synthesizer

    def statuses(self) -> tuple[NimStatus, ...]:
        return self._probes.statuses()

    def settled(self) -> bool:
        return self._probes.settled()

    def checkable(self) -> tuple[Service, ...]:
        return tuple(
            service
            for service, each in self._targets.items()
            if each.route.first is not First.NOBODY and each.url and (each.key or not each.is_hosted)
        )

    def check(self, service: Service) -> CheckReport:
        asked = self._targets[service]
        imaging: ImagingCheck | None = None
        if asked.is_reference:
            imaging = ReferenceCheck(self._clients.reference_server(asked))
        elif service is Service.VISTA3D:
            imaging = Vista3dCheck(
                self._clients.vista3d(self._status),
                self._clients.delivery,
                run_in_worker=self._clients.run_in_worker,
                clock=self._clients.clock,
            )
        report = check(
            asked, client=self._clients.http, evidence=self._clients.lookout.evidence(asked), imaging=imaging
        )
        self._clients.lookout.watch(asked).forget()
        return report

    def _choose(
        self,
        service: Service,
        client: Callable[[Callable[[], NimStatus]], Nim[RequestT, ResultT]],
        stand_in: Nim[RequestT, ResultT],
        told: Callable[[ResultT], str],
    ) -> Nim[RequestT, ResultT]:
        """Who answers for a service: its own NIM, nobody, or the stand-in, in the order of the mode table."""
        asked = self._targets[service]
        way = asked.route
        status = partial(self._probes.status, service)
        if way.first is First.NOBODY and way.reason is None:
            return stand_in
        real: Nim[RequestT, ResultT]
        if way.reason is not None:
            real = Refusing(partial(not_hosted, asked, way.reason), status)
        elif not asked.url:
            real = Refusing(partial(not_deployed, asked), status)
        else:
            real = Witnessed(client(status), self._clients.lookout.evidence(asked), told)
        return WithStandIn(real, stand_in) if way.stand_in else real

    def _choose_talker(self, asked: Target) -> Talker:
        status = partial(self._probes.status, Service.LLM)
        if asked.route.first is First.NOBODY:
            return self._clients.llm_stand_in
        real: Talker
        if (why := _nobody_to_ask(asked)) is not None:
            real = RefusingTalker(why, status)
        else:
            client = self._clients.llama(asked, status)
            self._warm.append(client.warm)
            real = WitnessedTalker(client, self._clients.lookout.evidence(asked))
        return TalkerWithStandIn(real, self._clients.llm_stand_in) if asked.route.stand_in else real

    def _choose_image_talker(self, asked: Target) -> ImageTalker:
        status = partial(self._probes.status, Service.VILA_M3)
        if asked.route.first is First.NOBODY:
            return self._clients.vilam3_stand_in
        real: ImageTalker
        if (why := _nobody_to_ask(asked)) is not None:
            real = Refusing(why, status)
        else:
            client = self._clients.vilam3(asked, status)
            self._warm.append(client.warm)
            real = WitnessedStream(
                client, self._clients.lookout.evidence(asked), "It answered a question about a picture."
            )
        return WithStandIn(real, self._clients.vilam3_stand_in) if asked.route.stand_in else real

    def _helper(self, service: Service, make: Callable[..., HelperT]) -> HelperT | None:
        """A helper where its address is set and somebody is asked in this mode."""
        asked = self._targets.get(service)
        if asked is None or asked.route.first is First.NOBODY:
            return None
        return make(asked, client=self._clients.http, status=partial(self._probes.status, service))


def _told(answer: Segmentation) -> str:
    found = "everything" if answer.asked is None else f"{len(answer.asked)} structures"
    return f"It segmented a volume; asked for {found}."


def _told_synthesis(answer: Synthesis) -> str:
    count = len(answer.drawn)
    return f"It made {count} synthetic {'CT' if count == 1 else 'CTs'}."


def _nobody_to_ask(asked: Target) -> Callable[[], NimUnavailable] | None:
    """Why no request can be sent, as an error to raise; None where one can."""
    if not asked.url:
        return partial(not_deployed, asked)
    if asked.is_hosted and not asked.key:
        return partial(without_key, asked)
    return None
