"""Tables as lines that can be read alone: what a column is called stands with each of its cells."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.knowledge.documents.cleaned import folded

_LONGEST_NAME = 60


def table_lines(rows: Sequence[Sequence[str]], *, has_header: bool) -> list[str]:
    """A line a row: `Organ: liver; Volume (mL): 1500`, or the cells alone where the columns have no names."""
    cells = [[folded(cell) for cell in row] for row in rows]
    names: list[str] = []
    if has_header and len(cells) > 1 and all(len(name) <= _LONGEST_NAME for name in cells[0]):
        names, cells = cells[0], cells[1:]
    lines = (_line(names, row) for row in cells)
    return [line for line in lines if line]


def _line(names: list[str], row: list[str]) -> str:
    parts = []
    for number, cell in enumerate(row):
        name = names[number] if number < len(names) else ""
        if cell:
            parts.append(f"{name}: {cell}" if name and name != cell else cell)
    return "; ".join(parts)
