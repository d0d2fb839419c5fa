"""Hold an answer against what it cites. Code does this, never the model that wrote it.

The coverage rule and its limit were measured on 607 conclusion sentences against their own, a neighbouring and a random
abstract: at 0.20 it marks 99 % of sentences that cite a random one, 77 % of those that cite the nearest other one, and
9 % of true ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from workbench.domain.dialogue import NOT_IN_LITERATURE, CaseSheet, CheckedSentence, Citation, Support
from workbench.domain.library import Found
from workbench.language.coverage import coverage, highlights
from workbench.language.sentences import sentences
from workbench.language.terms import analyse
from workbench.usecases.check_numbers import wrong_number

LEAST_COVERAGE = 0.20
"""The share of a sentence's rare words that the cited passages must hold, weighted by their rarity."""

CASE_N = 0
"""The citation number that stands for `[Case]`."""

# Models write [1], [1, 2], [1-3], [Case], and now and then [Passage 1] or the full-width brackets they were trained on.
_GROUP = re.compile(
    r"\s*[\[【]\s*(?:passages?|sources?)?\s*((?:\d{1,4}|case)(?:\s*[,;–-]\s*(?:\d{1,4}|case))*)\s*[\]】]", re.IGNORECASE
)
_OPEN = re.compile(
    r"\s*(?:[\[【](?:\s*[a-z]{0,8})?[\s\d,;–-]{0,60}(?:[a-z]{0,4}[\s\d,;–-]{0,20}){0,4})?\Z", re.IGNORECASE
)
# The words for “no answer” are for us. A model may write them behind an answer, too: the rest is left open.
_LEFT_OPEN = re.compile(rf"\s*{NOT_IN_LITERATURE}\b\.?")
_OPEN_WORD = re.compile(rf"\s*(?:{'|'.join(NOT_IN_LITERATURE[:at] for at in range(len(NOT_IN_LITERATURE), 0, -1))})\Z")
_SHOWN = re.compile(r"\[(\d+|Case)\]")
_LEADING = re.compile(r"(?:\s*\[(?:\d+|Case)\])+[.,;:]?")
_FEWEST_TERMS = 2
_LONGEST_RANGE = 20

