"""Which document of a collection an incoming one is another edition of."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from workbench.domain.library import Document
from workbench.knowledge.documents.spool import Spooled

_RUN_OF_WORDS = 4
_ALIKE = 0.5
"""Two editions share at least this part of the shorter one's runs of four words; two texts about one thing do not."""


class Editions:
    """Finds earlier editions of incoming documents among an owner's documents of one collection.

    A file replaces the one document that has its name as source. A record of a set shares its source with others, so
    its title and address must agree too, it must be alone with them on both sides, and its words must be alike. Where
    several fit, none is replaced: a document too many is better than one lost.
    """

    def __init__(self, incoming: Sequence[Spooled], words_of: Callable[[str], Iterable[str]]) -> None:
        """`words_of` gives the texts of a kept document's passages by its id."""
        self._words_of = words_of
        self._incoming = {each.id for each in incoming}
        self._records = Counter({_key(each): 0 for each in incoming})
        self._records.update(key for key, _ in {(_key(each), each.id) for each in incoming})
        self._by_source: dict[Hashable, list[Document]] = {}
        self._by_key: dict[Hashable, list[Document]] = {}

    def look_at(self, kept: Iterable[Document]) -> None:
        """The owner's documents as they stand now."""
        by_source: dict[Hashable, list[Document]] = defaultdict(list)
        by_key: dict[Hashable, list[Document]] = defaultdict(list)
        for each in kept:
            if each.id not in self._incoming:
                by_source[each.source].append(each)
                by_key[(each.source, each.title, each.url)].append(each)
        self._by_source, self._by_key = by_source, by_key

    def earlier(self, document: Spooled) -> Document | None:
        """The document that this one takes the place of."""
        if not document.record:
            found = self._by_source.get(document.source, [])
            return found[0] if len(found) == 1 else None
        found = self._by_key.get(_key(document), [])
        if len(found) != 1 or self._records[_key(document)] != 1:
            return None
        return found[0] if self._alike(document, found[0]) else None

    def _alike(self, document: Spooled, kept: Document) -> bool:
        mine = _runs(chunk.text for group in document.passages() for _, chunk in group)
        theirs = _runs(self._words_of(kept.id))
        fewer = min(len(mine), len(theirs))
        return fewer > 0 and len(mine & theirs) >= _ALIKE * fewer


def _key(document: Spooled) -> Hashable:
    return document.source, document.title, document.url


def _runs(texts: Iterable[str]) -> set[tuple[str, ...]]:
    runs: set[tuple[str, ...]] = set()
    for text in texts:
        words = text.lower().split()
        runs.update(zip(*(words[at:] for at in range(_RUN_OF_WORDS)), strict=False))
    return runs
