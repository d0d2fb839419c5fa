"""The measured verdict on a synthetic CT: its HU, and its own labels against a second reader's."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from workbench.domain.agreement import Agreement, HuCheck
from workbench.domain.provenance import Origin, Provenance, Result


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement(Result):
    """What the check of a synthetic CT measured.

    In `agreements` the first label map is MAISI's own, the second that of VISTA-3D, made as `second` tells; that is
    None where it did not answer and only HU were measured. `not_asked` are labels of MAISI's that VISTA-3D takes no
    request for. `number` counts up with each check of the case. The provenance rests on both, so a mock on either
    side makes this a mock: no verdict.
    """

    hu: tuple[HuCheck, ...]
    agreements: tuple[Agreement, ...] = ()
    second: Provenance | None = None
    not_asked: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    number: int = 1

    @property
    def mocks(self) -> tuple[str, ...]:
        """Which sides are invented, in words; none where both are real."""
        first = self.provenance.inputs[0]
        sides = [("the CT and its labels", first.is_mock)]
        if self.second is not None:
            # Its own origin: what it was given may be a mock without it being one.
            sides.append(("the second segmentation", self.second.origin is Origin.MOCK))
        return tuple(name for name, is_mock in sides if is_mock)

    @property
    def verdict(self) -> str:
        """One sentence for people: what was measured, or why it is no verdict."""
        if self.is_mock:
            sides = " and ".join(self.mocks) or "one side"
            return f"No verdict: {sides} come from a mock. The numbers show how the check works, and judge nothing."
        parts = []
        if self.hu:
            inside = sum(each.is_within for each in self.hu)
            parts.append(f"{inside} of {len(self.hu)} structures have a median HU inside their published band")
        if self.agreements:
            dice = [each.dice for each in self.agreements]
            parts.append(
                f"the median Dice against VISTA-3D is {statistics.median(dice):.2f} ({min(dice):.2f} to "
                f"{max(dice):.2f}) over {len(dice)} {'structure' if len(dice) == 1 else 'structures'}"
            )
        if not parts:
            return "Nothing could be measured: no structure of this CT has a published HU band or a second label."
        text = "; ".join(parts)
        return f"{text[0].upper()}{text[1:]}."

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored with the case."""
        return {
            "hu": [each.to_json() for each in self.hu],
            "agreements": [each.to_json() for each in self.agreements],
            "second": self.second.to_json() if self.second else None,
            "not_asked": list(self.not_asked),
            "warnings": list(self.warnings),
            "number": self.number,
            "provenance": self.provenance.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(
            hu=tuple(HuCheck.from_json(each) for each in stored["hu"]),
            agreements=tuple(Agreement.from_json(each) for each in stored["agreements"]),
            second=Provenance.from_json(stored["second"]) if stored["second"] else None,
            not_asked=tuple(stored["not_asked"]),
            warnings=tuple(stored["warnings"]),
            number=stored["number"],
            provenance=Provenance.from_json(stored["provenance"]),
        )
