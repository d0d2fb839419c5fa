"""Embeds passages while they are ingested, out of the page's way."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Protocol

import numpy as np

from workbench.domain.library import Embedder, EmbedderInfo, Vectors
from workbench.domain.progress import Progress
from workbench.domain.work import RunInWorker
from workbench.knowledge.minilm import MiniLm

_SENT_AT_ONCE = 50
_LOOK_EVERY_S = 0.1
_NICENESS = 5
"""On top of a worker's own 5: at 10, somebody else on the same core is given nine times as much of it."""
_MOST_THREADS = 4


class EmbedPassages(Protocol):
    """Turns passages into vectors of length 1, and can be stopped."""

    @property
    def info(self) -> EmbedderInfo:
        """The model and the dimension."""

    def __call__(self, texts: Sequence[str], *, progress: Progress) -> Vectors:
        """One row a text."""


class InWorker:
    """The packaged model in a worker process, on what the page leaves of the processor."""

    def __init__(self, run_in_worker: RunInWorker, info: EmbedderInfo) -> None:
        self._run_in_worker = run_in_worker
        self._info = info
        self._turn = threading.Lock()

    @property
    def info(self) -> EmbedderInfo:
        """The packaged model."""
        return self._info

    def __call__(self, texts: Sequence[str], *, progress: Progress) -> Vectors:
        """Embed, one ingest after the other: several must not take every worker from who opens a CT."""
        while not self._turn.acquire(timeout=_LOOK_EVERY_S):
            progress.stage("waiting for another ingest")
        try:
            return self._run_in_worker(embed_here, list(texts), progress=progress)
        finally:
            self._turn.release()


class OverTheWire:
    """An embedding NIM, asked in small batches so that a stop is heard between two."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    @property
    def info(self) -> EmbedderInfo:
        """Asked of the NIM."""
        return self._embedder.info

    def __call__(self, texts: Sequence[str], *, progress: Progress) -> Vectors:
        """Embed; raises what the NIM's client raises."""
        rows = []
        for start in range(0, len(texts), _SENT_AT_ONCE):
            progress.stage("embedding", start / len(texts))
            rows.append(self._embedder.passages(texts[start : start + _SENT_AT_ONCE]))
        return np.concatenate(rows) if rows else np.zeros((0, self.info.dimension), np.float32)


def embed_here(texts: Sequence[str], *, progress: Progress) -> Vectors:
    """Embed in this process with the packaged model, which is kept for the next call."""
    progress.stage("embedding")
    return _behind().submit(_embedded, texts).result()


def _embedded(texts: Sequence[str]) -> Vectors:
    return _model().passages(texts)


@lru_cache(maxsize=1)
def _behind() -> ThreadPoolExecutor:
    """One thread that gives way to everything else on this machine."""
    return ThreadPoolExecutor(1, initializer=_give_way, thread_name_prefix="embedding")


def _give_way() -> None:
    # Linux keeps a niceness for each thread, and those that the model starts inherit this one's: all cores are used
    # while nobody else wants them, and the page, or a CT that is read, gets them at once. Elsewhere this would slow
    # whatever the process does next, for it cannot be taken back.
    if sys.platform == "linux":
        os.nice(_NICENESS)


@lru_cache(maxsize=1)
def _model() -> MiniLm:
    """Loaded in the thread that gives way."""
    return MiniLm(threads=min(_MOST_THREADS, os.cpu_count() or 1) if sys.platform == "linux" else 1)
