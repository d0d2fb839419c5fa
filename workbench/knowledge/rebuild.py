"""Index a collection again with the present embedder, so that a crash at any moment loses no passage.

The passages and their new vectors are laid down in a folder first. Only then is the collection made anew from it; a
folder that is whole and still there at a start is one whose making was cut short, and it is made again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np

from workbench.cases.store import make_private, telling_disk_full
from workbench.domain.library import EVERYBODY, EmbedderInfo, Passage, PassageIndex, Scope, Vectors
from workbench.domain.progress import Progress
from workbench.knowledge.admission import indexed_text, unknown_collection
from workbench.knowledge.embedding import EmbedPassages

_BATCH = 64
_ABOUT, _PASSAGES, _VECTORS = "about.json", "passages.jsonl", "vectors.f32"


class Rebuild:
    """Makes collections anew, one folder each."""

    def __init__(self, index: PassageIndex, embed: EmbedPassages | None, folder: Path) -> None:
        self._index = index
        self._embed = embed
        self._folder = folder

    def run(self, collection: str, progress: Progress) -> int:
        """Embed every passage anew; returns how many there are. Stopped while it embeds, nothing has changed."""
        found = next((each for each in self._index.collections() if each.name == collection), None)
        if found is None:
            raise unknown_collection(collection)
        make_private(self._folder)
        part, whole = self._folder / f"{collection}.part", self._folder / collection
        shutil.rmtree(part, ignore_errors=True)
        try:
            with telling_disk_full():
                part.mkdir(mode=0o700)
                self._lay_down(collection, found.passages, part, progress)
                info = self._embed.info if self._embed is not None else None
                about = {"description": found.description, "embedder": asdict(info) if info else None}
                (part / _ABOUT).write_text(json.dumps(about), "utf-8")
                part.replace(whole)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return self._make(collection, progress)

    def resume(self, progress: Progress) -> None:
        """Complete what a crash cut short."""
        if not self._folder.is_dir():
            return
        for each in sorted(self._folder.iterdir()):
            if each.suffix == ".part":
                shutil.rmtree(each, ignore_errors=True)
            else:
                self._make(each.name, progress)

    def _lay_down(self, collection: str, count: int, folder: Path, progress: Progress) -> None:
        done = 0
        with (folder / _PASSAGES).open("wb") as passages, (folder / _VECTORS).open("wb") as vectors:
            for batch in self._batches(collection):
                told = _Told(progress, f"embedding passage {done:,} of {count:,}", min(done / max(count, 1), 1.0))
                told.stage("")
                if self._embed is not None:
                    rows = self._embed([indexed_text(each) for each in batch], progress=told)
                    vectors.write(np.ascontiguousarray(rows, np.float32).tobytes())
                for each in batch:
                    passages.write(json.dumps(asdict(each), ensure_ascii=False).encode() + b"\n")
                done += len(batch)

    def _batches(self, collection: str) -> Iterator[list[Passage]]:
        held: list[Passage] = []
        for document in self._index.documents(collection, Scope(readers=(EVERYBODY,))):
            held += self._index.around(collection, document.id)
            while len(held) >= _BATCH:
                yield held[:_BATCH]
                held = held[_BATCH:]
        if held:
            yield held

    def _make(self, collection: str, progress: Progress) -> int:
        """The collection from its folder. Not stopped halfway: a Cancel now would leave it half there until a start."""
        folder = self._folder / collection
        about = json.loads((folder / _ABOUT).read_text("utf-8"))
        embedder = EmbedderInfo(**about["embedder"]) if about["embedder"] else None
        if any(each.name == collection for each in self._index.collections()):
            self._index.drop(collection)
        self._index.create(collection, description=about["description"], embedder=embedder)
        count = 0
        with (folder / _PASSAGES).open("rb") as passages, (folder / _VECTORS).open("rb") as vectors:
            while batch := [_passage(line) for line, _ in zip(passages, range(_BATCH), strict=False)]:
                self._index.put(collection, batch, _rows(vectors, len(batch), embedder))
                count += len(batch)
        self._index.settle(collection)
        shutil.rmtree(folder)
        return count


class _Told:
    """Progress of the whole, whatever its parts tell of themselves."""

    def __init__(self, progress: Progress, name: str, fraction: float) -> None:
        self._progress = progress
        self._name = name
        self._fraction = fraction

    def stage(self, name: str, fraction: float | None = None) -> None:
        self._progress.stage(self._name, self._fraction)


def _rows(vectors: IO[bytes], count: int, embedder: EmbedderInfo | None) -> Vectors | None:
    if embedder is None:
        return None
    raw = vectors.read(count * embedder.dimension * np.dtype(np.float32).itemsize)
    return np.frombuffer(raw, np.float32).reshape(count, embedder.dimension)


def _passage(line: bytes) -> Passage:
    told: dict[str, Any] = json.loads(line)
    return Passage(**{**told, "references": tuple(told["references"])})
