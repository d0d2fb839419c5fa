"""The collections of a Milvus store as this process knows them: loaded, read through once, and looked at again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.domain.library import Collection
from workbench.knowledge import milvus_rows as rows
from workbench.knowledge.admission import unknown_collection
from workbench.knowledge.milvus_link import CollectionGone, Link, Released
from workbench.knowledge.milvus_register import Register
from workbench.language.terms import ANALYSER

if TYPE_CHECKING:
    from pymilvus import MilvusClient

T = TypeVar("T")

_ROWS_A_LOOK = 12_000
"""Rows read at a time when a collection is opened: 10 MB, and below the 16,384 that a server gives at most."""
_KEYS = 4_096


@dataclass(kw_only=True, eq=False)
class Shelf:
    """A collection, over the connection of that generation. `not_moved` counts passages put since the last flush."""

    name: str
    about: rows.About
    generation: int
    register: Register = field(default_factory=Register)
    looked_at: float = field(default_factory=time.monotonic)
    not_moved: int = 0

    def described(self) -> Collection:
        """The collection as it stands."""
        documents, passages = self.register.counts()
        same = self.about.analyser == ANALYSER
        return Collection(
            name=self.name,
            description=self.about.description,
            documents=documents,
            passages=passages,
            embedder=self.about.embedder,
            needs_reindex=None if same else "Its words were indexed by another version of this workbench.",
        )


class Shelves:
    """Opens collections as they are asked for. `writing` is the lock of whoever writes: none is read through then."""

    def __init__(self, link: Link, writing: threading.RLock, *, look_again_s: float) -> None:
        self._link = link
        self._look_again_s = look_again_s
        self._writing = writing
        self._shelves: dict[str, Shelf] = {}

    def get(self, name: str) -> Shelf:
        """A collection, opened if need be.

        Raises:
            NotFound: there is none of that name, or another program or version made it.
        """
        shelf = self._shelves.get(name)
        if shelf is not None and self._holds(shelf):
            return shelf
        with self._writing:
            if (other := self._shelves.get(name)) is not None and other is not shelf:
                return other
            self._shelves[name] = opened = self._open(name)
            return opened

    def forget(self, name: str) -> None:
        """Read a collection through again before it is used next."""
        self._shelves.pop(name, None)

    def clear(self) -> None:
        """Forget all."""
        self._shelves.clear()

    def ask(self, name: str, action: Callable[[MilvusClient], T]) -> T:
        """Do something with a collection; one that the store let go of is loaded first.

        Raises:
            NotFound: it is gone.
        """
        try:
            try:
                return self._link.call(action)
            except Released:
                self._link.call(lambda client: self._load(client, name))
                return self._link.call(action)
        except CollectionGone as error:
            self.forget(name)
            raise unknown_collection(name) from error

    def query(self, name: str, filter_: str, fields: list[str]) -> list[dict[str, Any]]:
        """The rows that a filter lets pass."""
        return self.ask(
            name,
            lambda client: list(client.query(name, filter=filter_, output_fields=fields, timeout=self._link.answer_s)),
        )

    def _holds(self, shelf: Shelf) -> bool:
        """Whether what is known of a collection still holds; of a shared one it is asked every few seconds."""
        if shelf.generation != self._link.generation:
            return False
        if self._link.embedded or time.monotonic() - shelf.looked_at < self._look_again_s:
            return True
        if not self._writing.acquire(blocking=False):
            return True  # in the middle of a write of ours the two counts differ
        try:
            same = self._about(shelf.name) == shelf.about and self._count(shelf.name) == len(shelf.register)
        finally:
            self._writing.release()
        shelf.looked_at = time.monotonic()
        return same

    def _open(self, name: str) -> Shelf:
        about = self._about(name)
        self._link.call(lambda client: self._load(client, name))
        shelf = Shelf(name=name, about=about, generation=self._link.generation)
        fields = [*(each for each in rows.FIELDS if each != "text"), rows.WEIGHTS]
        for keys in _key_ranges(self._count(name)):
            for each in self.query(name, keys, fields):
                shelf.register.note(rows.passage(name, {**each, "text": ""}), rows.weights(each))
        return shelf

    def _load(self, client: MilvusClient, name: str) -> None:
        """Have a collection in memory, which after a restart of the store it is not; and with its indexes.

        These are made here, so that a collection whose maker was killed between the two steps gets them as well.
        Without `sync` pymilvus would sleep half a second for each before it asks; loading waits for them anyway.
        """
        if not client.list_indexes(name, timeout=self._link.answer_s):
            client.create_index(name, rows.indexes(client), timeout=self._link.answer_s, sync=False)
        client.load_collection(name, timeout=self._link.answer_s)

    def _about(self, name: str) -> rows.About:
        try:
            told = self._link.call(lambda client: client.describe_collection(name, timeout=self._link.answer_s))
        except CollectionGone as error:
            self.forget(name)
            raise unknown_collection(name) from error
        about = rows.About.read(told.get("properties", {}))
        if about is None:
            raise unknown_collection(name)
        return about

    def _count(self, name: str) -> int:
        (counted,) = self.query(name, "", ["count(*)"])
        return int(counted["count(*)"])


def _key_ranges(count: int) -> Iterator[str]:
    """Filters that part the keys so that each part is read in one go: keys are hexadecimal, others fit in as well.

    Not pymilvus's iterator: in Lite each of its pages assembles and sorts the whole collection.
    """
    parts = min(-(-count // _ROWS_A_LOOK), _KEYS)
    bounds = [f"{_KEYS * number // parts:03x}" for number in range(1, parts)]
    if not bounds:
        yield 'id != ""'
        return
    yield f'id < "{bounds[0]}"'
    for low, high in pairwise(bounds):
        yield f'id >= "{low}" and id < "{high}"'
    yield f'id >= "{bounds[-1]}"'
