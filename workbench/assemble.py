"""Put the pieces together. The only module that knows them all."""

from __future__ import annotations

import hashlib
import random
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from workbench import __version__
from workbench.assemble_ask import assemble_ask
from workbench.assemble_library import assemble_library
from workbench.cases.generations import GenerationShelf
from workbench.cases.jobs import Jobs
from workbench.cases.operator_file import read_operator_file
from workbench.cases.record_shelf import RecordShelf
from workbench.cases.run_log import RunLog
from workbench.cases.store import CaseStore, make_private, telling_disk_full
from workbench.cases.workers import WorkerPool
from workbench.domain.clock import Clock
from workbench.domain.nim import Mode
from workbench.domain.trace import LocalTracer, Tracer
from workbench.nim.connect import Connections, connect
from workbench.nim.metrics import MetricsReader, own_nims
from workbench.settings import Settings
from workbench.telemetry.metrics import Metrics
from workbench.telemetry.spans import build_tracer
from workbench.usecases.access import Access, AccessRules
from workbench.usecases.bench import BenchShelf
from workbench.usecases.check_now import CheckNow
from workbench.usecases.export_ct import ExportCt
from workbench.usecases.judge_ct import JudgeCt
from workbench.usecases.library_counts import LibraryCounts
from workbench.usecases.memory_planner import MemoryPlanner
from workbench.usecases.mode_switch import ModeSwitch
from workbench.usecases.nim_metrics import NimMetrics
from workbench.usecases.nim_status import NimStatuses
from workbench.usecases.open_ct import InputLimits, OpenCt
from workbench.usecases.purposes import Purposes
from workbench.usecases.records import Records
from workbench.usecases.review_ct import ReviewCt
from workbench.usecases.review_record import ReviewRecords
from workbench.usecases.run_log import Runs
from workbench.usecases.synthesise_ct import SynthesiseCt
from workbench.usecases.workbench import Workbench

