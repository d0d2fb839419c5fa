"""One line that says where what is on the screen comes from."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.domain.case import Case
from workbench.domain.provenance import Mark, Origin, Provenance

_MADE_UP = "Made-up phantom, no patient"
_OWN_LABELS = "with its own labels"


@dataclass(frozen=True, kw_only=True)
class Badge:
    """`kind` is `none`, or the origin of what is shown last: upload, local, cloud, mock.

    `mark` are the words that every picture of the case carries, None where there is nothing to warn of.
    """

    kind: str
    text: str
    is_mock: bool
    is_synthetic: bool = False
    mark: Mark | None = None


def badge_of(case: Case | None) -> Badge:
    """The badge of a case: of its mask where there is one, else of its volume."""
    volume = case.provenance if case else None
    if case is None or volume is None:
        return Badge(kind="none", text="No case open", is_mock=False)
    mask = case.segmentation.provenance if case.segmentation else None
    made = mask or volume
    return Badge(
        kind="mock" if made.is_mock else made.origin.value,
        text=_of_volume(volume) if mask is None else _of_mask(mask, volume),
        is_mock=made.is_mock,
        is_synthetic=case.is_synthetic,
        mark=case.mark,
    )


def _of_volume(volume: Provenance) -> str:
    if volume.is_synthetic:
        return "Mock synthetic CT, no patient" if volume.is_mock else f"Synthetic CT by {_maker(volume)}, no patient"
    return _MADE_UP if volume.is_mock else "Uploaded CT"


def _of_mask(mask: Provenance, volume: Provenance) -> str:
    switched = ", mode switched for this visit" if "switched_from" in mask.parameters else ""
    if mask.synthetic:
        # The generator's own labels: they came with the picture.
        who = "Mock synthetic CT" if mask.is_mock else "Synthetic CT"
        by = "" if mask.is_mock else f" by {_maker(mask)}"
        return f"{who} {_OWN_LABELS}{by}{switched}"
    if volume.is_synthetic:
        of_what = "a mock synthetic CT" if volume.is_mock else "a synthetic CT"
    else:
        of_what = "a made-up phantom" if volume.is_mock else "an uploaded CT"
    if mask.origin is Origin.MOCK:
        return f"Mock mask of {of_what}{switched}"
    return f"Mask of {of_what} by {_maker(mask)}{switched}"


def _maker(made: Provenance) -> str:
    whose = "your NIM" if made.origin is Origin.LOCAL else "the hosted catalogue"
    return f"{whose}, {made.model} {made.version}"
