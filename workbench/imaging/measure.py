"""Label statistics: one pass over a mask and its CT, every structure at once, every sum exact.

The mask is cut into runs of one label along its fastest axis. Organs are made of long runs, so a scan of 80 million
voxels becomes about a million runs: counts, places and extents come from these alone, and the Hounsfield values are
reduced once per run by NumPy, which lets other threads work meanwhile.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workbench import __version__
from workbench.domain.organs import NOT_EVALUATED
from workbench.domain.progress import Progress, Silent
from workbench.domain.provenance import Provenance
from workbench.domain.segmentation import Measurements, OrganVolume, Segmentation
from workbench.domain.volume import Grid, Volume
from workbench.imaging.plausible import check

MODEL = "workbench label statistics"

_VALUES = 256
_CHUNK_VOXELS = 1 << 19
"""Large enough for a step to take longer than handing over between threads, small enough to stay in the cache."""
_BATCH_VOXELS = 1 << 22


def measure(
    volume: Volume, segmentation: Segmentation, *, created_at: str, progress: Progress | None = None
) -> Measurements:
    """Measure every structure in the mask, largest first, and note what looks implausible.

    Whole voxels are counted, so edges are not smoothed. A structure cut by the edge of the scan is measured as far
    as it is visible and marked `touches_edge`. Value 255 (not evaluated) is no structure. HU statistics are over all
    voxels of a structure; the standard deviation is the population's, from exact integer sums.

    Args:
        volume: the CT in HU.
        segmentation: its mask, on the same grid.
        created_at: when, ISO 8601, for the provenance.
        progress: told how far it is; may raise `Cancelled`.

    Raises:
        ValueError: the mask lies on another grid.
    """
    if not segmentation.grid.same_as(volume.grid):
        raise ValueError(f"mask on {segmentation.grid.describe()}, CT on {volume.grid.describe()}")
    tally = _tally(_Rows.of(segmentation.labels, volume.voxels_hu, volume.grid), progress or Silent())
    found = [label for label in range(1, NOT_EVALUATED) if tally.along[0][label].any()]
    organs = [_row(label, tally, volume.grid) for label in found]
    organs.sort(key=lambda organ: (-organ.voxel_count, organ.label))
    return check(
        Measurements(
            organs=tuple(organs),
            provenance=Provenance(
                origin=segmentation.provenance.origin,
                model=MODEL,
                version=__version__,
                created_at=created_at,
                inputs=(segmentation.provenance, volume.provenance),
            ),
        )
    )


@dataclass(frozen=True, eq=False)
class _Tally:
    """Sums by label value (first axis, 0..255). Background and values not evaluated are counted along.

    `along` counts voxels by index along each array axis in memory order. `low_mm` and `high_mm` (3, 256) bound the
    voxel centres along R, A, S, relative to the first voxel.
    """

    along: tuple[NDArray[np.int64], ...]
    sum_hu: NDArray[np.int64]
    sum_hu2: list[int]
    min_hu: NDArray[np.int16]
    max_hu: NDArray[np.int16]
    low_mm: NDArray[np.float64]
    high_mm: NDArray[np.float64]

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> _Tally:
        """Nothing counted yet."""
        return cls(
            along=tuple(np.zeros((_VALUES, size), np.int64) for size in shape),
            sum_hu=np.zeros(_VALUES, np.int64),
            sum_hu2=[0] * _VALUES,
            min_hu=np.full(_VALUES, np.iinfo(np.int16).max, np.int16),
            max_hu=np.full(_VALUES, np.iinfo(np.int16).min, np.int16),
            low_mm=np.full((3, _VALUES), np.inf),
            high_mm=np.full((3, _VALUES), -np.inf),
        )

    def add(self, other: _Tally) -> None:
        """Take in the sums of another part of the volume, which may stop at a smaller value."""
        for mine, theirs in zip(self.along, other.along, strict=True):
            mine[: len(theirs)] += theirs
        self.sum_hu[: len(other.sum_hu)] += other.sum_hu
        self.sum_hu2[: len(other.sum_hu2)] = [a + b for a, b in zip(self.sum_hu2, other.sum_hu2, strict=False)]
        np.minimum(self.min_hu, other.min_hu, out=self.min_hu)
        np.maximum(self.max_hu, other.max_hu, out=self.max_hu)
        np.minimum(self.low_mm, other.low_mm, out=self.low_mm)
        np.maximum(self.high_mm, other.high_mm, out=self.high_mm)


@dataclass(frozen=True, eq=False)
class _Runs:
    """Runs of one value, background too: where each begins within its batch, how long it is, its HU reduced."""

    value: NDArray[np.uint8]
    start: NDArray[np.int32]
    length: NDArray[np.int32]
    sum_hu: NDArray[np.int64]
    sum_hu2: NDArray[np.int64]
    min_hu: NDArray[np.int16]
    max_hu: NDArray[np.int16]

    @classmethod
    def joined(cls, pieces: list[_Runs]) -> _Runs:
        """One after another."""
        return cls(**{name: np.concatenate([getattr(each, name) for each in pieces]) for name in cls.__annotations__})


@dataclass(frozen=True, eq=False)
class _Rows:
    """Mask and CT as flat arrays in the mask's memory order, so that neither is copied where the orders agree.

    `shape` is in that order; `steps_mm` (3, 3) holds the way in R, A, S per step along each of its axes.
    """

    order: tuple[int, ...]
    labels: NDArray[np.uint8]
    voxels_hu: NDArray[np.int16]
    shape: tuple[int, ...]
    steps_mm: NDArray[np.float64]

    @classmethod
    def of(cls, labels: NDArray[np.uint8], voxels_hu: NDArray[np.int16], grid: Grid) -> _Rows:
        order = tuple(sorted(range(3), key=lambda axis: (abs(labels.strides[axis]), axis)))
        return cls(
            order=order,
            labels=np.asarray(labels).transpose(order).ravel(order="F"),
            voxels_hu=np.asarray(voxels_hu).transpose(order).ravel(order="F"),
            shape=tuple(labels.shape[axis] for axis in order),
            steps_mm=grid.affine_ras_mm[:3, :3][:, order],
        )


def _tally(rows: _Rows, progress: Progress) -> _Tally:
    """Sums over the whole volume, `along` in the order of the volume's axes."""
    total = _Tally.empty(rows.shape)
    row, size = rows.shape[0], rows.labels.size
    batch = max(1, _BATCH_VOXELS // row) * row
    starts = range(0, size, batch)
    # One more than there are cores, since a thread also waits for its turn at the interpreter.
    with ThreadPoolExecutor(max_workers=min(4, (os.cpu_count() or 1) + 1)) as pool:
        parts = pool.map(lambda start: _tally_part(rows, start, min(start + batch, size)), starts)
        for start, part in zip(starts, parts, strict=True):
            progress.stage("Measuring", start / size)
            if part is not None:
                total.add(part)
    return replace(total, along=tuple(total.along[rows.order.index(axis)] for axis in range(3)))


def _tally_part(rows: _Rows, start: int, stop: int) -> _Tally | None:
    """Sums from flat voxel index `start` up to `stop`, both at the beginning of a row; None where all is background."""
    runs = _runs(rows, start, stop)
    if runs is None:
        return None
    row, second_size, third_size = rows.shape
    at_row = runs.start // row
    first = runs.start - at_row * row
    at_row += start // row
    third = at_row // second_size
    second = at_row - third * second_size
    value = runs.value.astype(np.intp)
    used = int(value.max()) + 1

    # A run raises the count by one from its first index on and lowers it after its last.
    ends = value * (row + 1)
    ends += first
    edges = _sums(ends, used, row + 1)
    ends += runs.length
    edges -= _sums(ends, used, row + 1)

    part = _Tally.empty(())
    np.minimum.at(part.min_hu, value, runs.min_hu)
    np.maximum.at(part.max_hu, value, runs.max_hu)
    _bound(part, rows.steps_mm, value, (first, second, third), runs.length)
    # In two parts, since the squares of a long batch may exceed 2^53, up to which float64 counts exactly.
    high = _sums(value, used, 1, runs.sum_hu2 >> 16)[:, 0].tolist()
    low = _sums(value, used, 1, runs.sum_hu2 & 0xFFFF)[:, 0].tolist()
    return replace(
        part,
        along=(
            np.cumsum(edges, axis=1)[:, :-1],
            _sums(value * second_size + second, used, second_size, runs.length),
            _sums(value * third_size + third, used, third_size, runs.length),
        ),
        sum_hu=_sums(value, used, 1, runs.sum_hu)[:, 0],
        sum_hu2=[(a << 16) + b for a, b in zip(high, low, strict=True)],
    )


def _runs(rows: _Rows, start: int, stop: int) -> _Runs | None:
    """Cut a batch into runs; none crosses from one row into the next."""
    row = rows.shape[0]
    step = max(1, _CHUNK_VOXELS // row) * row
    # Reused from chunk to chunk: fetching fresh memory from the system costs more than the arithmetic.
    begins = np.empty(step, np.bool_)
    wide_hu = np.empty(step, np.int32)
    pieces = []
    for begin in range(start, stop, step):
        size = min(step, stop - begin)
        here, hu, wide = rows.labels[begin : begin + size], rows.voxels_hu[begin : begin + size], wide_hu[:size]
        np.not_equal(here[1:], here[:-1], out=begins[1:size])
        begins[:size:row] = True
        at = np.flatnonzero(begins[:size])
        value = here[at]
        if not value.any():
            continue
        np.copyto(wide, hu)
        sums = np.add.reduceat(wide, at, dtype=np.int64)
        np.multiply(wide, wide, out=wide)
        pieces.append(
            _Runs(
                value=value,
                start=(at + (begin - start)).astype(np.int32),
                length=np.diff(at, append=size).astype(np.int32),
                sum_hu=sums,
                sum_hu2=np.add.reduceat(wide, at, dtype=np.int64),
                min_hu=np.minimum.reduceat(hu, at),
                max_hu=np.maximum.reduceat(hu, at),
            )
        )
    return _Runs.joined(pieces) if pieces else None


def _bound(
    part: _Tally,
    steps_mm: NDArray[np.float64],
    value: NDArray[np.intp],
    at: tuple[NDArray[np.int32], ...],
    length: NDArray[np.int32],
) -> None:
    """Widen the bounds along R, A, S to the ends of every run: no voxel between them can lie further out."""
    first, second, third = at
    last = first + length - 1
    for axis, (a, b, c) in enumerate(steps_mm.tolist()):
        across = b * second + c * third
        low, high = (first, last) if a >= 0 else (last, first)
        np.minimum.at(part.low_mm[axis], value, across + a * low)
        np.maximum.at(part.high_mm[axis], value, across + a * high)


def _sums(
    index: NDArray[np.intp], used: int, width: int, weights: NDArray[np.integer] | None = None
) -> NDArray[np.int64]:
    """Exact sums of `weights` (or occurrences) by index, as (used, width)."""
    return np.bincount(index, weights, minlength=used * width).astype(np.int64, copy=False).reshape(used, width)


def _row(label: int, tally: _Tally, grid: Grid) -> OrganVolume:
    along = [counts[label] for counts in tally.along]
    voxels = int(along[0].sum())
    total_hu = int(tally.sum_hu[label])
    # In integers of any size, so that nothing cancels: n * sum(x^2) - sum(x)^2 over n^2.
    variance = (voxels * tally.sum_hu2[label] - total_hu**2) / voxels**2
    centre = np.array([int(np.arange(counts.size) @ counts) / voxels for counts in along])
    right, anterior, superior = grid.ras_mm(centre).tolist()
    # From the outermost voxel centres to the outermost voxel bounds: half a voxel's reach at either end.
    reach_mm = np.abs(grid.affine_ras_mm[:3, :3]).sum(axis=1)
    wide, deep, tall = (tally.high_mm[:, label] - tally.low_mm[:, label] + reach_mm).tolist()
    return OrganVolume(
        label=label,
        volume_ml=voxels * grid.voxel_volume_mm3 / 1000.0,
        voxel_count=voxels,
        mean_hu=total_hu / voxels,
        std_hu=math.sqrt(variance),
        min_hu=int(tally.min_hu[label]),
        max_hu=int(tally.max_hu[label]),
        centroid_ras_mm=(right, anterior, superior),
        extent_mm=(wide, deep, tall),
        touches_edge=any(bool(counts[0] or counts[-1]) for counts in along),
        largest_slice=_largest_slices(along, grid),
    )


def _largest_slices(along: list[NDArray[np.int64]], grid: Grid) -> Mapping[str, int]:
    """Display slice with most voxels by plane: axial 1 is most inferior, coronal most anterior, sagittal most right."""
    right, anterior, superior = grid.axis_of_patient
    found = {}
    for plane, (axis, sign), ascending in (
        ("axial", superior, True),
        ("coronal", anterior, False),
        ("sagittal", right, False),
    ):
        counts = along[axis] if (sign > 0) is ascending else along[axis][::-1]
        found[plane] = int(np.argmax(counts)) + 1
    return found
