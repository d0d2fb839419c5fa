"""Where the sentences of a text begin and end.

Abbreviations of medical prose, initials, decimals and numbered headings do not end a sentence; a blank line and a
list item do. A citation mark after the full stop belongs to the sentence before it.
"""

from __future__ import annotations

import re

_STOP = re.compile(r"""[.!?…]+["'”’»)\]]*(?:\s?\[(?:\d+(?:\s?[-–,;]\s?\d+)*|Case)\])*(?=\s|$)""")
_BLOCK = re.compile(r"\n[^\S\n]*\n\s*|\n[^\S\n]*(?=(?:[-*•‣▪◦–]|\(?\d{1,3}[.)]|\(?[a-z]\))[^\S\n]+\S)|\n(?=#{1,6} )")
_BEGINS = re.compile(r"""["'“‘«(\[•]*(?:[^\W\d_a-zß-öø-ÿ]|\d|[a-z]{1,3}[A-Z])|[-–•*]\s|[<>≤≥±~+−-]\d""")
_LAST_WORD = re.compile(r"([^\s(\[\"“‘'/]+)\.[\"'”’)\]]*$")

_ABBREVIATIONS = """
    e.g i.e eg ie cf vs v viz al ca approx resp incl excl dr prof mr mrs ms st sr jr fig figs tab eq eqs ref refs ch
    sect vol no nos nr pp p ed eds suppl dept univ inc ltd corp est min max avg temp wt ht dia diam jan feb mar apr jun
    jul aug sep sept oct nov dec
    """
_NEVER_LAST = frozenset(_ABBREVIATIONS.split())
"""Abbreviations after which a sentence goes on."""
_MAY_BE_LAST = frozenset({"no", "min", "max", "p", "v", "ht", "wt", "ms", "ed", "est", "mar", "ref", "dec"})
"""Of those, words and units that also end sentences: they do unless a number follows and none stands before."""
_LETTERED = frozenset(
    {"vitamin", "hepatitis", "type", "group", "class", "grade", "stage", "category", "segment", "zone", "phase",
     "level", "appendix", "table", "figure", "panel", "arm", "cohort", "protein", "factor", "influenza", "part",
     "option"}
)  # fmt: skip
"""Words whose next word may be a single capital that is no initial."""
_INITIALS = re.compile(r"(?:[A-Z]\.-?)*[A-Z]")
_DOTTED = re.compile(r"(?:[a-z]\.)+[a-z]|Ph\.D|M\.D|U\.S|U\.K|N\.B", re.IGNORECASE)


def sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of each sentence in order, without the white space around it; together they hold every word.

    A heading or list item without a full stop is a sentence of its own where a blank line or the next item ends it.
    """
    found: list[tuple[int, int]] = []
    start = 0
    for block in (*_BLOCK.finditer(text), None):
        end = len(text) if block is None else block.start()
        found.extend(_of_block(text, start, end))
        start = end if block is None else block.end()
    return found


def _of_block(text: str, start: int, end: int) -> list[tuple[int, int]]:
    found = []
    for stop in _STOP.finditer(text, start, end):
        if stop.end() >= end or _ends(text, start, stop, end):
            found.append(_trimmed(text, start, stop.end()))
            start = stop.end()
    found.append(_trimmed(text, start, end))
    return [each for each in found if each[0] < each[1]]


def _ends(text: str, start: int, stop: re.Match[str], end: int) -> bool:
    """Whether a stop inside a block ends its sentence."""
    after = stop.end()
    while after < end and text[after].isspace():
        after += 1
    if after >= end:
        return True
    if not _BEGINS.match(text, after):
        return False
    if not stop[0].startswith(".") or stop[0].startswith(".."):
        return True
    before = _LAST_WORD.search(text, start, stop.start() + 1)
    return before is None or not _abbreviated(before, text, start, text[after].isdigit())


def _abbreviated(last: re.Match[str], text: str, start: int, number_follows: bool) -> bool:
    word = last[1]
    before = text[start : last.start(1)].split()
    if word.lower() in _MAY_BE_LAST:
        return number_follows and not (before and before[-1][-1].isdigit())
    if word.lower() in _NEVER_LAST or _DOTTED.fullmatch(word):
        return True
    if word.isdigit():
        return not before  # "1. Introduction": the number is the heading's
    return _INITIALS.fullmatch(word) is not None and _is_initial(word, before)


def _is_initial(word: str, before: list[str]) -> bool:
    """Whether a capital before a full stop is a person's: that of `J. Smith`, and not that of `vitamin C`."""
    if len(word) > 1 or not before:
        return True
    if before[-1] in {"and", "&"}:
        return len(before) < 2 or len(before[-2]) > 1  # "Smith and M. Jones", not "hepatitis A and B."
    return before[-1].lower() not in _LETTERED and (before[-1][:1].isupper() or before[-1].endswith((",", ".")))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
