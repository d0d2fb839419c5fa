"""From DICOM headers to the series of an upload: which pictures belong together, and which make a volume."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.imaging.read.dicom_headers import Frame, Header
from workbench.imaging.read.regrid import Layout, NotAStack, OnePosition, lay_out
from workbench.imaging.read.shapes import FEWEST_SLICES


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """Pictures of one series that lie side by side. `layout` is None where they make no volume, with `why_not`."""

    series: str
    number: int
    description: str
    modality: str
    size: tuple[int, ...]
    slices: int
    frames: tuple[Frame, ...] = ()
    layout: Layout | None = None
    why_not: str | None = None
    notes: tuple[str, ...] = ()


def stacks(headers: Iterable[Header]) -> list[Stack]:
    """Group the pictures of all files into stacks, in order of series number.

    A series is split where size, orientation or pixel spacing change, and, where several pictures lie at one
    position, by acquisition, time point, cardiac phase or kernel.
    """
    usable: dict[Hashable, list[tuple[Header, Frame]]] = defaultdict(list)
    rest: dict[Hashable, list[Header]] = defaultdict(list)
    for header in headers:
        if header.why_not is not None:
            rest[header.series, header.why_not].append(header)
        for frame in header.frames:
            usable[header.series, _likeness(frame)].append((header, frame))
    found = [stack for members in usable.values() for stack in _split(members)]
    found += [_not_usable(members) for members in rest.values()]
    return sorted(found, key=lambda stack: (stack.number, stack.series, -stack.slices, stack.description))


def _likeness(frame: Frame) -> Hashable:
    directions = np.round(np.concatenate([frame.row, frame.column]), 2) + 0.0
    steps = tuple(round(each, 4) for each in frame.step_mm)
    return frame.pixels.columns, frame.pixels.rows, tuple(directions), steps


def _not_usable(members: Sequence[Header]) -> Stack:
    first = members[0]
    return Stack(
        series=first.series,
        number=first.number,
        description=first.description,
        modality=first.modality,
        size=first.size,
        slices=len(members) if first.size else 0,
        why_not=first.why_not,
    )


def _split(members: Sequence[tuple[Header, Frame]]) -> list[Stack]:
    header = members[0][0]
    frames = [frame for _, frame in members]
    once, notes = _without_copies(frames)
    try:
        return [_stack(header, once, _lay_out(once), notes)]
    except OnePosition as error:
        parts = _parts(once)
        if parts is None:
            return [_stack(header, once, None, notes, str(error))]
        return [_stack(header, part, layout, notes) for part, layout in parts]
    except NotAStack as error:
        return [_stack(header, once, None, notes, str(error))]


def _without_copies(frames: Sequence[Frame]) -> tuple[list[Frame], tuple[str, ...]]:
    seen: set[str] = set()
    once = []
    for frame in frames:
        if frame.instance and frame.instance in seen:
            continue
        seen.add(frame.instance)
        once.append(frame)
    copies = len(frames) - len(once)
    return once, (f"{copies} images were in the upload more than once and were used once.",) if copies else ()


def _lay_out(frames: Sequence[Frame]) -> Layout:
    first = frames[0]
    positions = np.stack([frame.position for frame in frames])
    return lay_out(positions, first.row, first.column, first.step_mm, (first.pixels.columns, first.pixels.rows))


def _parts(frames: Sequence[Frame]) -> list[tuple[list[Frame], Layout]] | None:
    """The frames parted by the first attribute that leaves one picture at each position, None if there is none."""
    for attribute in range(len(frames[0].apart)):
        groups: dict[str, list[Frame]] = defaultdict(list)
        for frame in frames:
            groups[frame.apart[attribute]].append(frame)
        if len(groups) < 2 or min(map(len, groups.values())) < FEWEST_SLICES:
            continue
        try:
            return [(groups[key], _lay_out(groups[key])) for key in sorted(groups)]
        except NotAStack:
            continue
    return None


def _stack(
    header: Header, frames: Sequence[Frame], layout: Layout | None, notes: tuple[str, ...], why_not: str | None = None
) -> Stack:
    return Stack(
        series=header.series,
        number=header.number,
        description=header.description,
        modality=header.modality,
        size=header.size if layout is None else layout.size,
        slices=len(frames),
        frames=tuple(frames),
        layout=layout,
        why_not=why_not,
        notes=notes + (layout.notes if layout is not None else ()),
    )
