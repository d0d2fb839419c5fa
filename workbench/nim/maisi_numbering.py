"""What the values of MAISI's mask mean: places in the list that was sent, or ids of the dictionary.

The open bundle that the NIM is built from writes the place of each anatomy in the request (1, 2, 3 ...). That is taken
as documented and verified against the values; an answer that it cannot be is held to the ids. Neither is ever guessed
in silence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.domain.errors import NimReplyInvalid
from workbench.domain.organs import ORGANS
from workbench.domain.synthesis import Numbering, SynthesisRequest

BODY = 200
"""Value of the body around the organs in the bundle's own masks; no structure."""

_MOST_NAMED = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Legend:
    """How a mask is numbered, the VISTA-3D id for each of its values (256, 0 is background), and remarks."""

    numbering: Numbering
    label_of_value: NDArray[np.uint8]
    warnings: tuple[str, ...] = ()


def legend(values: frozenset[int], request: SynthesisRequest) -> Legend:
    """The legend of masks in which `values` occur, all samples of an answer together.

    Raises:
        NimReplyInvalid: values that are neither places in the list nor ids of what was asked for.
    """
    ids = request.labels
    present = values - {0}
    if not ids:
        return _by_ids(present, frozenset(ORGANS), "MAISI was given no list of anatomies.")
    if max(present, default=0) > len(ids):
        return _by_ids(
            present, frozenset(ids), f"The mask holds values beyond the {len(ids)} anatomies that were asked for."
        )
    table = np.zeros(256, dtype=np.uint8)
    table[1 : len(ids) + 1] = ids
    return Legend(numbering=Numbering.ORDER, label_of_value=table, warnings=_doubt(present, ids))


def _by_ids(present: frozenset[int], known: frozenset[int], why: str) -> Legend:
    unknown = sorted(present - known - {BODY})
    if unknown:
        told = ", ".join(map(str, unknown[:_MOST_NAMED]))
        raise NimReplyInvalid(
            "The mask in MAISI's answer holds values that are neither places in the list of anatomies nor ids of "
            f"those that were asked for: {told}.",
            hint="Send the request again. If it stays, the NIM's release numbers its masks in a way not known here.",
        )
    table = np.zeros(256, dtype=np.uint8)
    table[list(known)] = list(known)
    return Legend(
        numbering=Numbering.GLOBAL_IDS,
        label_of_value=table,
        warnings=(f"{why} Its values were read as ids of the dictionary, and all of them fit.",) if present else (),
    )


def _doubt(present: frozenset[int], ids: tuple[int, ...]) -> tuple[str, ...]:
    """Told where the values would fit both ways and mean different structures."""
    if not present or not present <= frozenset(ids) or all(ids[value - 1] == value for value in present):
        return ()
    shown = sorted(present)[:_MOST_NAMED]
    places = ", ".join(f"{value} = {ORGANS[ids[value - 1]].name}" for value in shown)
    as_ids = ", ".join(f"{value} = {ORGANS[value].name}" for value in shown)
    return (
        f"The mask's numbering cannot be told from its values: they fit the order of the request ({places}) and the "
        f"ids of the dictionary ({as_ids}). The order of the request was taken, as the open bundle writes it; look "
        "whether the structures lie where they should.",
    )
