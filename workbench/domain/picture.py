"""Pictures that a question can be put about: the bytes that are sent, where they come from, what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from workbench.domain.provenance import Mark, Provenance, Result

LONGEST_PX = 1120
"""Vision models scale down what is larger (release notes of the vision-language NIM 1.1.0)."""

MOST_INLINE_CHARACTERS = 180_000
"""Base64 text must stay below this in a request to the hosted catalogue, as NVIDIA's own samples measure it."""


class Modality(StrEnum):
    """What made a picture, in the words that VILA-M3 was trained on (`This is a CT image.`)."""

    CT = "CT"
    MRI = "MRI"
    CXR = "CXR"


class PictureKind(StrEnum):
    """How a picture came about."""

    UPLOAD = "upload"
    VIEW = "view"
    MOSAIC = "mosaic"
    EXPERT = "expert"


@dataclass(frozen=True, kw_only=True)
class PictureView:
    """The view of a case that a picture shows, enough to return to it.

    `slices` holds the slice number (from 1) of each plane shown: one, or three in a mosaic, whose first is `plane`.
    `center` and `width` are the window in HU, `window` its usual name where it has one. `revision` is that of the
    case's mask, `overlay` whether it is drawn.
    """

    case_id: str
    plane: str
    slices: Mapping[str, int]
    center: float
    width: float
    window: str | None = None
    overlay: bool = False
    revision: int = 0

    @property
    def slice(self) -> int:
        """The slice of `plane`."""
        return self.slices[self.plane]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A structure of the case's mask in a picture of one slice.

    `area_mm2` is of whole pixels on this slice; `center_xy` the centre of its pixels as shares of the picture's width
    and height, from the top left; `share` of the picture's area. `volume_ml` is of the whole structure, with
    `touches_edge` where the scan cuts it. `colour` is the one it is drawn in, `#rrggbb`.
    """

    label: int
    name: str
    area_mm2: float
    share: float
    center_xy: tuple[float, float]
    volume_ml: float | None = None
    touches_edge: bool = False
    colour: str = ""


@dataclass(frozen=True, kw_only=True)
class PictureFacts:
    """All that is kept of a picture beside its bytes; nothing that names a patient or a file.

    `sha256` is of the encoded bytes exactly as they are sent. `mm_per_px` is the same along both sides, None where it
    is not known. `structures` is None where there is no mask to tell. `burned_in` says why text in the picture is
    likely, None where nothing points to it. `legend` names the colours of an expert's picture. `notes` say what was
    done to the picture (`scaled down from 3000 x 2400 pixels`).
    """

    id: str
    owner: str
    created_at: str
    kind: PictureKind
    sha256: str
    media_type: str
    width_px: int
    height_px: int
    size_bytes: int
    provenance: Provenance
    modality: Modality | None = None
    mm_per_px: float | None = None
    view: PictureView | None = None
    structures: tuple[Shown, ...] | None = None
    burned_in: str | None = None
    legend: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def mark(self) -> Mark | None:
        """The words drawn into the picture."""
        return self.provenance.mark

    @property
    def base64_characters(self) -> int:
        """How long its base64 text is."""
        return 4 * ((self.size_bytes + 2) // 3)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored."""
        stored = asdict(self)
        stored["kind"] = self.kind.value
        stored["modality"] = self.modality.value if self.modality else None
        stored["provenance"] = self.provenance.to_json()
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        shown = stored["structures"]
        return cls(
            **{
                **stored,
                "kind": PictureKind(stored["kind"]),
                "modality": Modality(stored["modality"]) if stored["modality"] else None,
                "provenance": Provenance.from_json(stored["provenance"]),
                "view": PictureView(**stored["view"]) if stored["view"] else None,
                "structures": None
                if shown is None
                else tuple(Shown(**{**each, "center_xy": tuple(each["center_xy"])}) for each in shown),
                "notes": tuple(stored["notes"]),
            }
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture(Result):
    """A picture: its facts, and the encoded bytes (JPEG or PNG) that the preview shows and a model is sent."""

    facts: PictureFacts
    encoded: bytes = field(repr=False)
