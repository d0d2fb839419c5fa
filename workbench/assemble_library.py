"""Put the pieces of the library together: where passages are kept, who embeds, who answers, in every mode."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from workbench.assets import asset
from workbench.cases.jobs import Jobs
from workbench.cases.originals import Originals
from workbench.cases.workers import WorkerPool
from workbench.domain.case import Case, Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import WorkbenchError
from workbench.domain.library import Embedder
from workbench.domain.nim import Mode, Service, route
from workbench.domain.services import Services
from workbench.knowledge.documents.nouns import DocumentLimits
from workbench.knowledge.documents.page_picture import draw_page
from workbench.knowledge.embedding import EmbedPassages, InWorker, OverTheWire
from workbench.knowledge.ingest import IngestDocuments
from workbench.knowledge.milvus import MilvusIndex
from workbench.knowledge.minilm import packaged_embedder, why_absent
from workbench.knowledge.retrieve import Retriever
from workbench.nim.connect import Connections
from workbench.nim.targets import leaves_for
from workbench.settings import Settings
from workbench.usecases.access import Access
from workbench.usecases.add_documents import AddDocuments
from workbench.usecases.chat import Answering, Chat
from workbench.usecases.consent import Consents
from workbench.usecases.library import KeepLibrary, LibraryRules
from workbench.usecases.records import Records
from workbench.usecases.starter_library import StarterLibrary

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LibraryParts:
    """The use cases of the library. `begin` opens it in the background; `close` lets go of the store."""

    chat: Chat
    library: KeepLibrary
    adding: AddDocuments
    starter: StarterLibrary
    consents: Consents
    begin: Callable[[], None]
    close: Callable[[], None]


def assemble_library(
    settings: Settings,
    *,
    nims: Connections,
    mode_of: Callable[[Visitor], Mode],
    case: Callable[[Visitor, str], Case],
    jobs: Jobs,
    workers: WorkerPool,
    records: Records,
    access: Access,
    clock: Clock,
) -> LibraryParts:
    """Build the library; opens nothing and asks nobody."""
    folder = settings.data_dir / "library"
    index = MilvusIndex(settings.milvus_uri or str(folder / "milvus.db"), settings.milvus_token.get_secret_value())
    rules = LibraryRules(for_one=access.is_for_one)
    consents, originals = Consents(), Originals(folder / "originals")
    packaged = packaged_embedder()
    own = nims.in_mode(settings.nim_mode)
    ingest = IngestDocuments(
        index=index,
        run_in_worker=workers,
        embed=_embedding(own, packaged, workers),
        originals=originals,
        rebuilds=folder / "rebuilds",
        clock=clock,
        limits=DocumentLimits(most_bytes=settings.max_upload_mb * 1_000_000),
    )
    adding = AddDocuments(
        index=index,
        ingest=ingest,
        jobs=jobs,
        records=records,
        clock=clock,
        rules=rules,
        folder=folder / "uploads",
        max_bytes=settings.max_upload_mb * 1_000_000,
        embeds_over_the_wire=own.embedder is not None,
    )
    starter = StarterLibrary(
        articles=asset("library") if settings.starter_library else None,
        index=index,
        ingest=ingest,
        adding=adding,
        jobs=jobs,
        folder=folder,
    )
    answering = _AnsweringInMode(settings, nims, index, packaged, mode_of)
    chat = Chat(answering=answering, case=case, scope=rules.scope, consents=consents, records=records, clock=clock)

    def begin() -> None:
        starter.begin()
        threading.Thread(target=_warm, args=(answering, nims), daemon=True, name="warm-library").start()

    return LibraryParts(
        chat=chat,
        library=KeepLibrary(
            index=index,
            ingest=ingest,
            originals=originals,
            draw_page=draw_page,
            run_in_worker=workers,
            rules=rules,
        ),
        adding=adding,
        starter=starter,
        consents=consents,
        begin=begin,
        close=index.close,
    )


class _AnsweringInMode:
    """Who finds and who answers for a visitor, one set a mode, made when first asked for."""

    def __init__(
        self,
        settings: Settings,
        nims: Connections,
        index: MilvusIndex,
        packaged: Embedder | None,
        mode_of: Callable[[Visitor], Mode],
    ) -> None:
        self._settings = settings
        self._nims = nims
        self._index = index
        self._packaged = packaged
        self._mode_of = mode_of
        self._made: dict[Mode, Answering] = {}
        self._lock = threading.Lock()

    def __call__(self, visitor: Visitor) -> Answering:
        return self.in_mode(self._mode_of(visitor))

    def in_mode(self, mode: Mode) -> Answering:
        with self._lock:
            if mode not in self._made:
                self._made[mode] = self._make(mode)
            return self._made[mode]

    def warm(self) -> None:
        library = self.in_mode(self._settings.nim_mode).library
        assert isinstance(library, Retriever)  # noqa: S101 - made below
        library.warm_up()

    def _make(self, mode: Mode) -> Answering:
        services = self._nims.in_mode(mode)
        allowed = route(mode, allow_fallback=self._settings.nim_allow_mock_fallback, service=Service.LLM)
        return Answering(
            mode=mode,
            library=Retriever(
                self._index,
                embedder=services.embedder or self._packaged,
                reranker=services.reranker,
                no_embedder=why_absent(),
            ),
            words_alone=Retriever(self._index, embedder=None, no_embedder="Only words were searched, as was asked."),
            talker=services.talker,
            stand_in=self._nims.in_mode(Mode.MOCK).talker,
            allows_stand_in=allowed.stand_in,
            leaves_for=leaves_for(self._settings, mode, Service.LLM),
        )


def _embedding(own: Services, packaged: Embedder | None, workers: WorkerPool) -> EmbedPassages | None:
    """Who embeds what is added: the embedding NIM where one is configured, else the packaged model."""
    if own.embedder is not None:
        return OverTheWire(own.embedder)
    return InWorker(workers, packaged.info) if packaged is not None else None


def _warm(answering: _AnsweringInMode, nims: Connections) -> None:
    """Load what a first question would wait for; what cannot be reached is told when somebody asks."""
    with contextlib.suppress(WorkbenchError):
        nims.warm()
        answering.warm()
