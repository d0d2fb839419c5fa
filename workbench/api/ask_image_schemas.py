"""The published field names of questions about pictures."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from workbench.api.chat_schemas import SamplingBody, TurnBody
from workbench.api.pictures_schemas import PictureAnswer, PictureBody, WindowRow

ModalityName = Literal["CT", "MRI", "CXR"]


class ImageSamplingBody(SamplingBody):
    """How the model chooses words; the defaults are those of VILA-M3's own demo."""

    max_tokens: int = Field(1024, ge=16, le=8192)


class _About(BaseModel):
    """What every question about a picture has."""

    question: str = Field(description="at most 4,000 characters")
    modality: ModalityName | None = Field(None, description="what made the picture; empty: what is known of it")
    history: list[TurnBody] = Field(
        default_factory=list, max_length=200, description="the talk about this picture before, oldest first"
    )
    sampling: ImageSamplingBody = Field(default_factory=ImageSamplingBody)
    stream: bool = Field(False, description="server-sent events: begun, working, expert, token, done, error")

    @field_validator("modality", mode="before")
    @classmethod
    def _empty_is_unknown(cls, value: Any) -> Any:
        return value or None

    @field_validator("sampling", "history", mode="before")
    @classmethod
    def _none_is_nothing(cls, value: Any, info: Any) -> Any:
        return ([] if info.field_name == "history" else {}) if value is None else value


class AnalyzeBody(PictureBody, _About):
    """A question, and the picture it is about: `picture_id`, or `case_id` or `input_path` with a view of it.

    None of them means the bundled phantom. Of a picture file only `window` holds, for a DICOM CT slice.
    """

    case_id: str = Field("", description="an open case, in place of input_path")
    input_path: str = Field("", description="a picture or CT inside IMAGING_INPUT_DIRS; empty: the phantom's slice")
    picture_id: str = Field("", description="a picture made before (POST /pictures), in place of both")
    series: int | None = Field(None, description="number of the series in an upload of several")


class ExpertBody(_About):
    """The person's yes to what the model called for: VISTA-3D on the case behind a picture."""

    picture_id: str
    question: str = Field(description="the question that led to the call")
    argument: str = Field(description="what the model called for, such as hepatic tumor")


class ImageRow(BaseModel):
    """The picture that an answer is pinned to. `sha256` is of the bytes that `url` gives; slices count from 1."""

    sha256: str
    plane: str | None
    slice: int | None
    window: WindowRow | None
    picture_id: str
    url: str
    kind: str
    media_type: str
    width_px: int
    height_px: int
    size_bytes: int
    slices: dict[str, int] | None
    overlay: bool
    revision: int | None
    modality: str | None
    mark: str | None
    legend: str | None
    notes: list[str]


class TriggerRow(BaseModel):
    """An expert that the model calls for."""

    expert: str
    argument: str


class ExpertRow(BaseModel):
    """What an expert gave: the coloured slice, the colours' legend, and what it looked for in vain."""

    expert: str
    argument: str
    picture: PictureAnswer
    legend: str
    not_found: list[str]
    warnings: list[str]
    is_mock: bool
    model: str
    fallback_reason: str | None
    provenance: dict[str, Any]


class AnalyzeAnswer(BaseModel):
    """An answer pinned to its picture. `confidence` is never given: the model gives none.

    `offer` says what `trigger` would run, or why nothing can be; only where `can_run` may `POST /nim/vilam3/expert`
    follow, after a person's yes. `prompt` is what was sent, word for word, empty where nothing was.
    """

    question: str
    answer: str
    model: str
    is_mock: bool
    is_synthetic: bool = Field(description="a model drew the picture's CT: no patient was scanned")
    fallback_reason: str | None
    confidence: None = None
    image: ImageRow
    inference_time_ms: float
    timings_ms: dict[str, float]
    finish: str | None
    prompt: str
    sent_as: str
    trigger: TriggerRow | None
    offer: str
    can_run: bool
    expert: ExpertRow | None
    notices: list[str]
    warnings: list[str]
    case_id: str | None
    provenance: dict[str, Any]


class ImageExchangeBody(BaseModel):
    """A question with its answer as it was published."""

    question: str = Field(max_length=100_000)
    answer: AnalyzeAnswer


class ImageExportBody(BaseModel):
    """A talk about pictures as the page holds it."""

    format: Literal["html", "md", "json"]
    exchanges: list[ImageExchangeBody] = Field(min_length=1, max_length=200)
