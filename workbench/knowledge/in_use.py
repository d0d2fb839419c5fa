"""Which collections are being added to, and which are being indexed again: the two exclude each other."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from workbench.domain.errors import StateConflict


class InUse:
    """Any number may add to a collection at once; one alone may index it again."""

    def __init__(self) -> None:
        self._adding: Counter[str] = Counter()
        self._rebuilding: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def adding(self, collection: str) -> Iterator[None]:
        """While documents are added.

        Raises:
            StateConflict: it is being indexed again.
        """
        with self._lock:
            if collection in self._rebuilding:
                raise StateConflict(
                    f"The collection {collection} is being indexed again.", hint="Add the documents when that is done."
                )
            self._adding[collection] += 1
        try:
            yield
        finally:
            with self._lock:
                self._adding[collection] -= 1

    @contextmanager
    def rebuilding(self, collection: str) -> Iterator[None]:
        """While it is indexed again.

        Raises:
            StateConflict: documents are being added to it, or it is being indexed again already.
        """
        with self._lock:
            if self._adding[collection] or collection in self._rebuilding:
                what = "is being indexed again already" if collection in self._rebuilding else "is being added to"
                raise StateConflict(f"The collection {collection} {what}.", hint="Wait until that is done, or stop it.")
            self._rebuilding.add(collection)
        try:
            yield
        finally:
            with self._lock:
                self._rebuilding.discard(collection)

    def is_rebuilding(self, collection: str) -> bool:
        """Whether it is being indexed again."""
        with self._lock:
            return collection in self._rebuilding
