"""The clients that all modes share: made when first asked for, let go of together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import httpx

from workbench.domain.clock import Clock
from workbench.domain.nim import NimStatus
from workbench.domain.work import RunInWorker
from workbench.nim.exchange import ExchangeFolder, ExchangeUrl
from workbench.nim.http import new_client
from workbench.nim.llm import Llama
from workbench.nim.llm_stand_in import LlmStandIn
from workbench.nim.maisi import Maisi
from workbench.nim.maisi_stand_in import MaisiStandIn
from workbench.nim.openai_client import ChatTimeouts
from workbench.nim.patience import Timeouts
from workbench.nim.probe import Lookout, Target
from workbench.nim.stand_ins import Vista3dStandIn
from workbench.nim.targets import base_url
from workbench.nim.vilam3 import Vilam3
from workbench.nim.vilam3_reference import ReferenceServer, Vilam3Reference
from workbench.nim.vilam3_stand_in import Vilam3StandIn
from workbench.nim.vista3d import Vista3d
from workbench.nim.vista3d_check import Observed
from workbench.settings import Settings


class Clients:
    """Clients of the NIMs, the stand-ins for them, and the looks at them, whatever mode asks."""

    def __init__(self, settings: Settings, *, clock: Clock, run_in_worker: RunInWorker, scratch: Path) -> None:
        self.settings = settings
        self.clock = clock
        self.run_in_worker = run_in_worker
        self.http: httpx.Client = new_client()
        self.lookout = Lookout(self.http, clock=clock)
        delivery = _delivery(settings)
        self.warning = delivery.warning()
        self.delivery = Observed(delivery, scratch)
        self.vista3d_stand_in = Vista3dStandIn(clock=clock, run_in_worker=run_in_worker)
        self.llm_stand_in = LlmStandIn(clock=clock)
        self.maisi_stand_in = MaisiStandIn(clock=clock, run_in_worker=run_in_worker)
        self.vilam3_stand_in = Vilam3StandIn(clock=clock)
        self._scratch = scratch
        self._lock = threading.Lock()
        self._vista3d: Vista3d | None = None
        self._maisi: Maisi | None = None
        self._reference: ReferenceServer | None = None
        self._closing: list[Callable[[], None]] = []

    def vista3d(self, status: Callable[[], NimStatus]) -> Vista3d:
        """The one client of the own VISTA-3D NIM: it lets one volume in at a time, whoever sends it."""
        with self._lock:
            if self._vista3d is None:
                self._vista3d = Vista3d(
                    base_url(self.settings.nim_vista3d_url),
                    client=self.http,
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
                    client=self.http,
                    timeouts=Timeouts(answer_s=self.settings.nim_maisi_timeout_s),
                    clock=self.clock,
                    run_in_worker=self.run_in_worker,
                    scratch=self._scratch,
                    max_voxels=self.settings.max_voxels,
                    status=status,
                )
            return self._maisi

    def llama(self, asked: Target, status: Callable[[], NimStatus]) -> Llama:
        """A client of Llama-3, own or hosted."""
        made = Llama(asked, client=self.http, clock=self.clock, status=status)
        with self._lock:
            self._closing.append(made.close)
        return made

    def vilam3(self, asked: Target, status: Callable[[], NimStatus]) -> Vilam3 | Vilam3Reference:
        """A client of VILA-M3, own or hosted, in the protocol that it speaks."""
        timeouts = ChatTimeouts(quiet_s=self.settings.nim_vilam3_timeout_s)
        if asked.is_reference:
            return Vilam3Reference(self.reference_server(asked), clock=self.clock, status=status, timeouts=timeouts)
        made = Vilam3(
            asked,
            client=self.http,
            clock=self.clock,
            status=status,
            functions_url=self.settings.nim_cloud_functions_url,
            timeouts=timeouts,
        )
        with self._lock:
            self._closing.append(made.close)
        return made

    def reference_server(self, asked: Target) -> ReferenceServer:
        """The one line to VILA-M3's reference server: it answers one question at a time, whoever asks it."""
        with self._lock:
            if self._reference is None:
                self._reference = ReferenceServer(asked, client=self.http)
            return self._reference

    def close(self) -> None:
        """Let go of threads, the exchange's port and connections."""
        self.lookout.close()
        with self._lock:
            closing, self._closing = self._closing, []
        for each in closing:
            each()
        self.delivery.close()
        self.http.close()


def _delivery(settings: Settings) -> ExchangeUrl | ExchangeFolder:
    if settings.nim_exchange_dir:
        return ExchangeFolder(folder=Path(settings.nim_exchange_dir), mount=settings.nim_exchange_mount)
    return ExchangeUrl(
        listen=settings.nim_exchange_listen, base_url=settings.nim_exchange_url, nim_url=settings.nim_vista3d_url
    )
