"""Synthesize a CT: know before sending whether it can work and what it costs, then have it made."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.cases.generations import GenerationShelf
from workbench.cases.jobs import Jobs
from workbench.cases.store import CaseStore
from workbench.domain.case import (
    Case,
    CaseState,
    JobState,
    JobView,
    SegmentationRecord,
    Source,
    SynthesisRecord,
    Visitor,
)
from workbench.domain.clock import Clock
from workbench.domain.errors import Busy, Cancelled, StorageFull, WorkbenchError
from workbench.domain.generation import Generation
from workbench.domain.nim import Mode, NimStatus, Service, Synthesizer
from workbench.domain.progress import Progress
from workbench.domain.records import Purpose
from workbench.domain.synthesis import Synthesis, SynthesisOrder, SynthesisRequest, SyntheticVolume
from workbench.domain.synthesis_rules import require_allowed
from workbench.domain.trace import span
from workbench.domain.work import RunInWorker
from workbench.usecases.memory_planner import MemoryPlanner
from workbench.usecases.preflight import Preflight, preflight, room_mb
from workbench.usecases.records import Records
from workbench.usecases.run_log import RunNote

ALIVE_EVERY_S = 60.0
"""How often a folder that waits for MAISI is shown to be in use, seconds."""


class SynthesiseCt:
    """What can be done with MAISI, for whoever asks."""

    def __init__(
        self,
        *,
        store: CaseStore,
        shelf: GenerationShelf,
        jobs: Jobs,
        synthesizers: Callable[[Visitor], tuple[Mode, Synthesizer]],
        memory: MemoryPlanner,
        run_in_worker: RunInWorker,
        clock: Clock,
        records: Records,
    ) -> None:
        """`synthesizers` tells in which mode a visitor is, and who makes synthetic CTs in it."""
        self._store = store
        self._shelf = shelf
        self._jobs = jobs
        self._synthesizers = synthesizers
        self._memory = memory
        self._run_in_worker = run_in_worker
        self._clock = clock
        self._records = records
        self._starting = threading.Lock()

    def preflight(self, request: SynthesisRequest, *, machine: str = "") -> Preflight:
        """Hold a request against every rule, and tell what it costs; nothing is sent.

        `machine` names one of the memory planner's; empty or unknown means this one, measured now.
        """
        return preflight(request, memory=self._memory, machine=machine, free_mb=self._store.free_bytes() / 1e6)

    def answering(self, visitor: Visitor) -> NimStatus:
        """Who would answer a request now."""
        return self._synthesizers(visitor)[1].status()

    def start(
        self,
        visitor: Visitor,
        request: SynthesisRequest,
        *,
        told: tuple[str, ...] = (),
        echo: Mapping[str, Any] | None = None,
    ) -> tuple[Generation, JobView]:
        """Have the request carried out; the generation keeps it whatever happens.

        Args:
            visitor: who will own what is made.
            request: what is asked for.
            told: what was translated to read the request.
            echo: fields to be repeated as they were sent.

        Raises:
            RulesBroken: MAISI would refuse it; nothing was sent and nothing is kept.
            PurposeRefused: the operator does not allow MAISI for generation.
            StorageFull: the result would find no room on the disk.
            Busy: as many jobs run already as this workbench takes; nothing is kept.
        """
        self._records.purposes.require(Service.MAISI, Purpose.GENERATION)
        require_allowed(request)
        self._require_room(request)
        mode, synthesizer = self._synthesizers(visitor)
        with self._starting:
            generation = self._shelf.keep(
                Generation(
                    id=self._free_id(),
                    owner=visitor.owner,
                    number=self._shelf.next_number(),
                    created_at=self._clock.stamp(),
                    request=request,
                    told=told,
                    echo=echo or {},
                )
            )
        try:
            job = self._jobs.start(
                visitor,
                "synthesise",
                generation.id,
                lambda progress: self._carry_out(visitor, generation, mode, synthesizer, progress),
            )
        except Busy:
            self._shelf.forget(generation.id)
            raise
        return generation, job

    def generation(self, visitor: Visitor, generation_id: str) -> Generation:
        """A generation as it stands."""
        return self._shelf.get(visitor, generation_id)

    def generations(self, visitor: Visitor) -> tuple[Generation, ...]:
        """The visitor's own, newest first."""
        return self._shelf.of(visitor)

    def cases(self, visitor: Visitor, generation: Generation) -> tuple[Case, ...]:
        """The samples that are still there, in order."""
        found = []
        for case_id in generation.cases:
            with suppress(WorkbenchError):
                found.append(self._store.get(visitor, case_id))
        return tuple(found)

    def job_of(self, visitor: Visitor, generation: Generation) -> JobView | None:
        """The job that carries a generation out, while the process remembers it."""
        job = self._jobs.latest_on(visitor, generation.id)
        return job if job is not None and job.kind == "synthesise" else None

    def forget(self, visitor: Visitor, generation_id: str) -> None:
        """Erase a generation with the samples that came of it, stopping it where it runs."""
        generation = self._shelf.get(visitor, generation_id)
        for case_id in {generation.id, *generation.cases}:
            self._jobs.cancel_case(case_id)
        # What a job that was about to end still stored is among the cases now.
        with suppress(WorkbenchError):
            generation = self._shelf.get(visitor, generation_id)
        for case_id in generation.cases:
            self._store.delete(case_id)
        self._shelf.forget(generation_id)

    def recover(self) -> None:
        """After a restart: generations that were cut short say so."""
        self._shelf.recover()

    def _require_room(self, request: SynthesisRequest) -> None:
        need_mb, free_mb = room_mb(request), self._store.free_bytes() / 1e6
        if need_mb > free_mb:
            raise StorageFull(
                f"The result would take about {need_mb:,.0f} MB while it is read; the disk has {free_mb:,.0f} MB left.",
                hint="Free some space where the data folder lies, or ask for fewer samples or a smaller size.",
            )

    def _free_id(self) -> str:
        drawn = self._clock.new_id()
        while self._store.holds(drawn) or self._shelf.holds(drawn):  # a seeded clock draws the same ids again
            drawn = self._clock.new_id()
        return drawn

    def _carry_out(
        self, visitor: Visitor, generation: Generation, mode: Mode, synthesizer: Synthesizer, progress: Progress
    ) -> None:
        """The job: every sample becomes a case, or none does."""
        start = time.monotonic()

        def ended(state: JobState, **facts: Any) -> None:
            if self._shelf.holds(generation.id):  # else it was erased meanwhile
                elapsed_s = self._clock.elapsed_s(start)
                self._shelf.keep(generation.with_(state=state, elapsed_s=elapsed_s, **facts))

        try:
            with self._records.runs.recording(Service.MAISI.value, visitor, mode=mode.value) as run:
                made, cases = self._make(generation, mode, synthesizer, progress, run)
        except Cancelled as stopped:
            ended(JobState.CANCELLED, error=stopped.message)
            raise
        except WorkbenchError as failed:
            ended(JobState.FAILED, error=failed.message, hint=failed.hint)
            raise
        except BaseException as unexpected:
            ended(JobState.FAILED, error=f"Something unexpected went wrong ({type(unexpected).__name__}).")
            raise
        ended(
            JobState.DONE,
            cases=tuple(case.id for case in cases),
            warnings=made.warnings,
            numbering=str(made.numbering),
            provenance=made.provenance,
        )

    def _make(
        self, generation: Generation, mode: Mode, synthesizer: Synthesizer, progress: Progress, run: RunNote
    ) -> tuple[Synthesis, list[Case]]:
        cases: list[Case] = []
        try:
            with self._store.scratch(f"{generation.id}-made") as folder:
                order = SynthesisOrder(
                    request=generation.request, folder=folder, progress=_InUse(progress, folder, every_s=ALIVE_EVERY_S)
                )
                made = synthesizer.run(order)
                made = replace(made, provenance=self._records.noted(made.provenance, mode, synthesizer.status()))
                run.made(made.provenance)
                for sample in made.samples:
                    progress.stage(
                        f"measuring sample {sample.sample} of {len(made.drawn)}" if len(made.drawn) > 1 else "measuring"
                    )
                    cases.append(self._new_case(generation, sample, made))
                    cases[-1] = self._measured(cases[-1], sample, made, progress)
        except BaseException:
            for case in cases:
                self._store.delete(case.id)
            raise
        return made, cases

    def _new_case(self, generation: Generation, sample: SyntheticVolume, made: Synthesis) -> Case:
        """An unread case for a sample, which a restart would erase."""
        return self._store.create(
            Case(
                id=generation.id if sample.sample == 1 else self._free_id(),
                owner=generation.owner,
                created_at=self._clock.stamp(),
                source=Source.SYNTHETIC,
                state=CaseState.READING,
                synthesis=SynthesisRecord(generation=generation.id, sample=sample.sample, request=generation.request),
            )
        )

    def _measured(self, case: Case, sample: SyntheticVolume, made: Synthesis, progress: Progress) -> Case:
        """The case with its arrays in place and its structures measured."""
        from workbench.cases.work import measure_case  # noqa: PLC0415 - brings the imaging libraries along

        drawn = made.drawn[sample.sample - 1]
        ready = case.with_(
            state=CaseState.READY,
            report=drawn.report,
            provenance=sample.provenance,
            affine_ras_mm=drawn.affine_ras_mm,
            segmentation=SegmentationRecord(
                asked=sample.segmentation.asked,
                not_found=sample.segmentation.not_found,
                warnings=sample.segmentation.warnings,
                provenance=sample.segmentation.provenance,
                revision=1,
            ),
        )
        self._store.take_in(ready, sample.voxels_file, sample.labels_file)
        with span("measure"):
            measured = self._run_in_worker(
                measure_case, self._store.files(ready), self._clock.stamp(), progress=progress
            )
        return self._store.save(ready.with_(measurements=measured))


class _InUse:
    """Progress that shows the sweep of left scratch folders that this one is in use: a NIM may have a long queue."""

    def __init__(self, progress: Progress, folder: Path, *, every_s: float) -> None:
        self._progress = progress
        self._folder = folder
        self._every_s = every_s
        self._shown = time.monotonic()

    def stage(self, name: str, fraction: float | None = None) -> None:
        """Pass it on."""
        if time.monotonic() - self._shown > self._every_s:
            self._shown = time.monotonic()
            with suppress(FileNotFoundError):
                os.utime(self._folder)
        self._progress.stage(name, fraction)
