"""How much an upload may cost, and what a full disk is called."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from workbench.domain.errors import StorageFull, TooLarge

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, kw_only=True)
class ReadLimits:
    """Most unpacked bytes of one upload, most voxels of one volume, most files in one upload."""

    max_bytes: int
    max_voxels: int
    max_files: int = 20_000


def check_voxels(shape: tuple[int, ...], limits: ReadLimits) -> int:
    """The number of voxels of `shape`.

    Raises:
        TooLarge: there are more than allowed.
    """
    count = 1
    for each in shape:
        count *= int(each)
    if count > limits.max_voxels:
        size = " x ".join(map(str, shape))
        raise TooLarge(
            f"The volume has {size} voxels, {count / 1e6:,.0f} million; at most "
            f"{limits.max_voxels / 1e6:,.0f} million are read here.",
            hint="Crop the volume or resample it, or raise IMAGING_MAX_VOXELS.",
        )
    return count


def in_words(count: int) -> str:
    """A number of bytes as people say it, decimal units."""
    if count < 1000:
        return f"{count} bytes"
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    raise AssertionError("not reached")


@contextmanager
def storing(what: str) -> Iterator[None]:
    """Turn a full disk, met while storing `what`, into `StorageFull`; every other error passes."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise StorageFull(
            f"The disk has no room for {what}.",
            hint="Delete cases that are no longer needed, or point IMAGING_DATA_DIR to a larger disk.",
        ) from None  # the cause names a path of this machine
