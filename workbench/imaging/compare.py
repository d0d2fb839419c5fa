"""Two label maps held against each other, and organs against the Hounsfield values that are usual for them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.agreement import Agreement, HuCheck
from workbench.domain.organs import LABEL_BY_NAME, NOT_EVALUATED, expand
from workbench.domain.progress import Progress, Silent
from workbench.domain.volume import Grid

_VALUES = 256
_HU_LOW, _HU_COUNT = -32768, 65536
_TOLD_EVERY = 16


@dataclass(frozen=True, kw_only=True)
class Band:
    """The HU between which the median of a structure is usual; parts in place of a superclass."""

    name: str
    labels: tuple[int, ...]
    low_hu: float
    high_hu: float
    cite: str
    source_url: str


@cache
def hu_bands() -> tuple[Band, ...]:
    """Every band, from `hu_bands.json` beside this file. No label is in two."""
    raw: Mapping[str, Any] = json.loads((resources.files("workbench.imaging") / "hu_bands.json").read_text("utf-8"))
    return tuple(
        Band(
            name=each["name"],
            labels=expand(LABEL_BY_NAME[name] for name in each["structures"]),
            low_hu=each["low_hu"],
            high_hu=each["high_hu"],
            cite=raw["source"]["cite"],
            source_url=raw["source"]["url"],
        )
        for each in raw["bands"]
    )


def compare_labels(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    grid: Grid,
    *,
    labels: Iterable[int] | None = None,
    progress: Progress | None = None,
) -> tuple[Agreement, ...]:
    """Dice and volumes of every structure that occurs in either map, by label.

    Args:
        first: a label map on `grid`, uint8, indexed (i, j, k).
        second: another one on the same grid, voxel by voxel.
        grid: for the volume of a voxel.
        labels: only these, those that occur in neither left out; None for all. Value 255 is never a structure.
        progress: told how far it is; may raise `Cancelled`.

    Raises:
        ValueError: a map does not lie on the grid.
    """
    if first.shape != grid.shape or second.shape != grid.shape:
        raise ValueError(f"label maps {first.shape} and {second.shape} do not lie on the grid {grid.shape}")
    counts = np.zeros((3, _VALUES), dtype=np.int64)
    progress = progress or Silent()
    for k in range(grid.shape[2]):
        if k % _TOLD_EVERY == 0:
            progress.stage("Comparing the labels", k / grid.shape[2])
        one, other = (np.ascontiguousarray(each[:, :, k].T).ravel() for each in (first, second))
        counts[0] += np.bincount(one, minlength=_VALUES)
        counts[1] += np.bincount(other, minlength=_VALUES)
        counts[2] += np.bincount(one[one == other], minlength=_VALUES)
    ml = grid.voxel_volume_mm3 / 1000.0
    asked = set(range(1, NOT_EVALUATED)) if labels is None else set(labels) - {0, NOT_EVALUATED}
    return tuple(
        Agreement(
            label=label,
            dice=2.0 * int(counts[2, label]) / int(counts[0, label] + counts[1, label]),
            first_ml=int(counts[0, label]) * ml,
            second_ml=int(counts[1, label]) * ml,
        )
        for label in sorted(asked)
        if counts[0, label] or counts[1, label]
    )


def check_hu(
    voxels_hu: NDArray[np.int16], labels: NDArray[np.uint8], *, progress: Progress | None = None
) -> tuple[HuCheck, ...]:
    """The median HU of every structure that has a cited band and occurs, in the order of the bands.

    The median is exact, the mean of the two middle values where their number is even. Parts that share a band (the
    lobes, both kidneys, all bones) are taken together, as the band's source does.

    Raises:
        ValueError: voxels and labels differ in shape.
    """
    if voxels_hu.shape != labels.shape:
        raise ValueError(f"voxels {voxels_hu.shape} and labels {labels.shape} differ in shape")
    bands = hu_bands()
    band_of_label = np.zeros(_VALUES, dtype=np.uint8)
    for number, band in enumerate(bands, 1):
        band_of_label[list(band.labels)] = number
    histograms = np.zeros((len(bands) + 1, _HU_COUNT), dtype=np.int64)
    seen = np.zeros(_VALUES, dtype=np.bool_)
    progress = progress or Silent()
    for k in range(labels.shape[2]):
        if k % _TOLD_EVERY == 0:
            progress.stage("Measuring HU", k / labels.shape[2])
        slice_labels = np.ascontiguousarray(labels[:, :, k].T)
        seen[slice_labels] = True
        numbers = band_of_label[slice_labels]
        inside = numbers > 0
        if inside.any():
            hu = np.ascontiguousarray(voxels_hu[:, :, k].T)[inside].astype(np.int64) - _HU_LOW
            of_band = numbers[inside]
            for number in np.flatnonzero(np.bincount(of_band)).tolist():
                histograms[number] += np.bincount(hu[of_band == number], minlength=_HU_COUNT)
    return tuple(
        HuCheck(
            name=band.name,
            labels=tuple(label for label in band.labels if seen[label]),
            median_hu=_median(histograms[number]),
            low_hu=band.low_hu,
            high_hu=band.high_hu,
            voxel_count=int(histograms[number].sum()),
            cite=band.cite,
            source_url=band.source_url,
        )
        for number, band in enumerate(bands, 1)
        if histograms[number].any()
    )


def _median(histogram: NDArray[np.int64]) -> float:
    """The median of the values that a histogram counts, from `_HU_LOW` on."""
    up_to = np.cumsum(histogram)
    total = int(up_to[-1])
    low, high = (int(np.searchsorted(up_to, place, side="right")) for place in ((total - 1) // 2, total // 2))
    return (low + high) / 2 + _HU_LOW
