"""Which array shapes are a CT volume."""

from __future__ import annotations

from workbench.domain.errors import UnreadableImage, UnsupportedVolume

FEWEST_SLICES = 3
"""With two slices nobody can tell whether one is missing between them; with three the step can be checked."""


def three_axes(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """`shape` without trailing axes of length 1, when three axes of at least one voxel are left.

    Raises:
        UnreadableImage: an axis of no length.
        UnsupportedVolume: more or fewer axes than three.
    """
    if min(shape, default=0) < 1:
        raise UnreadableImage(f"The header is damaged: it claims a size of {_size(shape)} voxels.")
    kept = list(shape)
    while len(kept) > 3 and kept[-1] == 1:
        kept.pop()
    if len(kept) > 3:
        raise UnsupportedVolume(
            f"The file has {len(kept)} dimensions ({_size(shape)}): a time series or a stack of channels, "
            "not one volume.",
            hint="Save one time point as a volume of its own.",
        )
    if len(kept) < 3:
        raise UnsupportedVolume(f"The file holds a single picture ({_size(shape)}), not a volume.")
    i, j, k = kept
    return i, j, k


def refuse_thin(shape: tuple[int, int, int]) -> None:
    """Raise `UnsupportedVolume` for fewer than three voxels along an axis."""
    if min(shape) < FEWEST_SLICES:
        raise UnsupportedVolume(
            f"The file has {_size(shape)} voxels: a volume needs at least {FEWEST_SLICES} slices.",
            hint="Upload the whole series.",
        )


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "0"
