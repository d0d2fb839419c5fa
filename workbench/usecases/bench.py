"""Measure a service under load: bounded in count and time, ended by a stop at any moment."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from workbench.cases.store import make_private, telling_disk_full
from workbench.domain.bench import Answered, BenchReport
from workbench.domain.errors import Cancelled, WorkbenchError
from workbench.domain.progress import Progress

MOST_REQUESTS = 10_000
MOST_AT_ONCE = 64
_LOOK_EVERY_S = 0.1
_MOST_KEPT = 50

Ask = Callable[[Progress], Answered]


@dataclass(frozen=True, kw_only=True)
class Ran:
    """Every finished request, the wall time in seconds, and why it ended: `done`, `time` or `stopped`."""

    answers: tuple[Answered, ...]
    wall_s: float
    ended_because: str


class _Stop:
    """Progress that ends the call once the bench is over."""

    def __init__(self) -> None:
        self._over = threading.Event()

    def set(self) -> None:
        self._over.set()

    def is_set(self) -> bool:
        return self._over.is_set()

    def stage(self, name: str, fraction: float | None = None) -> None:
        if self._over.is_set():
            raise Cancelled("The bench is over.")


def run_bench(
    ask: Ask, *, requests: int, concurrency: int, limit_s: float, tell: Callable[[int, int], None] | None = None
) -> Ran:
    """Call `ask` `requests` times, `concurrency` at once, for at most `limit_s` seconds.

    A refusal or a failure of one request is counted and the next one made; Ctrl-C ends the bench with what was
    measured so far. Requests under way at the end are hung up and not counted. `tell(done, failed)` is called often.
    """
    stop = _Stop()
    lock = threading.Lock()
    answers: list[Answered] = []
    left = iter(range(requests))

    def caller() -> None:
        while not stop.is_set():
            with lock:
                if next(left, None) is None:
                    return
            with contextlib.suppress(Cancelled):
                answer = _one(ask, stop)
                with lock:
                    answers.append(answer)

    begun = time.monotonic()
    ended_because = "done"
    with ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="bench") as pool:
        under_way = {pool.submit(caller) for _ in range(min(concurrency, requests))}
        try:
            while under_way:
                finished, under_way = wait(under_way, timeout=_LOOK_EVERY_S)
                for each in finished:
                    each.result()
                if tell is not None:
                    with lock:
                        failed = sum(answer.error is not None for answer in answers)
                        done = len(answers)
                    tell(done, failed)
                if under_way and time.monotonic() - begun >= limit_s:
                    ended_because = "time"
                    break
        except KeyboardInterrupt:
            ended_because = "stopped"
        finally:
            stop.set()
            wall_s = time.monotonic() - begun
    return Ran(answers=tuple(answers), wall_s=wall_s, ended_because=ended_because)


def _one(ask: Ask, stop: _Stop) -> Answered:
    start = time.monotonic()
    try:
        return ask(stop)
    except Cancelled:
        raise
    except WorkbenchError as error:
        return Answered(elapsed_s=time.monotonic() - start, error=f"{type(error).__name__}: {error.message}")


class BenchShelf:
    """The reports kept in a folder, for the page to show."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, report: BenchReport) -> Path:
        """Keep a report; the oldest beyond fifty are removed.

        Raises:
            StorageFull: no room.
        """
        make_private(self._folder)
        moment = "".join(each for each in report.started_at if each.isdigit())[:14]
        path = self._folder / f"{moment}-{report.service}-{time.time_ns() % 10**6:06d}.json"
        with telling_disk_full():
            path.write_text(json.dumps(report.as_json(), indent=2) + "\n", "utf-8")
        for old in sorted(self._folder.glob("*.json"))[:-_MOST_KEPT]:
            old.unlink(missing_ok=True)
        return path

    def latest(self, most: int = 10) -> tuple[BenchReport, ...]:
        """The newest reports, newest first; a file that is no report is passed over."""
        return tuple(self._read(sorted(self._folder.glob("*.json"), reverse=True)[:most]))

    @staticmethod
    def _read(paths: list[Path]) -> Iterator[BenchReport]:
        for path in paths:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                yield BenchReport.from_json(json.loads(path.read_text("utf-8")))
