"""Stored values of a grey DICOM image to grey levels, as PS3.3 C.11 lays down. Pure array code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

_SAMPLES = 1_000_000
"""Values from which percentiles are taken; more change the third digit at most."""
_LOW, _HIGH = 0.5, 99.5


class Curve(StrEnum):
    """How a window turns values into grey (VOI LUT Function, PS3.3 C.11.2.1.2 and C.11.2.1.3)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A look-up table: `outputs[0]` for every value up to `first`, the last one for every value beyond its end."""

    first: int
    outputs: NDArray[np.float32]
    bits: int

    def of(self, values: Values) -> Values:
        """The outputs for `values`, which are rounded to whole numbers first."""
        # A negative first value is often written as the unsigned number of the same bits.
        first = self.first - 65536 if self.first > 32767 and values.min() < 0 else self.first
        at = np.clip(np.rint(values) - first, 0, self.outputs.size - 1).astype(np.int64)
        return np.asarray(self.outputs[at])


def through_window(values: Values, center: float, width: float, curve: Curve = Curve.LINEAR) -> NDArray[np.uint8]:
    """Grey levels 0..255 of values in a window, rounded half up."""
    if curve is Curve.SIGMOID:
        with np.errstate(over="ignore"):  # far below the window the power is infinite and the grey level 0
            return as_grey(1 / (1 + np.exp(-4 * (values - center) / width)))
    if curve is Curve.LINEAR_EXACT:
        return as_grey((values - center) / width + 0.5)
    if width <= 1:
        return np.where(values <= center - 0.5, 0, 255).astype(np.uint8)
    return as_grey((values - (center - 0.5)) / (width - 1) + 0.5)


def through_table(values: Values, table: Table) -> NDArray[np.uint8]:
    """Grey levels 0..255 of the outputs of a VOI LUT, whose range is that of its bits."""
    return as_grey(table.of(values) / np.float32(2**table.bits - 1))


def through_percentiles(values: Values, counted: NDArray[np.bool_] | None = None) -> tuple[NDArray[np.uint8], str]:
    """Grey levels between the percentiles 0.5 and 99.5 of the values counted, and a sentence that says so."""
    flat = values[counted] if counted is not None and counted.any() else values.ravel()
    low, high = np.percentile(flat[:: max(1, flat.size // _SAMPLES)], (_LOW, _HIGH)).tolist()
    if high <= low:  # one value nearly everywhere: fall back on all that occurs
        low, high = float(flat.min()), float(flat.max())
    grey = as_grey((values - low) / (high - low)) if high > low else np.zeros(values.shape, np.uint8)
    return (
        grey,
        f"Grey runs from {low:g} (black) to {high:g} (white), percentiles {_LOW:g} and {_HIGH:g} of the values.",
    )


def as_grey(share: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Shares 0..1 as 0..255, clipped, rounded half up."""
    grey: NDArray[np.uint8] = np.floor(np.clip(share, 0, 1) * 255 + 0.5).astype(np.uint8)
    return grey
