"""The published field names."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from workbench.api.check_schemas import CheckAnswer, SynthesisRow
from workbench.domain.nim import Mode

StateName = Literal["available", "cloud", "mock", "unavailable"]


class SegmentBody(BaseModel):
    """What VISTA-3D is asked for. Give `input_path` or `case_id`; neither means the bundled phantom."""

    input_path: str = Field("", description="a file or folder inside IMAGING_INPUT_DIRS; empty: the phantom")
    case_id: str = Field("", description="a case made before, in place of input_path")
    target_classes: list[str | int] | None = Field(
        None, description="names (left_kidney or left kidney) or ids; nothing means everything"
    )
    points: dict[str, list[tuple[int, int, int]]] | None = Field(
        None, description="clicks as voxel indices [i, j, k] of the volume, by structure; one structure a request"
    )
    series: int | None = Field(None, description="number of the series in an upload of several")


class OrganRow(BaseModel):
    """One measured structure. Volumes in mL, HU over its voxels, the centroid in mm RAS."""

    label: int
    name: str
    volume_ml: float
    voxel_count: int
    mean_hu: float
    std_hu: float
    min_hu: int
    max_hu: int
    centroid_ras_mm: list[float]
    extent_mm: list[float]
    touches_edge: bool
    side: str | None
    flags: list[str]


class SegmentAnswer(BaseModel):
    """A segmentation with its measurements and where it comes from."""

    case_id: str
    classes_detected: list[str]
    volumes: dict[str, float] = Field(description="mL by structure")
    num_classes: int
    inference_time_ms: float
    model: str
    is_mock: bool
    is_synthetic: bool = Field(description="a model drew the CT: no patient was scanned")
    fallback_reason: str | None
    organs: list[OrganRow]
    not_found: list[str]
    warnings: list[str]
    mask_url: str
    provenance: dict[str, Any]


class CheckStepRow(BaseModel):
    """One step of a contract check; `ok` is null where it was not tried or cannot be told. Wall time in ms."""

    step: str
    ok: bool | None
    detail: str
    ms: float | None


class LastCallRow(BaseModel):
    """The last real request to a NIM, and how it ended. Wall time in seconds."""

    at: str
    ok: bool
    detail: str
    elapsed_s: float


class TroubleRow(BaseModel):
    """The last error of a NIM, with its cure where there is one."""

    at: str
    message: str
    hint: str | None


class ServiceRow(BaseModel):
    """One NIM as a request would meet it now."""

    name: str
    title: str
    status: StateName
    url: str | None
    detail: str
    finer_state: str
    model: str | None
    version: str | None
    since: str | None = Field(description="when this state was first seen, ISO 8601")
    starting_s: float | None = Field(description="seconds for which it has been starting")
    latency_ms: float | None = Field(description="of the last look at whether it is ready")
    goes_to: str = Field(description="where a request made now goes")
    hint: str | None
    curl: str | None = Field(description="a line to ask it by hand; holds no key")
    checks: list[CheckStepRow] = Field(description="steps of the last contract check")
    checked_at: str | None = Field(description="when that check ended; null while it runs, and before the first")
    last_call: LastCallRow | None
    last_error: TroubleRow | None


class CheckRow(BaseModel):
    """The contract check that runs, or the last one: how many services are done."""

    number: int
    mode: str
    running: bool
    started_at: str
    ended_at: str | None
    done: int
    of: int


class ModeBody(BaseModel):
    """The mode wanted for this visit."""

    mode: Mode


class ModeAnswer(BaseModel):
    """The mode of this visit and of the process, and whether this request's sender may switch it."""

    mode: Mode
    process_mode: Mode
    may_switch: bool


class StatusAnswer(BaseModel):
    """The four services in this visit's mode; `helpers` are the embedding and reranking NIMs where configured."""

    services: list[ServiceRow]
    available_count: int
    mock_count: int
    unavailable_count: int
    cloud_count: int
    mode: Mode
    process_mode: Mode
    may_switch: bool
    helpers: list[ServiceRow]
    check: CheckRow | None


class HealthAnswer(BaseModel):
    """Whether this process is up, and who answers behind it."""

    status: str
    collections: dict[str, int]
    total_vectors: int
    nim_services: dict[str, StateName]
    version: str


class JobAnswer(BaseModel):
    """A job as it stands. `fraction` runs 0..1 over the present stage, null where it cannot be known."""

    job_id: str
    kind: str
    case_id: str
    state: Literal["running", "done", "failed", "cancelled"]
    stage: str
    fraction: float | None
    elapsed_s: float
    error: str | None
    hint: str | None
    trace_id: str | None


class SeriesRow(BaseModel):
    """One series of an upload."""

    number: int
    description: str
    modality: str
    size: list[int]
    spacing_mm: list[float] | None
    slices: int
    likeliest: bool
    usable: bool
    why_not: str | None


class CaseAnswer(BaseModel):
    """A case: the volume's facts, its results and where to fetch them."""

    case_id: str
    state: Literal["reading", "choosing", "ready"]
    source: str
    created_at: str
    is_mock: bool
    is_synthetic: bool
    series: list[SeriesRow]
    report: dict[str, Any] | None
    provenance: dict[str, Any] | None
    segmentation: SegmentAnswer | None
    synthesis: SynthesisRow | None
    check: CheckAnswer | None
    job: JobAnswer | None
    links: dict[str, str]


class OpenAnswer(BaseModel):
    """A case that is being read, and the job that reads it."""

    case_id: str
    job_id: str


class Deleted(BaseModel):
    """What was erased."""

    deleted: str