_SWEEP_EVERY_S = 300.0
_SECRET_BYTES = 32
_TEST_NOW = datetime(2026, 1, 15, 12, 3, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """A workbench and the token with which a command on this machine reaches it."""

    workbench: Workbench
    process_token: str


def assemble(settings: Settings, *, shared: bool = False, warm: bool = False) -> Assembled:
    """Build every piece from the settings. `shared` means strangers may come; `warm` starts the workers now."""
    clock = build_clock(settings)
    data = settings.data_dir
    make_private(data)
    for folder in settings.folders_for_input:
        if folder == data / "inputs":
            make_private(folder)
    store = CaseStore(data, ttl_s=settings.case_ttl_h * 3600, most_cases=settings.max_cases)
    secret = _lasting_secret(data)
    tracer, end_tracing = build_tracer(settings.otlp_endpoint, version=__version__, local=_local_tracer(settings))
    jobs = Jobs(clock, tracer=tracer)
    workers = WorkerPool(settings.workers)
    nims = connect(settings, clock=clock, run_in_worker=workers, scratch=data / "nim")
    records = _records(settings, nims, clock=clock, secret=secret, tracer=tracer)
    _watch(records.metrics, jobs=jobs, workers=workers, store=store)
    metrics_reader = MetricsReader(own_nims(settings))
    statuses = NimStatuses(
        nims.in_mode,
        modes=ModeSwitch(settings.nim_mode, is_allowed=settings.mode_switch),
        checks=CheckNow(nims.in_mode, clock),
    )
    exports = ExportCt(store=store, run_in_worker=workers)
    opening = OpenCt(
        store=store,
        jobs=jobs,
        run_in_worker=workers,
        clock=clock,
        limits=InputLimits(
            max_bytes=settings.max_upload_mb * 1_000_000,
            max_voxels=settings.max_voxels,
            input_folders=settings.folders_for_input,
        ),
        phantom_folder=data / "phantom" / _phantom_edition(),
        runs=records.runs,
    )
    review = ReviewCt(
        store=store,
        jobs=jobs,
        segmenters=statuses.segmenter,
        exports=exports,
        run_in_worker=workers,
        clock=clock,
        records=records,
    )
    memory = MemoryPlanner()
    synthesis = SynthesiseCt(
        store=store,
        shelf=GenerationShelf(data / "generations", ttl_s=settings.case_ttl_h * 3600),
        jobs=jobs,
        synthesizers=statuses.synthesizer,
        memory=memory,
        run_in_worker=workers,
        clock=clock,
        records=records,
    )
    judging = JudgeCt(
        store=store,
        jobs=jobs,
        segmenters=statuses.segmenter,
        exports=exports,
        run_in_worker=workers,
        clock=clock,
        records=records,
    )
    token = secrets.token_urlsafe(32)
    access = Access(
        AccessRules(
            secret=secret,
            process_token=token,
            api_key=settings.api_key.get_secret_value(),
            logins=settings.logins,
            trusts_this_machine=settings.is_loopback
            and not shared
            and not settings.logins
            and not settings.api_key.get_secret_value(),
        )
    )
    parts = assemble_library(
        settings,
        nims=nims,
        mode_of=statuses.modes.mode_of,
        case=review.case,
        jobs=jobs,
        workers=workers,
        records=records,
        access=access,
        clock=clock,
    )
    counts = LibraryCounts(parts.library.passage_counts)
    records.metrics.watch("workbench_passages", "Passages in the library.", lambda: counts().total)
    opening.recover()
    synthesis.recover()
    ask = assemble_ask(
        settings,
        store=store,
        opening=opening,
        jobs=jobs,
        workers=workers,
        nims=nims,
        mode_of=statuses.modes.mode_of,
        segmenters=statuses.segmenter,
        exports=exports,
        consents=parts.consents,
        records=records,
        clock=clock,
    )
    sweeper = _Sweeper(store.sweep, ask.shelf.sweep)
    sweeper.start()
    if warm:
        workers.warm()
        parts.begin()

    def close() -> None:
        sweeper.stop()
        jobs.cancel_all()
        workers.close()
        parts.close()
        nims.close()
        metrics_reader.close()
        end_tracing()

    workbench = Workbench(
        opening=opening,
        review=review,
        chat=parts.chat,
        library=parts.library,
        library_counts=counts,
        adding=parts.adding,
        starter=parts.starter,
        consents=parts.consents,
        exports=exports,
        synthesis=synthesis,
        judging=judging,
        pictures=ask.pictures,
        asking=ask.asking,
        nim_metrics=NimMetrics(metrics_reader.read),
        memory=memory,
        benches=BenchShelf(data / "bench").latest,
        nims=statuses,
        records=records,
        access=access,
        arrays=store,
        clock=clock,
        mode=settings.nim_mode.value,
        is_test=settings.test,
        close=close,
    )
    return Assembled(workbench=workbench, process_token=token)


def build_clock(settings: Settings) -> Clock:
    """The real clock; in a test run a fixed one, with ids drawn from a seed (still each drawn once)."""
    if not settings.test:
        return Clock()
    drawn = random.Random(8524)  # noqa: S311 - the ids of a test run are meant to repeat
    return Clock(
        now=lambda: _TEST_NOW,
        new_id=lambda: f"{drawn.getrandbits(120):030x}",
        elapsed_s=lambda start: 0.0,
    )


def _local_tracer(settings: Settings) -> LocalTracer:
    """Ids of errors; in a test run from a seed of their own, so that they do not shift the ids of cases."""
    if not settings.test:
        return LocalTracer()
    drawn = random.Random(8525)  # noqa: S311 - the ids of a test run are meant to repeat
    return LocalTracer(lambda: f"{drawn.getrandbits(128):032x}")


def _records(settings: Settings, nims: Connections, *, clock: Clock, secret: bytes, tracer: Tracer) -> Records:
    """What is kept for who may audit this workbench, under `records` in the data folder."""
    folder = settings.data_dir / "records"
    operator = read_operator_file(Path(settings.operator_file).expanduser() if settings.operator_file else None)
    metrics = Metrics(__version__)
    log = RunLog(folder, max_bytes=int(settings.run_log_mb * 1_000_000), files=settings.run_log_files)
    return Records(
        review=ReviewRecords(
            statuses=lambda mode: nims.in_mode(Mode(mode)).statuses(),
            describe=nims.describe,
            operator=operator,
            shelf=RecordShelf(folder / "deployment"),
            clock=clock,
        ),
        purposes=Purposes(operator, metrics),
        runs=Runs(log=log, metrics=metrics, secret=secret, mode=settings.nim_mode.value, clock=clock),
        metrics=metrics,
        tracer=tracer,
    )


def _watch(metrics: Metrics, *, jobs: Jobs, workers: WorkerPool, store: CaseStore) -> None:
    """Let Prometheus see what runs, what waits and what is kept, at the time it asks."""
    metrics.watch(
        "workbench_jobs",
        "Jobs that run, and pieces of their work that wait for a free process.",
        lambda: {"running": jobs.running_count(), "waiting": workers.waiting},
        "state",
    )
    metrics.watch("workbench_cases", "Cases kept.", lambda: len(store.all()))


def _phantom_edition() -> str:
    """A name that changes whenever the code that draws the phantom does, so that no older one is shown."""
    drawn_by = hashlib.sha256()
    for source in sorted((Path(__file__).parent / "imaging" / "phantom").glob("*.py")):
        drawn_by.update(source.read_bytes())
    return f"{__version__}-{drawn_by.hexdigest()[:12]}"


def _lasting_secret(data: Path) -> bytes:
    """The key that signs cookies, kept so that a restart ends nobody's visit."""
    path = data / "secret"
    kept = path.read_bytes() if path.exists() else b""
    if len(kept) >= _SECRET_BYTES:
        return kept
    # A file cut short by a crash or a full disk would be a key that anyone can guess.
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    fresh = secrets.token_bytes(_SECRET_BYTES)
    with telling_disk_full():
        path.write_bytes(fresh)
    return fresh


class _Sweeper(threading.Thread):
    """Deletes what is past its time, every few minutes."""

    def __init__(self, *sweeps: Callable[[], object]) -> None:
        super().__init__(daemon=True, name="sweeper")
        self._sweeps = sweeps
        self._ended = threading.Event()

    def run(self) -> None:
        while True:
            for sweep in self._sweeps:
                sweep()
            if self._ended.wait(_SWEEP_EVERY_S):
                return

    def stop(self) -> None:
        self._ended.set()
