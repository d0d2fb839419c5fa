"""What picture is wanted: which view of a case, and where the case or picture comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from workbench.domain.case import Case
from workbench.domain.errors import InvalidRequest

SOFT_TISSUE = (50.0, 400.0)
"""Centre and width in HU that VILA-M3 saw CT slices in (Project-MONAI, m3/demo/expert_utils.py)."""


@dataclass(frozen=True, kw_only=True)
class ViewOrder:
    """The view of a case that is to be drawn.

    `slice` is the number (from 1) in `plane`; None is the slice on which most structures lie, or the middle one.
    `slices` are those of a mosaic by plane, each None or absent likewise. `center` and `width` in HU are both None for
    the window that the model expects; `window` is its name. `visible` None draws every structure of the overlay.
    """

    plane: str = "axial"
    slice: int | None = None
    slices: Mapping[str, int] | None = None
    center: float | None = None
    width: float | None = None
    window: str | None = None
    overlay: bool = False
    mosaic: bool = False
    visible: frozenset[int] | None = None
    safe_colours: bool = False

    @property
    def chosen_window(self) -> tuple[float, float] | None:
        """Centre and width in HU where somebody chose them."""
        return None if self.center is None or self.width is None else (self.center, self.width)

    def windowed(self, given: str | Mapping[str, Any] | None) -> Self:
        """This order in another window. Raises as `read_window`; None leaves it as it is."""
        if given is None or given == "":
            return self
        center, width, name = read_window(given)
        return replace(self, center=center, width=width, window=name)


def read_window(given: str | Mapping[str, Any]) -> tuple[float, float, str | None]:
    """Centre and width in HU and the usual name of a window given as `lung`, `-600,1500` or `{center, width}`.

    Raises:
        InvalidRequest: none of these, or a width below 1.
    """
    from workbench.imaging.slices import WINDOWS, Window  # noqa: PLC0415 - brings the imaging libraries along

    if isinstance(given, str):
        name = " ".join(given.replace("_", " ").replace("-", " ").lower().split())
        if name in WINDOWS:
            return WINDOWS[name].center, WINDOWS[name].width, name
    pair: Sequence[Any] = given.split(",") if isinstance(given, str) else [given.get("center"), given.get("width")]
    try:
        center, width = (float(each) for each in pair)
    except (TypeError, ValueError):
        said = f" “{given[:20]}”" if isinstance(given, str) else " of this kind"
        raise InvalidRequest(
            f"There is no window{said}.",
            hint=f"Give centre and width in HU, as in 50,400, or one of {', '.join(WINDOWS)}.",
        ) from None
    chosen = Window(center=center, width=width)
    return center, width, next((name for name, each in WINDOWS.items() if each == chosen), None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """An upload that lies in a case of its own and waits to be read: a picture, or a CT."""

    case: Case


@dataclass(frozen=True, kw_only=True)
class OnDisk:
    """Files of this machine, read where they lie; for who may read them anyway."""

    files: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class InputPath:
    """A path that somebody named; only what lies in the input folders is read."""

    path: str


@dataclass(frozen=True, kw_only=True)
class OpenCase:
    """A case that is open already."""

    case_id: str


@dataclass(frozen=True)
class Demo:
    """The phantom, opened as a new case."""


PictureSource = Placed | OnDisk | InputPath | OpenCase | Demo
