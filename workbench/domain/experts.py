"""Experts that VILA-M3 may call for in an answer: `<VISTA3D(hepatic tumor)>`, and nothing looser than that.

The grammar, the arguments and their VISTA-3D ids are those of the model's own demo (Project-MONAI,
VLM-Radiology-Agent-Framework, m3/demo/experts).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

EVERYTHING = "everything"


class Expert(StrEnum):
    """The experts of the model's cards."""

    VISTA3D = "VISTA3D"
    BRATS = "BRATS"
    CXR = "CXR"
    VISTA2D = "VISTA2D"


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """An answer's call for an expert. `labels` are VISTA-3D ids, None for everything; `argument` is empty elsewhere."""

    expert: Expert
    argument: str = ""
    labels: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class BadTrigger:
    """An answer that looks like a call for an expert, and why nothing can be run for it."""

    why: str


VISTA3D_ARGUMENTS: Mapping[str, tuple[int, ...] | None] = MappingProxyType(
    {
        EVERYTHING: None,
        "hepatic tumor": (1, 26),
        "hepatoma": (1, 26),
        "pancreatic tumor": (4, 24),
        "lung tumor": (20, 23, 28, 29, 30, 31, 32),
        "bone lesion": (128,),
        "organs": (1, 2, 3, 4, 5, 8, 9, 10, 14, *range(22, 33), 57, 116, 117, 118, 121, 126, 132),
        "cardiovascular": (6, 7, 17, 58, 59, 60, 61, *range(108, 114), 115, 119, 123, 124, 125),
        "gastrointestinal": (11, 12, 13, 15, 19, 62),
        "skeleton": (21, *range(33, 57), *range(63, 98), 114, 120, 122, 127, 128),
        "muscles": tuple(range(98, 108)),
    }
)
"""Arguments of `<VISTA3D(…)>` and the ids that each stands for; None is everything."""

_GROUP = re.compile(r"<[^<>]*>")
_CALL = re.compile(r"<(VISTA3D|BRATS|CXR|VISTA2D)(?:\(([^()<>]*)\))?>")
_NAMED = re.compile(r"<\s*/?\s*(?:VISTA|BRATS|CXR)", re.IGNORECASE)


def parse_trigger(text: str) -> Trigger | BadTrigger | None:
    """The one expert that an answer calls for, why a call cannot be followed, or None where there is none.

    Exactly one group in angle brackets may stand in the answer, and it must be an expert's name with at most one
    argument. Prose that mentions an expert is no call.
    """
    groups = _GROUP.findall(text)
    if not any(_NAMED.match(each) for each in groups):
        if _NAMED.search(text):
            return BadTrigger(why="The model began to call for an expert and did not finish the call.")
        return None
    if len(groups) > 1:
        return BadTrigger(why="The model called for several experts at once; one at a time can be run.")
    call = _CALL.fullmatch(groups[0])
    if call is None:
        return BadTrigger(why="The model called for an expert in a form that is not understood.")
    expert, argument = Expert(call[1]), " ".join((call[2] or "").split()).lower()
    if expert is not Expert.VISTA3D:
        if argument:
            return BadTrigger(why=f"The model called for {expert.value} with an argument; it takes none.")
        return Trigger(expert=expert)
    argument = argument or EVERYTHING
    if argument not in VISTA3D_ARGUMENTS:
        known = ", ".join(VISTA3D_ARGUMENTS)
        return BadTrigger(
            why=f"The model asked VISTA-3D for something it does not know as a group. Known are: {known}."
        )
    return Trigger(expert=expert, argument=argument, labels=VISTA3D_ARGUMENTS[argument])