Rarity = Callable[[Sequence[str]], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The answer's text with citations renumbered by first use, what they point to, and its sentences.

    `removed` counts citation numbers that pointed nowhere; `left_open`: the model said that a part has no answer.
    """

    text: str
    citations: tuple[Citation, ...]
    sentences: tuple[CheckedSentence, ...]
    removed: int
    cites_case: bool
    left_open: bool


def check_answer(raw: str, passages: Sequence[Found], *, case: CaseSheet | None, rarity: Rarity) -> Checked:
    """Check what a model wrote, given `passages` as [1], [2], … and the case as [Case].

    Args:
        raw: the answer as it came.
        passages: what the model was given, in its numbering.
        case: the case's sheet, None where the person did not ask about a case.
        rarity: the inverse document frequency of analysed terms.
    """
    numbering = Renumbering(len(passages), has_case=case is not None)
    text = (numbering.feed(raw) + numbering.end()).strip()
    cited = [passages[number - 1] for number in numbering.order]
    spans = _sentence_spans(text)
    checked = tuple(_check(text, span, cited, case=case, rarity=rarity) for span in spans)
    citations = tuple(
        Citation(n=n, found=found, highlights=_supporting(n, found, checked)) for n, found in enumerate(cited, start=1)
    )
    return Checked(
        text=text,
        citations=citations,
        sentences=checked,
        removed=numbering.removed,
        cites_case=any(CASE_N in each.cites for each in checked),
        left_open=numbering.left_open,
    )


class Renumbering:
    """Rewrites citations while text comes in, so that what streams by has the numbers of the finished answer.

    `order` holds the passages' numbers in order of first use, `removed` counts numbers that pointed nowhere.
    `left_open` is set where the model's words for “no answer” stood among others; they are left out.
    """

    def __init__(self, known: int, *, has_case: bool) -> None:
        """`known` passages can be cited as [1] to [known], and the case as [Case] where there is one."""
        self._known = known
        self._has_case = has_case
        self._held = ""
        self.order: list[int] = []
        self.removed = 0
        self.left_open = False

    def feed(self, piece: str) -> str:
        """What can be shown after another piece; a citation that is still open is held back."""
        text = self._held + piece
        cut = min((held.start() for held in (_OPEN.search(text), _OPEN_WORD.search(text)) if held), default=len(text))
        self._held = text[cut:]
        return self._shown(text[:cut])

    def end(self) -> str:
        """What was held back, after the last piece."""
        text, self._held = self._held, ""
        return self._shown(text)

    def _shown(self, text: str) -> str:
        text, found = _LEFT_OPEN.subn("", text)
        self.left_open = self.left_open or found > 0
        return _GROUP.sub(self._rewrite, text)

    def _rewrite(self, group: re.Match[str]) -> str:
        kept: list[str] = []
        for name in _numbers(group[1]):
            if name == "case" and self._has_case:
                kept.append("[Case]")
            elif name != "case" and 1 <= int(name) <= self._known:
                if int(name) not in self.order:
                    self.order.append(int(name))
                kept.append(f"[{self.order.index(int(name)) + 1}]")
            else:
                self.removed += 1
        before = group[0][: len(group[0]) - len(group[0].lstrip())]
        return before + "".join(dict.fromkeys(kept)) if kept else ""


def _numbers(inside: str) -> list[str]:
    """`1, 3-5; Case` as 1, 3, 4, 5, case. A range too long to be meant stays its two ends."""
    names: list[str] = []
    for part in re.split(r"[,;]", inside):
        first, dash, last = (each.strip().lower() for each in re.sub(r"–", "-", part).partition("-"))
        if dash and first.isdecimal() and last.isdecimal() and 0 <= int(last) - int(first) <= _LONGEST_RANGE:
            names += [str(each) for each in range(int(first), int(last) + 1)]
        else:
            names += [each for each in (first, last) if each]
    return names


def _sentence_spans(text: str) -> list[tuple[int, int]]:
    """Sentences with the citations that follow them: `… is 5 mm. [2] The next …` cites 2 for the first."""
    spans: list[tuple[int, int]] = []
    for start, end in sentences(text):
        leading = _LEADING.match(text, start, end)
        if leading is not None and spans:
            spans[-1] = (spans[-1][0], leading.end())
            start = leading.end()
        while start < end and text[start].isspace():
            start += 1
        if start < end:
            spans.append((start, end))
    return spans


def _check(
    text: str, span: tuple[int, int], cited: Sequence[Found], *, case: CaseSheet | None, rarity: Rarity
) -> CheckedSentence:
    start, end = span
    shown = text[start:end]
    bare = _SHOWN.sub("", shown).strip()
    names = _SHOWN.findall(shown)
    cites = tuple(dict.fromkeys(CASE_N if each == "Case" else int(each) for each in names))

    def told(support: Support, covered: float | None = None, note: str | None = None) -> CheckedSentence:
        return CheckedSentence(
            text=shown, start=start, end=end, cites=cites, support=support, coverage=covered, note=note
        )

    terms = analyse(bare)
    if not cites:
        if _claims_nothing(bare, terms):
            return told(Support.NO_CLAIM)
        return told(Support.UNCITED, note="No source is given for this sentence.")
    if CASE_N in cites and case is not None and (wrong := wrong_number(bare, case)) is not None:
        return told(Support.WRONG_NUMBER, note=wrong)
    sources = [f"{cited[n - 1].passage.title}\n{cited[n - 1].passage.text}" for n in cites if n != CASE_N]
    if CASE_N in cites and case is not None:
        sources.append(case.text)
    covered = coverage(bare, "\n".join(sources), rarity(terms)) if terms else 1.0
    if covered < LEAST_COVERAGE:
        return told(Support.UNSUPPORTED, covered, "The cited text does not hold what this sentence says.")
    return told(Support.SUPPORTED, covered)


def _claims_nothing(bare: str, terms: Sequence[str]) -> bool:
    """A heading, a lead-in or a question, which needs no source."""
    return len(terms) < _FEWEST_TERMS or bare.endswith((":", "?")) or bare.startswith("#")


def _supporting(n: int, found: Found, checked: Sequence[CheckedSentence]) -> tuple[tuple[int, int], ...]:
    """The places in a passage that support the sentences citing it, overlaps joined."""
    spans = sorted(
        span
        for each in checked
        if n in each.cites
        for span in highlights(_SHOWN.sub("", each.text).strip(), found.passage.text)
    )
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)
