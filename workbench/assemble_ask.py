"""Put the pieces of Ask together: where pictures are kept, who prepares them, who answers about them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from workbench.cases.jobs import Jobs
from workbench.cases.pictures import PictureShelf
from workbench.cases.store import CaseStore
from workbench.cases.workers import WorkerPool
from workbench.domain.case import Visitor
from workbench.domain.clock import Clock
from workbench.domain.nim import Mode, Segmenter, Service, route
from workbench.nim.connect import Connections
from workbench.nim.targets import leaves_for
from workbench.settings import Settings
from workbench.usecases.ask_image import AskImage
from workbench.usecases.consent import Consents
from workbench.usecases.expert_reading import ReadWithExpert
from workbench.usecases.export_ct import ExportCt
from workbench.usecases.image_talk import ImageAnswering
from workbench.usecases.open_ct import OpenCt
from workbench.usecases.prepare_picture import PreparePicture
from workbench.usecases.records import Records


@dataclass(frozen=True, kw_only=True)
class AskParts:
    """The use cases of Ask, and the shelf that is to be swept with the cases."""

    shelf: PictureShelf
    pictures: PreparePicture
    asking: AskImage


def assemble_ask(
    settings: Settings,
    *,
    store: CaseStore,
    opening: OpenCt,
    jobs: Jobs,
    workers: WorkerPool,
    nims: Connections,
    mode_of: Callable[[Visitor], Mode],
    segmenters: Callable[[Visitor], tuple[Mode, Segmenter]],
    exports: ExportCt,
    consents: Consents,
    records: Records,
    clock: Clock,
) -> AskParts:
    """Build Ask; cases whose reading was cut short are expected to be gone from the store already."""
    shelf = PictureShelf(settings.data_dir / "pictures", ttl_s=settings.case_ttl_h * 3600)
    shelf.recover(store.holds)
    store.on_delete(shelf.drop_case)
    records.metrics.watch("workbench_pictures", "Pictures kept to ask about.", shelf.count)
    pictures = PreparePicture(shelf=shelf, store=store, opening=opening, jobs=jobs, run_in_worker=workers, clock=clock)
    experts = ReadWithExpert(
        store=store,
        jobs=jobs,
        segmenters=segmenters,
        exports=exports,
        pictures=pictures,
        clock=clock,
        records=records,
    )
    asking = AskImage(
        answering=_AnsweringInMode(settings, nims, mode_of),
        pictures=pictures,
        experts=experts,
        consents=consents,
        records=records,
        clock=clock,
    )
    return AskParts(shelf=shelf, pictures=pictures, asking=asking)


class _AnsweringInMode:
    """Who answers about pictures for a visitor, one set a mode, made when first asked for."""

    def __init__(self, settings: Settings, nims: Connections, mode_of: Callable[[Visitor], Mode]) -> None:
        self._settings = settings
        self._nims = nims
        self._mode_of = mode_of
        self._made: dict[Mode, ImageAnswering] = {}
        self._lock = threading.Lock()

    def __call__(self, visitor: Visitor) -> ImageAnswering:
        mode = self._mode_of(visitor)
        with self._lock:
            if mode not in self._made:
                self._made[mode] = self._make(mode)
            return self._made[mode]

    def _make(self, mode: Mode) -> ImageAnswering:
        settings = self._settings
        way = route(mode, allow_fallback=settings.nim_allow_mock_fallback, service=Service.VILA_M3)
        return ImageAnswering(
            mode=mode,
            talker=self._nims.in_mode(mode).image_talker,
            stand_in=self._nims.in_mode(Mode.MOCK).image_talker,
            allows_stand_in=way.stand_in,
            leaves_for=leaves_for(settings, mode, Service.VILA_M3),
        )
