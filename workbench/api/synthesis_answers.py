"""From generations and judgements to the published answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from workbench.api import synthesis_schemas as schemas
from workbench.api.answers import job_answer, organ_row
from workbench.domain.case import Case, JobView
from workbench.domain.errors import NotFound, StateConflict
from workbench.domain.generation import Generation
from workbench.domain.memory import Plan
from workbench.domain.nim import NimStatus
from workbench.domain.organs import ORGANS
from workbench.domain.synthesis import BrokenRule, Forecast, SynthesisRequest
from workbench.usecases.preflight import Preflight


def preflight_answer(flight: Preflight, told: Sequence[str], *, answering: NimStatus | None) -> schemas.PreflightAnswer:
    """The answer of `POST /nim/maisi/preflight` for a request that could be read."""
    return schemas.PreflightAnswer(
        allowed=flight.is_allowed,
        rules=[rule_row(each, flight.request) for each in flight.rules],
        request=flight.request.to_json(),
        nearest=flight.nearest.to_json() if flight.nearest else None,
        warnings=list(told),
        forecast=_forecast_row(flight.forecast) if flight.forecast else None,
        fit=_fit_row(flight.plan) if flight.plan else None,
        free_disk_mb=round(flight.free_mb),
        fits_disk=flight.fits_disk,
        answering=schemas.AnsweringRow(status=answering.published_state.value, detail=answering.detail)
        if answering
        else None,
    )


def unreadable_answer(rules: Sequence[BrokenRule]) -> schemas.PreflightAnswer:
    """The answer of `POST /nim/maisi/preflight` for a request that could not be read."""
    return schemas.PreflightAnswer(
        allowed=False,
        rules=[rule_row(each) for each in rules],
        request=None,
        nearest=None,
        warnings=[],
        forecast=None,
        fit=None,
        free_disk_mb=None,
        fits_disk=None,
        answering=None,
    )


def rule_row(rule: BrokenRule, request: SynthesisRequest | None = None) -> schemas.RuleRow:
    """One broken rule, with the request that keeps it where one is known."""
    repaired = request.with_(**rule.change).to_json() if request is not None and rule.change else None
    return schemas.RuleRow(**rule.to_json(), repaired=repaired)


def generation_row(generation: Generation) -> schemas.GenerationRow:
    """One line of `GET /nim/maisi/generations`."""
    return schemas.GenerationRow(
        generation_id=generation.id,
        created_at=generation.created_at,
        state=generation.state.value,
        request=generation.request.to_json(),
        cases=list(generation.cases),
        elapsed_s=None if generation.elapsed_s is None else round(generation.elapsed_s, 1),
        error=generation.error,
        hint=generation.hint,
        is_mock=generation.provenance.is_mock if generation.provenance else None,
    )


def generation_answer(generation: Generation, cases: Sequence[Case], job: JobView | None) -> schemas.GenerationAnswer:
    """The answer of `GET /nim/maisi/generations/{id}`."""
    return schemas.GenerationAnswer(
        **generation_row(generation).model_dump(),
        job=job_answer(job) if job else None,
        answer=generate_answer(generation, cases) if generation.provenance else None,
    )


def generate_answer(generation: Generation, cases: Sequence[Case]) -> schemas.GenerateAnswer:
    """The answer of `POST /nim/maisi/generate` for a generation that is done."""
    made = generation.provenance
    if made is None or generation.numbering is None:
        raise StateConflict("Nothing was made of this request yet.", hint="Wait until it is done.")
    samples = [_sample_row(case) for case in cases]
    said = [text for case in cases if case.measurements for text in case.measurements.warnings]
    size = "x".join(map(str, generation.request.output_size))
    return schemas.GenerateAnswer(
        resolution=str(generation.echo.get("resolution") or size),
        body_region=generation.echo.get("body_region") or list(generation.request.body_region),
        num_classes_annotated=len({row.label for sample in samples for row in sample.organs}),
        generation_time_ms=round((generation.elapsed_s or 0.0) * 1000, 1),
        model="maisi",
        is_mock=made.is_mock,
        fallback_reason=made.stands_in_because,
        cases=samples,
        warnings=list(dict.fromkeys([*generation.told, *generation.warnings, *said])),
        provenance=made.to_json(),
        generation_id=generation.id,
        request=generation.request.to_json(),
        numbering=generation.numbering,
    )


def _sample_row(case: Case) -> schemas.SampleRow:
    if case.report is None or case.measurements is None or case.segmentation is None:
        raise NotFound("This case was deleted.")
    return schemas.SampleRow(
        case_id=case.id,
        image_url=f"/cases/{case.id}/image.nii.gz",
        mask_url=f"/cases/{case.id}/mask.nii.gz",
        size=list(case.report.size),
        spacing_mm=[round(each, 6) for each in case.report.spacing_mm],
        organs=[organ_row(each) for each in case.measurements.organs],
        not_found=[ORGANS[label].snake for label in case.segmentation.not_found],
    )


def _forecast_row(costs: Forecast) -> schemas.ForecastRow:
    return schemas.ForecastRow(**{name: _plain(value) for name, value in asdict(costs).items()})


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _fit_row(plan: Plan) -> schemas.FitRow:
    return schemas.FitRow(
        machine=plan.machine.name,
        fit=plan.fit.value,
        low_gb=plan.low_gb,
        high_gb=plan.high_gb,
        available_gb=plan.available_gb,
        notes=list(plan.notes),
    )
