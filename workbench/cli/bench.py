"""`workbench bench`: how fast a service answers, with percentiles, and tokens where it writes text."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.cases.store import make_private, telling_disk_full
from workbench.cases.workers import WorkerPool
from workbench.cli import bench_chat
from workbench.cli.bar import Bar
from workbench.domain.bench import Answered, BenchReport, Spread, summarise
from workbench.domain.clock import Clock
from workbench.domain.errors import InvalidRequest, NimUnavailable
from workbench.domain.nim import First, Route, Service, route
from workbench.domain.organs import parse_organs
from workbench.domain.progress import Progress
from workbench.domain.provenance import Origin
from workbench.domain.segmentation import SegmentationRequest
from workbench.imaging.phantom import build_phantom, phantom_volume
from workbench.imaging.write import write_volume_nifti
from workbench.nim.chat_stream import ChatStream
from workbench.nim.connect import connect
from workbench.nim.http import Line, new_client
from workbench.nim.probe import Target
from workbench.nim.targets import target
from workbench.settings import Settings, load_settings
from workbench.usecases.bench import Ask, BenchShelf, run_bench

_QUESTION = "Name the organs that a CT of the abdomen usually shows, one line each."
_ANSWER_S = 120.0
_ENDED = {"time": "ended by the time limit", "stopped": "stopped"}


def run(options: argparse.Namespace) -> int:
    """Measure, print, keep the report. 1 where nothing was answered, or where it was stopped."""
    if options.service == "chat":
        return bench_chat.run(options)
    settings = load_settings(data_dir=options.data_dir, nim_mode=options.mode)
    service = Service(options.service)
    clock = Clock()
    started_at = clock.stamp()
    bar = Bar(sys.stderr, quiet=options.json)
    with _asking(settings, service, options) as (ask, notes):
        try:
            ran = run_bench(
                ask,
                requests=options.requests,
                concurrency=options.concurrency,
                limit_s=options.max_seconds,
                tell=lambda done, failed: bar.tell(_told(done, failed, options.requests), done / options.requests),
            )
        finally:
            bar.close()
    report = summarise(
        ran.answers,
        service=f"{service.value} readiness" if options.health else service.value,
        started_at=started_at,
        mode=settings.nim_mode.value,
        requests=options.requests,
        concurrency=options.concurrency,
        wall_s=ran.wall_s,
        ended_because=ran.ended_because,
        notes=notes,
    )
    _keep(report, settings, options.output)
    sys.stdout.write(json.dumps(report.as_json(), indent=2) + "\n" if options.json else table(report))
    if report.ended_because != "done":
        sys.stderr.write(
            f"workbench: {_ENDED[report.ended_because]} after {report.answered + report.failed} of {report.requests}\n"
        )
    return 0 if report.answered and report.ended_because != "stopped" else 1


def _told(done: int, failed: int, requests: int) -> str:
    return f"{done} of {requests}" + (f", {failed} failed" if failed else "")


def _keep(report: BenchReport, settings: Settings, output: str | None) -> None:
    make_private(settings.data_dir)
    BenchShelf(settings.data_dir / "bench").save(report)
    if output is None:
        return
    try:
        with telling_disk_full():
            Path(output).write_text(json.dumps(report.as_json(), indent=2) + "\n", "utf-8")
    except OSError as error:
        raise InvalidRequest(
            f"The report cannot be written to “{Path(output).name}”: {error.strerror}.",
            hint="Give another file with -o; the report is kept in the data folder all the same.",
        ) from error


@contextmanager
def _asking(settings: Settings, service: Service, options: argparse.Namespace) -> Iterator[tuple[Ask, tuple[str, ...]]]:
    """How one request is made, and what a reader of the report must know.

    Raises:
        InvalidRequest: a mock would answer and that was not asked for, or the service cannot be benched.
    """
    way = route(settings.nim_mode, allow_fallback=settings.nim_allow_mock_fallback, service=service)
    if options.health:
        with _readiness(settings, service, way) as ask:
            yield ask, ("Times the readiness probe only, no work.",)
    elif service is Service.VISTA3D:
        if way.first is First.NOBODY and not options.allow_mock:
            raise InvalidRequest(
                f"In mode {settings.nim_mode.value} a mock answers for VISTA-3D; its speed says nothing about a NIM.",
                hint="Use --mode local with a NIM, or --allow-mock.",
            )
        with _segmenting(settings, options) as (ask, grid):
            yield (
                ask,
                (
                    f"A phantom of {' x '.join(map(str, grid))} voxels is sent, {options.spacing} mm apart.",
                    "The workbench gives VISTA-3D one volume at a time: with more at once, waiting is measured.",
                ),
            )
    elif service is Service.LLM:
        with _chatting(settings, way, options) as ask:
            yield ask, (f"At most {options.max_tokens} tokens an answer, temperature 0.",)
    else:
        raise InvalidRequest(
            f"{service.display_name} cannot be benched.",
            hint="--health times its readiness probe; vista3d and llm run.",
        )


@contextmanager
def _segmenting(settings: Settings, options: argparse.Namespace) -> Iterator[tuple[Ask, tuple[int, int, int]]]:
    labels = None if options.classes is None else parse_organs(options.classes)
    # Without the stand-in a request that the NIM cannot answer fails, instead of being timed as an answer.
    chosen = settings if options.allow_mock else settings.model_copy(update={"nim_allow_mock_fallback": False})
    phantom = build_phantom(spacing_mm=(options.spacing,) * 3)
    volume = phantom_volume(phantom, Clock().stamp())
    with tempfile.TemporaryDirectory(prefix="workbench-bench-") as folder:
        file = Path(folder) / "phantom.nii.gz"
        write_volume_nifti(volume, file, description="phantom, for a bench")
        workers = WorkerPool(settings.workers)
        connections = connect(chosen, clock=Clock(), run_in_worker=workers, scratch=Path(folder) / "nim")

        def ask(progress: Progress) -> Answered:
            start = time.monotonic()
            done = connections.segmenter.run(
                SegmentationRequest(
                    volume=volume,
                    labels=labels,
                    image_file=lambda: file,
                    truth=phantom.labels,
                    progress=progress,
                )
            )
            elapsed_s = time.monotonic() - start
            # Not `is_mock`: that is inherited, and the phantom itself is one.
            return Answered(elapsed_s=elapsed_s, is_mock=done.provenance.origin is Origin.MOCK)

        try:
            yield ask, volume.grid.shape
        finally:
            connections.close()
            workers.close()


@contextmanager
def _chatting(settings: Settings, way: Route, options: argparse.Namespace) -> Iterator[Ask]:
    if way.first is First.NOBODY:
        raise InvalidRequest(
            f"In mode {settings.nim_mode.value} no Llama-3 is asked, and its mock has no tokens to time.",
            hint="Use --mode local with a NIM, or --mode cloud with a key.",
        )
    asked = target(settings, Service.LLM, way)
    if not asked.url:
        raise _not_deployed(asked)
    with new_client() as client:
        stream = ChatStream(asked.url, client, model=asked.model, setting=asked.setting, key=asked.key)
        # Asked once here: a model that cannot be found is one error, not one a request.
        _ = stream.model

        def ask(progress: Progress) -> Answered:
            timed = stream.ask(_QUESTION, max_tokens=options.max_tokens, answer_s=_ANSWER_S, progress=progress)
            return Answered(elapsed_s=timed.elapsed_s, first_token_s=timed.first_token_s, tokens=timed.tokens)

        yield ask


@contextmanager
def _readiness(settings: Settings, service: Service, way: Route) -> Iterator[Ask]:
    if way.first is not First.OWN_NIM:
        raise InvalidRequest(
            f"In mode {settings.nim_mode.value} no {service.display_name} of your own is asked.",
            hint="Use --mode local.",
        )
    asked = target(settings, service, way)
    if not asked.url:
        raise _not_deployed(asked)
    with new_client() as client:
        line = Line(asked.url, client, name=service.display_name, setting=asked.setting)

        def ask(progress: Progress) -> Answered:
            progress.stage("probing")
            start = time.monotonic()
            reply = line.get("/v1/health/ready", within_s=10.0)
            if reply.status != 200:
                raise NimUnavailable(f"{service.display_name} answered with status {reply.status}.")
            return Answered(elapsed_s=time.monotonic() - start)

        yield ask


def _not_deployed(asked: Target) -> NimUnavailable:
    title = asked.service.display_name
    return NimUnavailable(f"{title} is not deployed: {asked.setting} is empty.", hint="Set it to the NIM's address.")


def table(report: BenchReport) -> str:
    """The report for people, seconds with three decimals."""
    lines = []
    if report.is_mock:
        lines.append("MOCK: the stand-in was timed, not a NIM")
    lines.append(f"{report.service}, mode {report.mode}, {report.concurrency} at once")
    lines.append(f"answered   {report.answered} of {report.requests} in {report.wall_s:.1f} s, {report.failed} failed")
    if report.requests_per_s is not None:
        lines.append(f"requests/s {report.requests_per_s:.3f}")
        lines.append(f"seconds    {_spread(report.latency_s)}")
    if report.first_token_s is not None:
        lines.append(f"1st token  {_spread(report.first_token_s)}")
    if report.tokens_per_s is not None:
        lines.append(f"tokens/s   {report.tokens_per_s:.1f} ({report.tokens} tokens)")
    lines.extend(f"failed {count} times: {what}" for what, count in report.errors.items())
    lines.extend(f"note: {note}" for note in report.notes)
    return "\n".join(lines) + "\n"


def _spread(spread: Spread) -> str:
    named = (("mean", spread.mean), ("p50", spread.p50), ("p95", spread.p95), ("p99", spread.p99))
    return "  ".join(f"{name} {number:.3f}" for name, number in named if number is not None)
