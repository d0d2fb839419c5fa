"""Cases and the jobs that run on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from workbench.domain.judgement import Judgement
from workbench.domain.provenance import Mark, Provenance, mark_of
from workbench.domain.segmentation import Measurements
from workbench.domain.synthesis import SynthesisRequest
from workbench.domain.volume import CtReport, Series


class CaseState(StrEnum):
    """Where a case is on its way."""

    READING = "reading"
    CHOOSING = "choosing"
    READY = "ready"


class Source(StrEnum):
    """How a case's volume came here."""

    UPLOAD = "upload"
    DEMO = "demo"
    FOLDER = "folder"
    SYNTHETIC = "synthetic"


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who is asking: the owner of what they make. The API key reaches everyone's cases."""

    owner: str
    reaches_all: bool = False

    def may_reach(self, owner: str) -> bool:
        """Whether something of `owner` is theirs to see."""
        return self.reaches_all or self.owner == owner


@dataclass(frozen=True, kw_only=True)
class SegmentationRecord:
    """What is kept of a segmentation beside its label array. Label ids; `asked` is None for everything.

    `revision` counts up with each new mask of the case.
    """

    asked: tuple[int, ...] | None
    not_found: tuple[int, ...]
    warnings: tuple[str, ...]
    provenance: Provenance
    revision: int

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored with the case."""
        return {
            "asked": None if self.asked is None else list(self.asked),
            "not_found": list(self.not_found),
            "warnings": list(self.warnings),
            "provenance": self.provenance.to_json(),
            "revision": self.revision,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(
            asked=None if stored["asked"] is None else tuple(stored["asked"]),
            not_found=tuple(stored["not_found"]),
            warnings=tuple(stored["warnings"]),
            provenance=Provenance.from_json(stored["provenance"]),
            revision=stored["revision"],
        )


@dataclass(frozen=True, kw_only=True)
class SynthesisRecord:
    """What is kept of how a synthetic CT came about: its generation's id, which sample it is (from 1), the request."""

    generation: str
    sample: int
    request: SynthesisRequest

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored with the case."""
        return {"generation": self.generation, "sample": self.sample, "request": self.request.to_json()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        request = SynthesisRequest.from_json(stored["request"])
        return cls(generation=stored["generation"], sample=stored["sample"], request=request)


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A CT and everything made from it. Arrays lie in files beside it, never in here.

    `affine_ras_mm` is row by row, 16 numbers; None, like `report` and `provenance`, until the volume is read.
    `synthesis` is how a synthetic CT came about, `judgement` what the check of it measured.
    """

    id: str
    owner: str
    created_at: str
    source: Source
    state: CaseState
    series: tuple[Series, ...] = ()
    series_number: int | None = None
    report: CtReport | None = None
    provenance: Provenance | None = None
    affine_ras_mm: tuple[float, ...] | None = None
    segmentation: SegmentationRecord | None = None
    measurements: Measurements | None = None
    job_id: str | None = None
    synthesis: SynthesisRecord | None = None
    judgement: Judgement | None = None

    @property
    def revision(self) -> int:
        """0 without a mask; counts up with each one."""
        return self.segmentation.revision if self.segmentation else 0

    @property
    def is_mock(self) -> bool:
        """Whether the volume or the mask on it is invented."""
        made = self.segmentation.provenance if self.segmentation else self.provenance
        return made is not None and made.is_mock

    @property
    def is_synthetic(self) -> bool:
        """Whether a model drew the volume."""
        return self.provenance is not None and self.provenance.is_synthetic

    @property
    def mark(self) -> Mark | None:
        """The words to draw into every picture of the case as it stands."""
        return mark_of(
            *(each for each in (self.provenance, self.segmentation and self.segmentation.provenance) if each)
        )

    @property
    def name_mark(self) -> str:
        """The mark as the end of a file's name: `-MOCK`, `-MOCK-SYNTHETIC`; empty without one."""
        return f"-{self.mark.replace(' ', '-')}" if self.mark else ""

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields replaced."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored."""
        return {
            "id": self.id,
            "owner": self.owner,
            "created_at": self.created_at,
            "source": str(self.source),
            "state": str(self.state),
            "series": [asdict(each) for each in self.series],
            "series_number": self.series_number,
            "report": self.report.to_json() if self.report else None,
            "provenance": self.provenance.to_json() if self.provenance else None,
            "affine_ras_mm": list(self.affine_ras_mm) if self.affine_ras_mm else None,
            "segmentation": self.segmentation.to_json() if self.segmentation else None,
            "measurements": self.measurements.to_json() if self.measurements else None,
            "job_id": self.job_id,
            "synthesis": self.synthesis.to_json() if self.synthesis else None,
            "judgement": self.judgement.to_json() if self.judgement else None,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(
            id=stored["id"],
            owner=stored["owner"],
            created_at=stored["created_at"],
            source=Source(stored["source"]),
            state=CaseState(stored["state"]),
            series=tuple(_series(each) for each in stored["series"]),
            series_number=stored["series_number"],
            report=CtReport.from_json(stored["report"]) if stored["report"] else None,
            provenance=Provenance.from_json(stored["provenance"]) if stored["provenance"] else None,
            affine_ras_mm=tuple(stored["affine_ras_mm"]) if stored["affine_ras_mm"] else None,
            segmentation=SegmentationRecord.from_json(stored["segmentation"]) if stored["segmentation"] else None,
            measurements=Measurements.from_json(stored["measurements"]) if stored["measurements"] else None,
            job_id=stored["job_id"],
            # Absent in what was stored before there were synthetic cases.
            synthesis=SynthesisRecord.from_json(stored["synthesis"]) if stored.get("synthesis") else None,
            judgement=Judgement.from_json(stored["judgement"]) if stored.get("judgement") else None,
        )


def _series(stored: Mapping[str, Any]) -> Series:
    kept: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in stored.items()}
    return Series(**kept)


class JobState(StrEnum):
    """Where a job is on its way."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as it stands now. `fraction` runs 0..1 over the present stage; `elapsed_s` is since its start.

    `trace_id` of a failed job is the id under which the logs tell of it.
    """

    id: str
    kind: str
    case_id: str
    state: JobState
    stage: str
    fraction: float | None
    elapsed_s: float
    error: str | None = None
    hint: str | None = None
    trace_id: str | None = None

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.state is JobState.RUNNING
