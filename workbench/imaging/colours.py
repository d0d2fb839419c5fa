"""One fixed colour for each structure, the same in viewer, tables, figures and exports.

The tables lie in `structure_colours.json`; `colour_design` made them, and its rules are tested against them.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

UNKNOWN = "#c8ccd0"
"""Colour of a label outside the dictionary."""


def colour_of(label: int, *, safe: bool = False) -> str:
    """`#rrggbb` of a VISTA-3D label; `safe` takes the table for the common colour-vision deficiencies."""
    return _tables()["safe" if safe else "usual"].get(str(label), UNKNOWN)


@cache
def _tables() -> dict[str, dict[str, str]]:
    text = (resources.files("workbench.imaging") / "structure_colours.json").read_text("utf-8")
    tables: dict[str, dict[str, str]] = json.loads(text)
    return tables
