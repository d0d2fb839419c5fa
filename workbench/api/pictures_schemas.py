"""The published field names of pictures."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class WindowChoice(BaseModel):
    """A display window, in HU."""

    center: float
    width: float


class PictureBody(BaseModel):
    """Which view of a case becomes a picture. A picture file is sent as a form instead, in the field `file`."""

    case_id: str = Field(description="a case whose volume is read")
    plane: str = Field("axial", description="axial, coronal or sagittal; of a mosaic the one to return to")
    slice: int | None = Field(
        None, description="from 1; without it the slice that shows most structures, or the middle"
    )
    slices: dict[str, int] | None = Field(
        None, description="of a mosaic: the slice of each plane, each may be left out"
    )
    window: str | WindowChoice | None = Field(
        None,
        description="a name (lung), “center,width” or both as an object, in HU; without it soft tissue, 50 / 400, "
        "which the model expects",
    )
    overlay: bool = Field(False, description="draw the case's mask over the slice")
    mosaic: bool = Field(False, description="all three planes side by side")
    labels: list[str | int] | None = Field(
        None, description="structures that the overlay shows, by name or id; without it every one"
    )
    safe: bool = Field(False, description="colours that people with colour vision deficiencies tell apart")


class WindowRow(BaseModel):
    """A window in HU; `name` where it has a usual one."""

    name: str | None
    center: float
    width: float


class ShownRow(BaseModel):
    """A structure on the slice, as the mask has it: no reading of the picture."""

    label: int
    name: str
    area_mm2: float = Field(description="of whole pixels on this slice")
    share: float = Field(description="of the slice's area, 0..1")
    center_xy: tuple[float, float] = Field(
        description="shares of the slice's width and height from its top left, the frame of a mark left out"
    )
    volume_ml: float | None = Field(description="of the whole structure, where the case is measured")
    touches_edge: bool = Field(description="the scan cuts it: the volume is a lower bound")
    colour: str


class PictureAnswer(BaseModel):
    """A picture that can be asked about. The bytes at `url` are the ones that are sent, `sha256` is their digest."""

    id: str
    url: str
    kind: Literal["upload", "view", "mosaic", "expert"]
    created_at: str
    sha256: str
    media_type: str
    width_px: int
    height_px: int
    size_bytes: int
    modality: Literal["CT", "MRI", "CXR"] | None = Field(description="as far as the file tells; null where it does not")
    mm_per_px: float | None = Field(description="along both sides; null where it is not known")
    mark: str | None = Field(description="the words drawn into the picture: MOCK, SYNTHETIC")
    is_mock: bool
    is_synthetic: bool
    case_id: str | None
    plane: str | None
    slice: int | None
    slices: dict[str, int] | None = Field(description="the slice of each plane shown")
    window: WindowRow | None
    overlay: bool
    revision: int | None = Field(description="of the case's mask when the picture was drawn; 0 without one")
    structures: list[ShownRow] | None = Field(
        description="what the mask has on this slice; null without a mask, and in a mosaic"
    )
    burned_in: str | None = Field(description="why text is likely to stand in the picture; null where nothing says so")
    legend: str | None = Field(description="the colours of an expert's picture")
    notes: list[str] = Field(description="what was done to the picture")
    sent_as: Literal["inline", "asset"] = Field(
        description="how it would travel to a model now: in the request, or uploaded beside it for the hosted catalogue"
    )
    provenance: dict[str, Any]
