"""What clients of the published guide send, read as a MAISI request; whatever was translated is told.

The guide writes `body_region: "chest"`, `resolution: "512x512x512"` and `num_classes`; MAISI takes lists, voxels and
names of anatomies. Numbers may come as text, names in either spelling.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.domain.maisi import (
    REGION_BY_NAME,
    Size,
    Spacing,
    anatomy_name,
    common_anatomies,
    core_anatomies,
    recommended_spacing,
)
from workbench.domain.organs import spoken
from workbench.domain.synthesis import BrokenRule, RulesBroken, SynthesisRequest

FIELDS = (
    "body_region",
    "resolution",
    "output_size",
    "spacing",
    "anatomy_list",
    "controllable_anatomy_size",
    "num_output_samples",
    "num_classes",
)
DEFAULT_SIZE: Size = (256, 256, 256)
_BETWEEN = re.compile(r"\s*[x×*,;/]\s*|\s+", re.IGNORECASE)
_LISTED = re.compile(r"\s*[,;+/&|]\s*|\s+and\s+")
_MOST_NAMES = 200


@dataclass(frozen=True, kw_only=True)
class ReadRequest:
    """A request as it was understood, and what was translated on the way."""

    request: SynthesisRequest
    warnings: tuple[str, ...]


@dataclass
class _Reading:
    """What was met while reading."""

    broken: list[BrokenRule] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def refuse(self, name: str, rule: str, message: str, nearest: str) -> None:
        self.broken.append(BrokenRule(field=name, rule=rule, message=message, nearest=nearest))


def read_request(fields: Mapping[str, Any]) -> ReadRequest:
    """Read a request as the guide's clients or MAISI's own write it; None counts as not given.

    Only the shape is judged here: `synthesis_rules.check` holds the result to MAISI's rules.

    Raises:
        RulesBroken: a field that does not exist, or a value that cannot be read; every one of them is told.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    reading = _Reading()
    for name in given:
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            cure = f"Did you mean {near[0]}?" if near else f"Fields: {', '.join(FIELDS)}."
            reading.refuse(name[:60], "field known", f"There is no field “{name[:60]}”.", cure)
    regions = _regions(given.get("body_region"), reading)
    size = _size(given, reading)
    spacing = _spacing(given.get("spacing"), size, regions, reading)
    rows = _rows(given.get("controllable_anatomy_size"), reading)
    samples = _whole(given.get("num_output_samples", 1), "num_output_samples", reading)
    names = _names(given.get("anatomy_list"), reading)
    classes = _whole(given["num_classes"], "num_classes", reading) if "num_classes" in given else None
    if not rows and regions:
        names = _by_count(names, classes, regions, reading)
    elif classes is not None:
        reading.told.append("num_classes was ignored: MAISI has no such field, and sizes of organs were given.")
    if reading.broken:
        raise RulesBroken(tuple(reading.broken))
    request = SynthesisRequest(
        body_region=regions,
        anatomy_list=names,
        output_size=size,
        spacing_mm=spacing,
        controllable_anatomy_size=rows,
        num_output_samples=samples,
    )
    return ReadRequest(request=request, warnings=tuple(reading.told))


def _regions(value: Any, reading: _Reading) -> tuple[str, ...]:
    if value is None:
        return ()
    names = _texts(value, "body_region", reading)
    # A name by itself wins over its pieces, so that an unknown one is told as it was written.
    pieces = [[each] if each in REGION_BY_NAME else [part for part in re.split(r"\s+", each) if part] for each in names]
    known = all(part in REGION_BY_NAME for parts in pieces for part in parts)
    found = tuple(part for parts in pieces for part in parts) if known else names
    if isinstance(value, str):
        reading.told.append(f"body_region “{value[:60]}” was sent as the list [{', '.join(found)}].")
    return found


def _size(given: Mapping[str, Any], reading: _Reading) -> Size:
    sizes = {
        name: _three(given[name], name, reading, whole=True) for name in ("resolution", "output_size") if name in given
    }
    if len(sizes) == 2 and sizes["resolution"] != sizes["output_size"]:
        reading.refuse(
            "resolution", "one size", "resolution and output_size are both given and differ.", "Give one of them."
        )
    for name, size in sizes.items():
        x, y, z = (int(each) for each in size)
        if name == "resolution":
            reading.told.append(f"resolution “{str(given[name])[:40]}” was sent as output_size [{x}, {y}, {z}] voxels.")
        return x, y, z
    told = " x ".join(map(str, DEFAULT_SIZE))
    reading.told.append(f"No size was given: {told} voxels were chosen.")
    return DEFAULT_SIZE


def _spacing(value: Any, size: Size, regions: Sequence[str], reading: _Reading) -> Spacing:
    if value is not None:
        x, y, z = _three(value, "spacing", reading, whole=False)
        return x, y, z
    chosen = recommended_spacing(size, regions)
    told = " x ".join(f"{each:g}" for each in chosen)
    reading.told.append(f"No spacing was given: {told} mm was chosen for this size.")
    return chosen


