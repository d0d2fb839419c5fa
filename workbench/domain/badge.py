"""One line that says where what is on the screen comes from."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.domain.case import Case
from workbench.domain.provenance import Origin


@dataclass(frozen=True, kw_only=True)
class Badge:
    """`kind` is `none`, or the origin of what is shown last: upload, local, cloud, mock."""

    kind: str
    text: str
    is_mock: bool


def badge_of(case: Case | None) -> Badge:
    """The badge of a case: of its mask where there is one, else of its volume."""
    volume = case.provenance if case else None
    if case is None or volume is None:
        return Badge(kind="none", text="No case open", is_mock=False)
    mask = case.segmentation.provenance if case.segmentation else None
    if mask is None:
        text = "Made-up phantom, no patient" if volume.is_mock else "Uploaded CT"
        return Badge(kind="mock" if volume.is_mock else volume.origin.value, text=text, is_mock=volume.is_mock)
    of_what = "a made-up phantom" if volume.is_mock else "an uploaded CT"
    switched = ", mode switched for this visit" if "switched_from" in mask.parameters else ""
    if mask.origin is Origin.MOCK:
        return Badge(kind="mock", text=f"Mock mask of {of_what}{switched}", is_mock=True)
    maker = "your NIM" if mask.origin is Origin.LOCAL else "the hosted catalogue"
    text = f"Mask of {of_what} by {maker}, {mask.model} {mask.version}{switched}"
    return Badge(kind="mock" if mask.is_mock else mask.origin.value, text=text, is_mock=mask.is_mock)
