"""The published field names of what MAISI is asked for and answers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from workbench.api.schemas import JobAnswer, OrganRow

StateWord = Literal["running", "done", "failed", "cancelled"]


class GenerateBody(BaseModel):
    """What MAISI is asked for, as the published guide's clients or MAISI's own write it; numbers may come as text."""

    body_region: str | list[str] | None = Field(
        None, description="head, chest (thorax), abdomen, pelvis (lower); needed unless organ sizes are given"
    )
    resolution: str | None = Field(None, description="voxels as 512x512x512; or output_size")
    output_size: list[int] | str | None = Field(None, description="voxels [x, y, z]; x = y")
    spacing: list[float] | str | None = Field(None, description="mm [x, y, z]; without it one that suits the size")
    anatomy_list: list[str] | str | None = Field(
        None, description="names (left_kidney or left kidney); without it those that any CT of the region shows"
    )
    controllable_anatomy_size: list[tuple[str, float]] | dict[str, float] | str | None = Field(
        None, description="at most 10 pairs of a name and 0..1, or -1 to leave it out; overrides region and list"
    )
    num_output_samples: int | str | None = Field(None, description="how many CTs, 1 to 10")
    num_classes: int | str | None = Field(None, description="taken from the guide's clients: so many anatomies")


class RuleRow(BaseModel):
    """A rule that a request breaks; `blocks` is false for advice. `repaired` is the request that keeps this rule."""

    field: str
    rule: str
    message: str
    nearest: str
    blocks: bool
    suggestions: list[str]
    repaired: dict[str, Any] | None = None


class ForecastRow(BaseModel):
    """What a request costs. Memory in GB, time in seconds on the GPU named, field of view in mm, result in MB."""

    memory_low_gb: float
    memory_high_gb: float
    memory_size: list[int]
    memory_is_exact: bool
    memory_source: str
    memory_source_url: str
    seconds: float
    seconds_gpu: str
    seconds_source: str
    field_of_view_mm: list[float]
    result_mb: float


class FitRow(BaseModel):
    """Whether the memory forecast is to be had on a machine; GB."""

    machine: str
    fit: Literal["fits", "tight", "does not fit", "unknown"]
    low_gb: float
    high_gb: float
    available_gb: float | None
    notes: list[str]


class AnsweringRow(BaseModel):
    """Who would answer now."""

    status: str
    detail: str


class PreflightAnswer(BaseModel):
    """A request held against every rule before anything is sent.

    `request` is as it was understood, null where it cannot be read; `nearest` is the allowed request nearest to it,
    null where it is allowed itself or cannot be read.
    """

    allowed: bool
    rules: list[RuleRow]
    request: dict[str, Any] | None
    nearest: dict[str, Any] | None
    warnings: list[str] = Field(description="what was translated on the way")
    forecast: ForecastRow | None
    fit: FitRow | None
    free_disk_mb: float | None
    fits_disk: bool | None = Field(description="whether the result finds room here while it is read")
    answering: AnsweringRow | None = Field(description="null until the first look at the NIM is done")


class SampleRow(BaseModel):
    """One sample as a case. The grid is the one that was made: a mock's may be smaller than asked for."""

    case_id: str
    image_url: str
    mask_url: str
    size: list[int]
    spacing_mm: list[float]
    organs: list[OrganRow]
    not_found: list[str]


class GenerateAnswer(BaseModel):
    """The samples that were made and where they come from."""

    resolution: str = Field(description="as requested; the true grid stands with each case")
    body_region: str | list[str]
    num_classes_annotated: int = Field(description="structures found in the masks, over all samples")
    generation_time_ms: float
    model: str
    is_mock: bool
    fallback_reason: str | None
    cases: list[SampleRow]
    warnings: list[str]
    provenance: dict[str, Any]
    generation_id: str
    request: dict[str, Any]
    numbering: str = Field(description="how the values of MAISI's mask were found to name anatomies")


class GenerationRow(BaseModel):
    """A generation and how it stands; the request stays whatever became of it."""

    generation_id: str
    created_at: str
    state: StateWord
    request: dict[str, Any]
    cases: list[str]
    elapsed_s: float | None
    error: str | None
    hint: str | None
    is_mock: bool | None


class GenerationAnswer(GenerationRow):
    """One generation, its job while it is remembered, and its answer once there is one."""

    job: JobAnswer | None
    answer: GenerateAnswer | None


class GenerationsAnswer(BaseModel):
    """The generations of a visit, newest first."""

    generations: list[GenerationRow]
