"""Heavy work handed to another process, and arrays handed over without copying them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.domain.progress import Progress

T = TypeVar("T")


class RunInWorker(Protocol):
    """Runs a function elsewhere and waits for its answer.

    `function` is at the top of a module, its arguments and answer can be pickled. It is given its own
    `progress` keyword, whose stages reach the `progress` passed here; a stop by the person reaches the function
    as `Cancelled`. Errors of the workbench arrive as they were raised.
    """

    def __call__(self, function: Callable[..., T], /, *args: Any, progress: Progress) -> T:
        """Run `function(*args, progress=...)`."""


@dataclass(frozen=True, eq=False)
class ArrayFile:
    """An array that another process can open: a .npy file by its path, or the array itself where it has no file."""

    path: Path | None = None
    array: NDArray[Any] | None = None

    @classmethod
    def of(cls, array: NDArray[Any]) -> ArrayFile:
        """Refer to the .npy file that `array` is a whole mapping of; carry the array where it is none."""
        path = _mapped_whole(array)
        return cls(path=path) if path is not None else cls(array=array)

    def open(self) -> NDArray[Any]:
        """The array, read-only; a file is mapped, not read."""
        if self.path is not None:
            mapped: NDArray[Any] = np.load(self.path, mmap_mode="r", allow_pickle=False)
            return mapped
        if self.array is None:
            raise ValueError("an ArrayFile holds a path or an array")
        view = self.array.view()
        view.flags.writeable = False
        return view


def _mapped_whole(array: NDArray[Any]) -> Path | None:
    """The .npy file behind an array or a plain view of all of it."""
    mapped: Any = array
    while isinstance(mapped, np.ndarray) and not isinstance(mapped, np.memmap):
        mapped = mapped.base
    if not isinstance(mapped, np.memmap) or not mapped.filename or Path(mapped.filename).suffix != ".npy":
        return None
    whole = np.load(mapped.filename, mmap_mode="r", allow_pickle=False)
    # A slice or a transpose of the mapping is another array than the file holds.
    same = whole.shape == array.shape and whole.dtype == array.dtype and whole.strides == array.strides
    return Path(mapped.filename) if same and _offset(array, mapped) == 0 else None


def _offset(array: NDArray[Any], mapped: NDArray[Any]) -> int:
    first = array.__array_interface__["data"][0]
    return int(first - mapped.__array_interface__["data"][0])
