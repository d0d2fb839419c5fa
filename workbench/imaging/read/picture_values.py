"""Values of DICOM attributes as words and numbers, and the look-up tables among them."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from workbench.imaging.read.elements import value_of
from workbench.imaging.read.picture_grey import Curve, Table

_BIG_ENDIAN = "1.2.840.10008.1.2.2"

PALETTE_TAGS = [
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")),
    *(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
]
"""The tables of an image with a palette."""


def _many(data: Dataset, name: str) -> list[Any]:
    value = value_of(data, name)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue | list | tuple) else [value]


def words(data: Dataset, name: str) -> list[str]:
    """All values of an attribute, in capitals, without blanks round them."""
    return [str(each).strip().upper() for each in _many(data, name)]


def word(data: Dataset, name: str) -> str:
    """The first value in capitals, empty where there is none."""
    return next(iter(words(data, name)), "")


def whole(data: Dataset, name: str, default: int) -> int:
    """The first value as a whole number."""
    return int(next(iter(_many(data, name)), default))


def reals(data: Dataset, name: str) -> list[float]:
    """All values as numbers; none where one of them is infinite or no number."""
    values = [float(each) for each in _many(data, name)]
    return values if np.isfinite(values).all() else []


def real(data: Dataset, name: str) -> float | None:
    """The first value as a number, None where there is none."""
    return next(iter(reals(data, name)), None)


def window(data: Dataset) -> tuple[float, float, Curve] | None:
    """The first window: centre, width, and how it becomes grey."""
    center, width = real(data, "WindowCenter"), real(data, "WindowWidth")
    if center is None or width is None or width <= 0:
        return None
    curve = word(data, "VOILUTFunction")
    return center, width, Curve(curve) if curve in list(Curve) else Curve.LINEAR


def table(data: Dataset, sequence: str, syntax: str) -> Table | None:
    """The first table of a look-up table sequence (PS3.3 C.11.1.1)."""
    items = value_of(data, sequence)
    if not items:
        return None
    descriptor, raw = value_of(items[0], "LUTDescriptor"), value_of(items[0], "LUTData")
    if descriptor is None or raw is None or len(descriptor) != 3:
        return None
    size, first, bits = (int(each) for each in descriptor)
    size = size or 65536
    if isinstance(raw, bytes):
        wide = np.dtype(">u2" if syntax == _BIG_ENDIAN else "<u2")
        values = np.frombuffer(raw, wide if len(raw) >= 2 * size else np.uint8)
    else:
        values = np.asarray(list(raw) if isinstance(raw, MultiValue | list) else [raw])
    outputs = values[:size].astype(np.float32)
    if outputs.size == 0 or not 1 <= bits <= 16:
        return None
    return Table(first=first, outputs=outputs, bits=bits)


def palette(data: Dataset) -> Dataset:
    """The colour tables of `data`, and nothing else of it."""
    tables = Dataset()
    for name in PALETTE_TAGS:
        if name in data:
            tables[name] = data[name]
    return tables
