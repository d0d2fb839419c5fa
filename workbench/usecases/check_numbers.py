"""Hold the numbers that an answer attributes to the open case against its table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from workbench.domain.dialogue import CaseSheet, Fact

_NUMBER = re.compile(
    r"(?<![\w.,/-])(?P<sign>[-\u2212]?)(?P<digits>\d{1,3}(?:[,\u2009\u202f\u00a0 ]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?:[\s\u2009\u202f\u00a0]*(?P<unit>mL|ml|cc|cm3|cm³|L|litres?|liters?|HU|mm3|mm³|%))?(?![\w])"
)
_IN_ML = {"ml": 1.0, "cc": 1.0, "cm3": 1.0, "cm³": 1.0, "l": 1000.0, "litre": 1000.0, "liter": 1000.0, "mm3": 0.001}
_LEAST = re.compile(r"at least|more than|cut|lower bound|≥|>", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number as written: its value in `unit` (mL, HU, another, or none), and the half of its last digit."""

    value: float
    unit: str | None
    tolerance: float
    start: int
    shown: str


def wrong_number(sentence: str, sheet: CaseSheet) -> str | None:
    """Why a number of a sentence that cites the case is not in its table; None where all are.

    A number is compared with the facts of the structure named closest to it, rounded as it is written; without a
    structure, with every fact. Numbers of the sheet's own text (voxels, spacing) count as known.
    """
    named = tuple(_mentions(sentence, sheet))
    for number in numbers(sentence):
        structure = _closest(number, named)
        facts = [each for each in sheet.facts if structure is None or each.structure == structure]
        matching = [each for each in facts if _equal(number, each)]
        if matching:
            least = next((each for each in matching if each.at_least), None)
            if least is not None and not _LEAST.search(sentence):
                return f"The table says {least.shown} for the {least.structure}: it is cut by the edge of the scan."
            continue
        if structure is None and _in_text(number, sheet):
            continue
        return _why(number, structure, facts)
    return None


def numbers(sentence: str) -> Iterator[Number]:
    """The numbers of a sentence, thousands marks and volume units resolved; those inside names are left out."""
    for found in _NUMBER.finditer(sentence):
        digits = re.sub(r"[,\s\u2009\u202f\u00a0]", "", found["digits"])
        decimals = len(digits.partition(".")[2])
        value = float(digits) * (-1 if found["sign"] else 1)
        unit = found["unit"]
        factor = _IN_ML.get((unit or "").lower().rstrip("s").replace("³", "3"))
        scale = factor if factor is not None else 1.0
        yield Number(
            value=value * scale,
            unit="mL" if factor is not None else unit,
            tolerance=(0.5 * 10.0**-decimals) * scale + 1e-9,
            start=found.start(),
            shown=found[0].strip(),
        )


def _mentions(sentence: str, sheet: CaseSheet) -> Iterator[tuple[int, int, str]]:
    """Where structures of the table are named, the longest name at each place."""
    lowered = sentence.lower().replace("_", " ")
    taken: list[tuple[int, int]] = []
    for name in sorted({each.structure for each in sheet.facts}, key=len, reverse=True):
        for found in re.finditer(rf"\b{re.escape(name.lower())}(?:'s)?\b", lowered):
            if not any(start < found.end() and found.start() < end for start, end in taken):
                taken.append(found.span())
                yield found.start(), found.end(), name


def _closest(number: Number, named: tuple[tuple[int, int, str], ...]) -> str | None:
    """The structure named last before the number, else the first after it."""
    before = [each for each in named if each[1] <= number.start]
    if before:
        return max(before)[2]
    return min(named)[2] if named else None


def _equal(number: Number, fact: Fact) -> bool:
    if number.unit not in (None, fact.unit):
        return False
    # A whole number for a value with decimals is rounding, as long as it is not rounder than a person would write it.
    return abs(number.value - fact.value) <= number.tolerance


def _in_text(number: Number, sheet: CaseSheet) -> bool:
    return any(abs(each.value - number.value) <= number.tolerance for each in numbers(sheet.text))


def _why(number: Number, structure: str | None, facts: list[Fact]) -> str:
    unit = number.unit or ""
    near = [each for each in facts if each.unit == unit] or facts
    if structure is None or not near:
        return f"The table of the case does not hold {number.shown}."
    fact = near[0]
    return f"The table says {fact.shown} ({fact.quantity}) for the {structure}, not {number.shown}."
