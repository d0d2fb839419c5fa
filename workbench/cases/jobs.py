"""Jobs: long work that goes on when the page is closed, tells where it is, and can be stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field

from workbench.domain.case import JobState, JobView, Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import Busy, Cancelled, NotFound, WorkbenchError
from workbench.domain.progress import Progress
from workbench.domain.trace import LocalTracer, Trace, Tracer, tracing

_KEPT = 500
_POLL_S = 0.1
_LOG = logging.getLogger(__name__)


@dataclass(eq=False)
class _Job:
    """A job's changing state; everything below `lock` is read and written under it."""

    id: str
    owner: str
    kind: str
    case_id: str
    started: float
    cancel: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    state: JobState = JobState.RUNNING
    stage_name: str = "starting"
    fraction: float | None = None
    elapsed_s: float = 0.0
    error: WorkbenchError | None = None
    trace: Trace | None = None

    def stage(self, name: str, fraction: float | None = None) -> None:
        """The `Progress` that the work reports to."""
        with self.lock:
            self.stage_name, self.fraction = name, fraction
        if self.cancel.is_set():
            raise Cancelled("Stopped.")

    def finish(self, state: JobState, elapsed_s: float, error: WorkbenchError | None = None) -> None:
        with self.lock:
            self.state, self.error, self.elapsed_s, self.fraction = state, error, elapsed_s, None
        self.finished.set()


class Jobs:
    """The jobs of one process. Finished ones are kept for a while so that their outcome can be read."""

    def __init__(self, clock: Clock, *, most_running: int = 16, tracer: Tracer | None = None) -> None:
        self._clock = clock
        self._tracer = tracer or LocalTracer()
        self._most_running = most_running
        self._jobs: OrderedDict[str, _Job] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, visitor: Visitor, kind: str, case_id: str, work: Callable[[Progress], None]) -> JobView:
        """Run `work` in a thread of its own.

        Raises:
            Busy: as many jobs run already as this workbench takes.
        """
        job = _Job(id=self._clock.new_id(), owner=visitor.owner, kind=kind, case_id=case_id, started=time.monotonic())
        with self._lock:
            running = sum(each.state is JobState.RUNNING for each in self._jobs.values())
            if running >= self._most_running:
                raise Busy(
                    f"{running} jobs are running, which is as many as this workbench takes at once.",
                    retry_after_s=15,
                    hint="Try again in a moment.",
                )
            self._jobs[job.id] = job
            self._forget_old()
        # A thread starts with no context of its own; with this one its spans belong to the request that began the job.
        context = copy_context()
        threading.Thread(target=context.run, args=(self._run, job, work), daemon=True, name=f"job-{kind}").start()
        return self._view(job)

    def get(self, visitor: Visitor, job_id: str) -> JobView:
        """The job as it stands.

        Raises:
            NotFound: an unknown id, or somebody else's job.
        """
        return self._view(self._find(visitor, job_id))

    def error_of(self, visitor: Visitor, job_id: str) -> WorkbenchError | None:
        """The error a failed or cancelled job ended with."""
        return self._find(visitor, job_id).error

    def wait(self, visitor: Visitor, job_id: str, timeout_s: float | None = None) -> JobView:
        """Block until the job ends, or for `timeout_s` seconds."""
        job = self._find(visitor, job_id)
        job.finished.wait(timeout_s)
        return self._view(job)

    def follow(self, visitor: Visitor, job_id: str, progress: Progress) -> None:
        """Wait for a job and tell of it; stopping who waits stops the job, and its failure is raised.

        Raises:
            Cancelled: raised by `progress`, or the job was stopped.
            WorkbenchError: what the job ended with.
        """
        while (job := self.wait(visitor, job_id, _POLL_S)).running:
            try:
                progress.stage(job.stage, job.fraction)
            except Cancelled:
                self.cancel(visitor, job_id)
                raise
        error = self.error_of(visitor, job_id)
        if error is not None:
            raise error

    def cancel(self, visitor: Visitor, job_id: str) -> JobView:
        """Ask a job to stop; it does so within a second. A finished job stays as it is."""
        job = self._find(visitor, job_id)
        job.cancel.set()
        return self._view(job)

    def cancel_case(self, case_id: str, timeout_s: float = 5.0) -> None:
        """Stop whatever runs on a case and wait for it."""
        with self._lock:
            jobs = [each for each in self._jobs.values() if each.case_id == case_id]
        for job in jobs:
            job.cancel.set()
        for job in jobs:
            job.finished.wait(timeout_s)

    def running_count(self) -> int:
        """How many jobs run now."""
        with self._lock:
            return sum(each.state is JobState.RUNNING for each in self._jobs.values())

    def running_on(self, case_id: str) -> bool:
        """Whether a job runs on the case."""
        with self._lock:
            return any(each.case_id == case_id and each.state is JobState.RUNNING for each in self._jobs.values())

    def latest_on(self, visitor: Visitor, case_id: str) -> JobView | None:
        """The newest job on a case, running or ended."""
        with self._lock:
            jobs = [each for each in self._jobs.values() if each.case_id == case_id and visitor.may_reach(each.owner)]
        return self._view(jobs[-1]) if jobs else None

    def cancel_all(self) -> None:
        """Stop everything; used when the process ends."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.cancel.set()

    def _run(self, job: _Job, work: Callable[[Progress], None]) -> None:
        state: JobState = JobState.DONE
        error: WorkbenchError | None = None
        try:
            with tracing(self._tracer, f"job {job.kind}") as job.trace:
                work(job)
        except Cancelled as stopped:
            state, error = JobState.CANCELLED, stopped
        except WorkbenchError as failed:
            state, error = JobState.FAILED, failed
        except Exception as unexpected:  # noqa: BLE001 - the boundary of a thread: a job must end, whatever happened
            trace = job.trace.id if job.trace else "none"
            _LOG.error("a %s job ended with an unexpected %s (trace %s)", job.kind, type(unexpected).__name__, trace)
            _LOG.debug("the unexpected error", exc_info=True)
            state = JobState.FAILED
            error = WorkbenchError(
                f"Something unexpected went wrong ({type(unexpected).__name__} while {job.stage_name}).",
                hint="Please report this with the words in brackets.",
            )
        job.finish(state, self._clock.elapsed_s(job.started), error)

    def _find(self, visitor: Visitor, job_id: str) -> _Job:
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None or not visitor.may_reach(job.owner):
            raise NotFound("There is no such job.", hint="It may have ended long ago, or belong to another visit.")
        return job

    def _view(self, job: _Job) -> JobView:
        with job.lock:
            running = job.state is JobState.RUNNING
            return JobView(
                id=job.id,
                kind=job.kind,
                case_id=job.case_id,
                state=job.state,
                stage=job.stage_name,
                fraction=job.fraction,
                elapsed_s=self._clock.elapsed_s(job.started) if running else job.elapsed_s,
                error=job.error.message if job.error else None,
                hint=job.error.hint if job.error else None,
                trace_id=job.trace.id if job.trace and job.state is JobState.FAILED else None,
            )

    def _forget_old(self) -> None:
        while len(self._jobs) > _KEPT:
            for job_id, job in self._jobs.items():
                if job.state is not JobState.RUNNING:
                    del self._jobs[job_id]
                    break
            else:
                return
