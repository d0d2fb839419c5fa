"""The file that voxels are written to: int16 Hounsfield units, rounded, clipped and floored on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.volume import HU_FLOOR
from workbench.imaging.read.limits import storing

_INT16 = np.iinfo(np.int16)


class Canvas:
    """An int16 .npy file, indexed (i, j, k), i fastest, filled piece by piece.

    `lowest` and `highest` are the smallest and largest values as given, in HU, before flooring and clipping.
    `clipped` and `not_numbers` count voxels that were cut at 32767, or were not finite and became air.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        with storing("the volume"):
            mapped = np.lib.format.open_memmap(path, mode="w+", dtype=np.int16, shape=shape, fortran_order=True)
            self.voxels: NDArray[np.int16] = np.asarray(mapped)  # slicing a memmap itself is slow
            path.chmod(0o600)
            with path.open("r+b") as file:
                # Without this a full disk would kill the process on the first write to a page that finds no room.
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        self.shape = shape
        self._flat = self.voxels.reshape(-1, order="F")
        self.lowest = np.inf
        self.highest = -np.inf
        self._seen_hu: tuple[int, int] | None = None
        self.clipped = 0
        self.not_numbers = 0

    def put(
        self,
        start: int,
        stored: NDArray[Any],
        slope: float = 1.0,
        intercept: float = 0.0,
        padding: tuple[int, int] | None = None,
    ) -> None:
        """Write `stored` x `slope` + `intercept` to the voxels from `start` on, in file order (i fastest).

        Halves are rounded to even. Stored values within `padding` (both ends included) become air.
        """
        target = self._flat[start : start + stored.size]
        if padding is not None and slope > 0 and padding[1] * slope + intercept <= HU_FLOOR:
            padding = None  # the floor makes air of it anyway
        is_padding = None if padding is None else (stored >= padding[0]) & (stored <= padding[1])
        if is_padding is not None and is_padding.any():
            # Padding may lie anywhere, above all tissue too: it must not count as a value.
            self._saw(HU_FLOOR, HU_FLOOR)
            if is_padding.all():
                target[:] = HU_FLOOR
                return
            stored = np.where(is_padding, stored[~is_padding].min(), stored)
        else:
            is_padding = None
        if np.issubdtype(stored.dtype, np.integer) and slope == 1 and float(intercept).is_integer():
            self._put_whole(target, stored, int(intercept))
        else:
            self._put_real(target, stored, slope, intercept)
        if is_padding is not None:
            target[is_padding] = HU_FLOOR

    @property
    def hu_range(self) -> tuple[int, int]:
        """Smallest and largest HU written."""
        if self._seen_hu is not None:
            return self._seen_hu
        low, high = np.clip([self.lowest, self.highest], HU_FLOOR, _INT16.max).astype(int).tolist()
        return low, high

    def take_over(self, other: Canvas) -> None:
        """Remember what `other`, from which these voxels were computed, had met."""
        self._seen_hu = int(self.voxels.min()), int(self.voxels.max())
        self._saw(other.lowest, other.highest)
        self.clipped += other.clipped
        self.not_numbers += other.not_numbers

    def _put_whole(self, target: NDArray[np.int16], stored: NDArray[Any], intercept: int) -> None:
        low, high = int(stored.min()) + intercept, int(stored.max()) + intercept
        self._saw(low, high)
        if low >= _INT16.min and high <= _INT16.max:
            # Addition modulo 2^16 is exact wherever the sum fits, and it does.
            np.add(stored.astype(np.int16, copy=False), np.int16(_wrapped(intercept)), out=target)
            if low < HU_FLOOR:
                np.maximum(target, np.int16(HU_FLOOR), out=target)
            return
        wide = stored.astype(np.float64) + intercept
        self._count(wide, high)
        target[:] = np.clip(wide, HU_FLOOR, _INT16.max)

    def _put_real(self, target: NDArray[np.int16], stored: NDArray[Any], slope: float, intercept: float) -> None:
        exact = stored.dtype == np.float32 and slope == 1 and intercept == 0
        values = stored.astype(np.float32 if exact else np.float64)
        if not exact:
            np.multiply(values, slope, out=values)
            np.add(values, intercept, out=values)
        low, high = float(values.min()), float(values.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            wrong = ~np.isfinite(values)
            self.not_numbers += int(np.count_nonzero(wrong))
            values[wrong] = HU_FLOOR
            low, high = float(values.min()), float(values.max())
        np.rint(values, out=values)
        self._saw(float(np.rint(low)), float(np.rint(high)))
        self._count(values, high)
        np.clip(values, HU_FLOOR, _INT16.max, out=values)
        target[:] = values

    def _saw(self, low: float, high: float) -> None:
        self.lowest = min(self.lowest, low)
        self.highest = max(self.highest, high)

    def _count(self, values: NDArray[Any], high: float) -> None:
        if high > _INT16.max:
            self.clipped += int(np.count_nonzero(values > _INT16.max))


def _wrapped(value: int) -> int:
    return (value + 2**15) % 2**16 - 2**15


@contextmanager
def kept_only_when_whole(path: Path) -> Iterator[None]:
    """Remove the file at `path` unless the block ends well."""
    whole = False
    try:
        yield
        whole = True
    finally:
        if not whole:
            path.unlink(missing_ok=True)
