"""All a front end is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workbench.cases.store import CaseStore
from workbench.domain.bench import BenchReport
from workbench.domain.clock import Clock
from workbench.usecases.access import Access
from workbench.usecases.add_documents import AddDocuments
from workbench.usecases.ask_image import AskImage
from workbench.usecases.chat import Chat
from workbench.usecases.consent import Consents
from workbench.usecases.export_ct import ExportCt
from workbench.usecases.judge_ct import JudgeCt
from workbench.usecases.library import KeepLibrary
from workbench.usecases.library_counts import LibraryCounts
from workbench.usecases.memory_planner import MemoryPlanner
from workbench.usecases.nim_metrics import NimMetrics
from workbench.usecases.nim_status import NimStatuses
from workbench.usecases.open_ct import OpenCt
from workbench.usecases.prepare_picture import PreparePicture
from workbench.usecases.records import Records
from workbench.usecases.review_ct import ReviewCt
from workbench.usecases.starter_library import StarterLibrary
from workbench.usecases.synthesise_ct import SynthesiseCt


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """The use cases of one process. `close` stops what runs and frees what is held.

    `arrays` is for reading the arrays of cases that a use case handed out; `is_test` asks front ends for a page
    without motion.
    """

    opening: OpenCt
    review: ReviewCt
    chat: Chat
    library: KeepLibrary
    library_counts: LibraryCounts
    adding: AddDocuments
    starter: StarterLibrary
    consents: Consents
    exports: ExportCt
    synthesis: SynthesiseCt
    judging: JudgeCt
    pictures: PreparePicture
    asking: AskImage
    nims: NimStatuses
    nim_metrics: NimMetrics
    memory: MemoryPlanner
    benches: Callable[[], tuple[BenchReport, ...]]
    records: Records
    access: Access
    arrays: CaseStore
    clock: Clock
    mode: str
    is_test: bool
    close: Callable[[], None]
