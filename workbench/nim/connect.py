"""Choose who answers. The only module that reads the mode."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpx

from workbench.domain.clock import Clock
from workbench.domain.errors import NimUnavailable
from workbench.domain.nim import (
    CheckReport,
    First,
    Mode,
    Nim,
    NimStatus,
    Route,
    Segmenter,
    Service,
    Services,
    Synthesizer,
)
from workbench.domain.provenance import Result
from workbench.domain.records import Describe
from workbench.domain.segmentation import Segmentation
from workbench.domain.synthesis import Synthesis
from workbench.domain.work import RunInWorker
from workbench.nim.check import check
from workbench.nim.describe import Descriptions
from workbench.nim.evidence import Witnessed
from workbench.nim.exchange import ExchangeFolder, ExchangeUrl
from workbench.nim.http import new_client
from workbench.nim.in_mode import InMode
from workbench.nim.maisi import Maisi
from workbench.nim.maisi_stand_in import MaisiStandIn
from workbench.nim.patience import Timeouts
from workbench.nim.probe import Lookout, Probes, Target
from workbench.nim.stand_ins import Vista3dStandIn
from workbench.nim.targets import base_url, target, targets
from workbench.nim.vista3d import Vista3d
from workbench.nim.vista3d_check import Observed, Vista3dCheck
from workbench.nim.with_stand_in import Refusing, WithStandIn
from workbench.settings import Settings

RequestT = TypeVar("RequestT")
ResultT = TypeVar("ResultT", bound=Result)


@dataclass(frozen=True, kw_only=True)
class Connections:
    """Who answers, how they are, and letting go of them.

    `segmenter`, `synthesizer` and `statuses` are those of the mode that the settings name; `in_mode` gives those of
    any, built when first asked for and kept. All modes share clients, looks and evidence.
    """

    segmenter: Segmenter
    synthesizer: Synthesizer
    statuses: Callable[[], tuple[NimStatus, ...]]
    in_mode: Callable[[Mode], Services]
    describe: Describe
    close: Callable[[], None]


def connect(settings: Settings, *, clock: Clock, run_in_worker: RunInWorker, scratch: Path) -> Connections:
    """Connect every service as the mode table says. Opens no socket; the first request or status does.

    `scratch` is a private folder for replies being read; what a crash left in it is removed.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    parts = _Parts(settings, clock=clock, run_in_worker=run_in_worker, scratch=scratch)
    modes: dict[Mode, _Connected] = {}
    building = threading.Lock()

    def in_mode(mode: Mode) -> _Connected:
        with building:
            if mode not in modes:
                modes[mode] = _Connected(parts, mode)
            return modes[mode]

    own = in_mode(settings.nim_mode)
    return Connections(
        segmenter=own.segmenter,
        synthesizer=own.synthesizer,
        statuses=own.statuses,
        in_mode=in_mode,
        describe=Descriptions(
            [target(settings, service, Route(first=First.OWN_NIM, stand_in=False)) for service in Service],
            client=parts.client,
            clock=clock,
        ),
        close=parts.close,
    )


class _Parts:
    """What all modes share."""

    def __init__(self, settings: Settings, *, clock: Clock, run_in_worker: RunInWorker, scratch: Path) -> None:
        self.settings = settings
        self.clock = clock
        self.run_in_worker = run_in_worker
        self.client: httpx.Client = new_client()
        self.lookout = Lookout(self.client, clock=clock)
        delivery = _delivery(settings)
        self.warning = delivery.warning()
        self.delivery = Observed(delivery, scratch)
        self.stand_in = Vista3dStandIn(clock=clock, run_in_worker=run_in_worker)
        self.maisi_stand_in = MaisiStandIn(clock=clock, run_in_worker=run_in_worker)
        self._scratch = scratch
        self._lock = threading.Lock()
        self._vista3d: Vista3d | None = None
        self._maisi: Maisi | None = None

    def vista3d(self, status: Callable[[], NimStatus]) -> Vista3d:
        """The one client of the own VISTA-3D NIM: it lets one volume in at a time, whoever sends it."""
        with self._lock:
            if self._vista3d is None:
                self._vista3d = Vista3d(
                    base_url(self.settings.nim_vista3d_url),
                    client=self.client,
                    delivery=self.delivery,
                    timeouts=Timeouts(answer_s=self.settings.nim_vista3d_timeout_s),
                    clock=self.clock,
                    scratch=self._scratch,
                    max_voxels=self.settings.max_voxels,
                    status=status,
                )
            return self._vista3d

    def maisi(self, status: Callable[[], NimStatus]) -> Maisi:
        """The one client of the own MAISI NIM: it makes one request at a time, whoever sends it."""
        with self._lock:
            if self._maisi is None:
                self._maisi = Maisi(
                    base_url(self.settings.nim_maisi_url),
                    client=self.client,
                    timeouts=Timeouts(answer_s=self.settings.nim_maisi_timeout_s),
                    clock=self.clock,
                    run_in_worker=self.run_in_worker,
                    scratch=self._scratch,
                    max_voxels=self.settings.max_voxels,
                    status=status,
                )
            return self._maisi

    def close(self) -> None:
        """Let go of threads, the exchange's port and connections."""
        self.lookout.close()
        self.delivery.close()
        self.client.close()


