"""The published field names of how a synthetic case came about, and of its check."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class SynthesisRow(BaseModel):
    """How a synthetic case came about: its generation, which sample it is (from 1), and the request."""

    generation_id: str
    sample: int
    request: dict[str, Any]


class HuRow(BaseModel):
    """The median HU of a structure, or of several taken together, against the band that a source gives."""

    name: str
    labels: list[int]
    median_hu: float
    low_hu: float
    high_hu: float
    is_within: bool
    voxel_count: int
    cite: str
    source_url: str


class AgreementRow(BaseModel):
    """One structure in MAISI's own label map (first) and in VISTA-3D's (second); mL, difference second minus first."""

    label: int
    name: str
    dice: float
    first_ml: float
    second_ml: float
    difference_ml: float
    difference_percent: float | None


class CheckAnswer(BaseModel):
    """What the check of a synthetic CT measured. With a mock on either side it is no verdict, and `verdict` says so."""

    case_id: str
    verdict: str
    is_mock: bool
    mocks: list[str] = Field(description="which sides are mocks")
    hu: list[HuRow]
    agreement: list[AgreementRow]
    not_asked: list[str] = Field(description="anatomies that VISTA-3D takes no request for")
    warnings: list[str]
    overlay_url: str | None = Field(description="manifest of the two-colour overlay")
    provenance: dict[str, Any]
