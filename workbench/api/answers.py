"""From nouns to the published answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from workbench.api import schemas
from workbench.api.check_answers import check_answer, synthesis_row
from workbench.domain.case import Case, CaseState, JobView
from workbench.domain.errors import StateConflict
from workbench.domain.nim import ROUTED, NimStatus, Service, State
from workbench.domain.organs import ORGANS
from workbench.domain.segmentation import OrganVolume
from workbench.usecases.check_now import CheckRun
from workbench.usecases.library_counts import Counts

DOWNLOADS = ("image.nii.gz", "mask.nii.gz", "volumes.csv", "volumes.json", "view.png")


def organ_row(organ: OrganVolume) -> schemas.OrganRow:
    """One row of `organs`."""
    return schemas.OrganRow(
        label=organ.label,
        name=organ.snake,
        volume_ml=round(organ.volume_ml, 6),
        voxel_count=organ.voxel_count,
        mean_hu=round(organ.mean_hu, 4),
        std_hu=round(organ.std_hu, 4),
        min_hu=organ.min_hu,
        max_hu=organ.max_hu,
        centroid_ras_mm=[round(each, 3) for each in organ.centroid_ras_mm],
        extent_mm=[round(each, 3) for each in organ.extent_mm],
        touches_edge=organ.touches_edge,
        side=organ.side,
        flags=list(organ.flags),
    )


def segment_answer(case: Case) -> schemas.SegmentAnswer:
    """The answer of `POST /nim/vista3d/segment` for a case's present segmentation."""
    record, measured, report = case.segmentation, case.measurements, case.report
    if record is None or measured is None or report is None:
        raise StateConflict("This case has no segmentation yet.", hint="Run the segmentation first.")
    rows = [organ_row(each) for each in measured.organs]
    made = record.provenance
    return schemas.SegmentAnswer(
        case_id=case.id,
        classes_detected=[row.name for row in rows],
        volumes={row.name: row.volume_ml for row in rows},
        num_classes=len(rows),
        inference_time_ms=round((made.elapsed_s or 0.0) * 1000, 1),
        model="vista3d",
        is_mock=measured.is_mock,
        is_synthetic=measured.is_synthetic,
        fallback_reason=made.stands_in_because,
        organs=rows,
        not_found=[ORGANS[label].snake for label in record.not_found],
        warnings=[*_about_series(case), *report.notes, *report.warnings, *record.warnings, *measured.warnings],
        mask_url=f"/cases/{case.id}/mask.nii.gz",
        provenance=measured.provenance.to_json(),
    )


def case_answer(case: Case, job: JobView | None) -> schemas.CaseAnswer:
    """The answer of `GET /cases/{id}`."""
    names: tuple[str, ...] = ()
    if case.state is CaseState.READY:
        names = DOWNLOADS if case.segmentation else ("image.nii.gz", "view.png")
    return schemas.CaseAnswer(
        case_id=case.id,
        state=case.state.value,
        source=case.source.value,
        created_at=case.created_at,
        is_mock=case.is_mock,
        is_synthetic=case.is_synthetic,
        series=[schemas.SeriesRow(**_plain(asdict(each)), usable=each.usable) for each in case.series],
        report=case.report.to_json() if case.report else None,
        provenance=case.provenance.to_json() if case.provenance else None,
        segmentation=segment_answer(case) if case.segmentation else None,
        synthesis=synthesis_row(case),
        check=check_answer(case, case.judgement) if case.judgement else None,
        job=job_answer(job) if job else None,
        links={name: f"/cases/{case.id}/{name}" for name in names},
    )


def job_answer(job: JobView) -> schemas.JobAnswer:
    """The answer of `GET /jobs/{id}`."""
    return schemas.JobAnswer(
        job_id=job.id,
        kind=job.kind,
        case_id=job.case_id,
        state=job.state.value,
        stage=job.stage,
        fraction=job.fraction,
        elapsed_s=round(job.elapsed_s, 1),
        error=job.error,
        hint=job.hint,
        trace_id=job.trace_id,
    )


def status_answer(
    statuses: tuple[NimStatus, ...],
    *,
    mode: schemas.ModeAnswer,
    check: CheckRun | None,
) -> schemas.StatusAnswer:
    """The answer of `GET /nim/status`."""
    four = [each for each in statuses if each.service in ROUTED]
    count = {state: sum(each.published_state is state for each in four) for state in State}
    return schemas.StatusAnswer(
        services=[_service_row(each) for each in four],
        available_count=count[State.AVAILABLE],
        mock_count=count[State.MOCK],
        unavailable_count=count[State.UNAVAILABLE],
        cloud_count=count[State.CLOUD],
        mode=mode.mode,
        process_mode=mode.process_mode,
        may_switch=mode.may_switch,
        helpers=[_service_row(each) for each in statuses if each.service not in ROUTED],
        check=check
        and schemas.CheckRow(
            number=check.number,
            mode=check.mode.value,
            running=check.running,
            started_at=check.started_at,
            ended_at=check.ended_at,
            done=check.done,
            of=check.of,
        ),
    )


def _service_row(status: NimStatus) -> schemas.ServiceRow:
    steps = status.check.steps if status.check else ()
    return schemas.ServiceRow(
        name=status.service.value,
        title=status.service.display_name,
        status=_published(status.published_state),
        url=status.url,
        detail=status.detail,
        finer_state=status.state.value,
        model=status.model,
        version=status.version,
        since=status.since,
        starting_s=_rounded(status.starting_s, 0),
        latency_ms=_rounded(status.latency_ms, 1),
        goes_to=status.goes_to,
        hint=status.hint,
        curl=status.curl,
        checks=[
            schemas.CheckStepRow(step=each.step, ok=each.ok, detail=each.detail, ms=_rounded(each.ms, 1))
            for each in steps
        ],
        checked_at=status.check.ended_at if status.check else None,
        last_call=schemas.LastCallRow(**asdict(status.last_call)) if status.last_call else None,
        last_error=schemas.TroubleRow(**asdict(status.last_error)) if status.last_error else None,
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def health_answer(states: dict[Service, State], counts: Counts, version: str) -> schemas.HealthAnswer:
    """The answer of `GET /health`; degraded where the library cannot be reached and the rest goes on."""
    return schemas.HealthAnswer(
        status="healthy" if counts.reachable else "degraded",
        collections=dict(counts.by_collection),
        total_vectors=counts.total,
        nim_services={service.value: _published(state) for service, state in states.items()},
        version=version,
    )


def _published(state: State) -> schemas.StateName:
    names: dict[State, schemas.StateName] = {
        State.AVAILABLE: "available",
        State.CLOUD: "cloud",
        State.MOCK: "mock",
    }
    return names.get(state, "unavailable")


def _about_series(case: Case) -> list[str]:
    others = [each for each in case.series if each.number != case.series_number]
    if not others:
        return []
    named = ", ".join(
        f"{each.number} “{each.description or each.modality}”{'' if each.usable else f' ({each.why_not})'}"
        for each in others
    )
    return [f"The upload holds other series, not used here: {named}."]


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