class _Connected:
    """Who answers in one mode, a `Services`."""

    def __init__(self, parts: _Parts, mode: Mode) -> None:
        self._parts = parts
        self._targets = {each.service: each for each in targets(parts.settings, mode)}
        notes = {Service.VISTA3D: parts.warning} if parts.warning else {}
        self._probes = Probes(tuple(self._targets.values()), parts.lookout, notes=notes)
        self._status = partial(self._probes.status, Service.VISTA3D)
        self._segmenter: Segmenter = InMode(
            self._choose(Service.VISTA3D, parts.vista3d, parts.stand_in, _told),
            mode,
            process_mode=parts.settings.nim_mode,
        )
        self._synthesizer: Synthesizer = InMode(
            self._choose(Service.MAISI, parts.maisi, parts.maisi_stand_in, _told_synthesis),
            mode,
            process_mode=parts.settings.nim_mode,
        )

    @property
    def segmenter(self) -> Segmenter:
        return self._segmenter

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
        imaging = None
        if service is Service.VISTA3D:
            imaging = Vista3dCheck(
                self._parts.vista3d(self._status),
                self._parts.delivery,
                run_in_worker=self._parts.run_in_worker,
                clock=self._parts.clock,
            )
        report = check(asked, client=self._parts.client, evidence=self._parts.lookout.evidence(asked), imaging=imaging)
        self._parts.lookout.watch(asked).forget()
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
            real = Refusing(partial(_not_hosted, asked, way.reason), status)
        elif not asked.url:
            real = Refusing(partial(_not_deployed, asked), status)
        else:
            real = Witnessed(client(status), self._parts.lookout.evidence(asked), told)
        return WithStandIn(real, stand_in) if way.stand_in else real


def _told(answer: Segmentation) -> str:
    found = "everything" if answer.asked is None else f"{len(answer.asked)} structures"
    return f"It segmented a volume; asked for {found}."


def _told_synthesis(answer: Synthesis) -> str:
    count = len(answer.drawn)
    return f"It made {count} synthetic {'CT' if count == 1 else 'CTs'}."


def _not_hosted(asked: Target, reason: str) -> NimUnavailable:
    # The table promises these very words as the reason of a mock; an error to a person is a sentence.
    name = asked.service.display_name
    message = reason if asked.route.stand_in else f"{name} has {reason}, and no mock may stand in."
    return NimUnavailable(
        message, hint=f"Run a {name} NIM of your own with IMAGING_NIM_MODE=local and {asked.setting}."
    )


def _not_deployed(asked: Target) -> NimUnavailable:
    name = asked.service.display_name
    return NimUnavailable(
        f"{name} is not deployed: {asked.setting} is empty.",
        hint=f"Start a {name} NIM and set {asked.setting} to its address.",
    )


def _delivery(settings: Settings) -> ExchangeUrl | ExchangeFolder:
    if settings.nim_exchange_dir:
        return ExchangeFolder(folder=Path(settings.nim_exchange_dir), mount=settings.nim_exchange_mount)
    return ExchangeUrl(
        listen=settings.nim_exchange_listen, base_url=settings.nim_exchange_url, nim_url=settings.nim_vista3d_url
    )
