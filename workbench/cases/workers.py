"""Worker processes for reading, segmenting and measuring, so that slices are served while they compute.

A process can be ended in the middle of anything, which is what makes Cancel work and keeps a crash (a damaged
file, no memory) away from everybody else's cases.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from workbench.domain.errors import StorageFull, WorkbenchError
from workbench.domain.progress import Progress

T = TypeVar("T")

_POLL_S = 0.1
_NICENESS = 5
_SPAWN = multiprocessing.get_context("spawn")
_LOG = logging.getLogger(__name__)


class WorkerPool:
    """A fixed number of processes, each doing one piece of work at a time; call it to have work done."""

    def __init__(self, count: int) -> None:
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._all = [_Worker() for _ in range(count)]
        self._waiting = 0
        self._lock = threading.Lock()
        for worker in self._all:
            self._idle.put(worker)

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for a free process."""
        with self._lock:
            return self._waiting

    def warm(self) -> None:
        """Start the processes now, in the background, so that the first upload does not wait for imports."""
        for worker in self._all:
            threading.Thread(target=worker.start, daemon=True).start()

    def __call__(self, function: Callable[..., T], /, *args: Any, progress: Progress) -> T:
        """Run `function(*args, progress=...)`, a top-level function, in a worker process.

        Raises:
            Cancelled: raised by `progress`; the process doing the work is ended.
            WorkbenchError: what the function raised, or that its process died.
        """
        worker = self._take(progress)
        try:
            return worker.run(function, args, progress)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End every process."""
        for worker in self._all:
            worker.stop()

    def _take(self, progress: Progress) -> _Worker:
        with contextlib.suppress(queue.Empty):
            return self._idle.get_nowait()
        with self._lock:
            self._waiting += 1
        try:
            while True:
                progress.stage("waiting for a free worker")
                with contextlib.suppress(queue.Empty):
                    return self._idle.get(timeout=_POLL_S)
        finally:
            with self._lock:
                self._waiting -= 1


class _Worker:
    """One process and the pipe to it; restarted when it was ended or died."""

    def __init__(self) -> None:
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._lock = threading.Lock()

    def start(self) -> Connection:
        with self._lock:
            if self._process is not None and self._process.is_alive() and self._pipe is not None:
                return self._pipe
            ours, theirs = _SPAWN.Pipe()
            process = _SPAWN.Process(target=_work, args=(theirs,), daemon=True, name="workbench-worker")
            process.start()
            theirs.close()
            self._process, self._pipe = process, ours
            return ours

    def stop(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.join(timeout=5)
            if self._pipe is not None:
                self._pipe.close()
            self._process = self._pipe = None

    def run(self, function: Callable[..., T], args: tuple[Any, ...], progress: Progress) -> T:
        pipe = self.start()
        finished = False
        try:
            pipe.send((function, args))
            stage: tuple[str, float | None] | None = None
            while True:
                if not pipe.poll(_POLL_S):
                    if stage is not None:
                        progress.stage(*stage)  # raises Cancelled when a person stopped the work
                    continue
                kind, content = pipe.recv()
                if kind == "stage":
                    stage = content
                    progress.stage(*content)
                    continue
                finished = True
                if kind == "error":
                    raise content
                return content  # type: ignore[no-any-return]
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise WorkbenchError(
                "The process that did this work ended unexpectedly, most likely for want of memory.",
                hint="Try a smaller volume, or close other programs and try again.",
            ) from error
        finally:
            if not finished:
                self.stop()


class _PipeProgress:
    """Progress told through the pipe, at most every 50 ms for one stage."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._last = ""
        self._told = 0.0

    def stage(self, name: str, fraction: float | None = None) -> None:
        now = time.monotonic()
        if name != self._last or now - self._told > 0.05:
            self._pipe.send(("stage", (name, fraction)))
            self._last, self._told = name, now


def _work(pipe: Connection) -> None:
    """The loop of a worker process: until the pipe closes, which it does when the workbench ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    _import_heavy_libraries()
    while True:
        try:
            function, args = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        progress = _PipeProgress(pipe)
        progress.stage("starting")
        try:
            pipe.send(("done", function(*args, progress=progress)))
        except BrokenPipeError:
            return
        except Exception as error:  # noqa: BLE001 - the boundary of a process: whatever went wrong must reach the caller
            pipe.send(("error", _presentable(error)))


def _presentable(error: Exception) -> WorkbenchError:
    """The error itself when it is fit to show, else its kind in words: its text may hold paths or patient data."""
    if isinstance(error, WorkbenchError):
        return error
    if isinstance(error, OSError) and error.errno == 28:
        return StorageFull("The disk is full.", hint="Free some space in the data folder and try again.")
    if isinstance(error, MemoryError):
        return WorkbenchError("There is not enough memory for this volume.", hint="Try a smaller volume.")
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f"{where.tb_frame.f_globals.get('__name__')}:{where.tb_lineno}" if where else "unknown"
    _LOG.error("unexpected %s at %s", type(error).__name__, place)
    return WorkbenchError(
        f"Something unexpected went wrong ({type(error).__name__} in {place}).",
        hint="Please report this with the two words in brackets.",
    )


def _import_heavy_libraries() -> None:
    """Once per process, before the first piece of work needs them."""
    for name in ("SimpleITK", "nibabel", "pydicom", "scipy.ndimage", "workbench.cases.work"):
        if name not in sys.modules:
            __import__(name)