def _three(value: Any, name: str, reading: _Reading, *, whole: bool) -> tuple[float, float, float]:
    """Three numbers, from a list or from text; a single one counts for all three."""
    parts: list[Any] = []
    if isinstance(value, str):
        unit = value.strip().lower().removesuffix("mm" if not whole else "voxels")
        parts = [each for each in _BETWEEN.split(unit.strip()) if each]
    elif isinstance(value, Sequence):
        parts = list(value)
    elif not isinstance(value, Mapping):
        parts = [value]
    if len(parts) == 1:
        parts = parts * 3
    numbers = [_number(each) for each in parts[:4]]
    if len(numbers) != 3 or any(each is None or (whole and not each.is_integer()) for each in numbers):
        kind = "whole numbers of voxels, such as 512x512x512" if whole else "numbers in mm, such as 1.5x1.5x1.5"
        reading.refuse(name, "three numbers", f"{name} “{str(value)[:40]}” is not three {kind}.", "Give three numbers.")
        return 0.0, 0.0, 0.0
    x, y, z = (each for each in numbers if each is not None)
    return x, y, z


def _number(value: Any) -> float | None:
    """A finite number, from text too; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e9 else None


def _whole(value: Any, name: str, reading: _Reading) -> int:
    number = _number(value)
    if number is None or not number.is_integer():
        reading.refuse(name, "whole number", f"{name} “{str(value)[:40]}” is no whole number.", "Give a whole number.")
        return 1
    return int(number)


def _texts(value: Any, name: str, reading: _Reading) -> tuple[str, ...]:
    """Names, from one text or a list of them, as they are spoken."""
    pieces = _LISTED.split(value) if isinstance(value, str) else value
    if not isinstance(pieces, Sequence) or not all(isinstance(each, str) for each in pieces):
        reading.refuse(name, "names", f"{name} is not a list of names.", 'Give a list such as ["chest"].')
        return ()
    if len(pieces) > _MOST_NAMES:
        reading.refuse(name, "names", f"{name} holds {len(pieces):,} names.", f"Give at most {_MOST_NAMES}.")
        return ()
    return tuple(spoken(each) for each in pieces if each.strip())


def _names(value: Any, reading: _Reading) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(anatomy_name(each) or each for each in _texts(value, "anatomy_list", reading))


def _by_count(
    names: tuple[str, ...], classes: int | None, regions: tuple[str, ...], reading: _Reading
) -> tuple[str, ...]:
    """The names asked for; where none are, those of the regions, as many as `num_classes` says."""
    if names:
        if classes is not None and classes != len(names):
            reading.told.append(
                f"num_classes {classes} was ignored: MAISI has no such field; the {len(names)} names given were sent."
            )
        return names
    if classes is None:
        chosen = core_anatomies(regions)
        if chosen:
            reading.told.append(f"No anatomy was given: {len(chosen)} of the region were chosen.")
        return chosen
    if classes < 1:
        reading.refuse("num_classes", "at least one", f"num_classes is {classes}.", "Ask for at least 1.")
    chosen = common_anatomies(regions)[: max(classes, 1)]
    reading.told.append(
        f"num_classes {classes}: MAISI takes names of anatomies instead; {len(chosen)} of the region were sent."
    )
    return chosen


def _rows(value: Any, reading: _Reading) -> tuple[tuple[str, float], ...]:
    """Pairs of name and size, from a list of pairs or of `{name, size}`, a mapping, or text such as `liver=0.5`."""
    if value is None:
        return ()
    rows: Any = value
    if isinstance(value, str):
        rows = [re.split(r"\s*[=:]\s*", each, maxsplit=1) for each in re.split(r"\s*[,;]\s*", value.strip()) if each]
    elif isinstance(value, Mapping):
        rows = list(value.items())
    if not isinstance(rows, Sequence) or len(rows) > _MOST_NAMES:
        reading.refuse("controllable_anatomy_size", "pairs", _NO_PAIRS, _PAIRS)
        return ()
    found = []
    for row in rows:
        pair = (row.get("name"), row.get("size")) if isinstance(row, Mapping) else row
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2 or not isinstance(pair[0], str):
            reading.refuse("controllable_anatomy_size", "pairs", _NO_PAIRS, _PAIRS)
            return ()
        size = _number(pair[1])
        if size is None:
            reading.refuse(
                "controllable_anatomy_size",
                "pairs",
                f"The size of {pair[0][:60]}, “{str(pair[1])[:40]}”, is no number.",
                "Give 0 to 1, or -1 to leave the organ out.",
            )
            return ()
        found.append((anatomy_name(pair[0]) or spoken(pair[0]), size))
    return tuple(found)


_NO_PAIRS = "controllable_anatomy_size is not a list of pairs of a name and a size."
_PAIRS = 'Give pairs such as [["liver", 0.5]].'
