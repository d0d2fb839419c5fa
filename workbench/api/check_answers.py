"""From a synthetic case and its judgement to the published answers."""

from __future__ import annotations

from workbench.api import check_schemas as schemas
from workbench.domain.case import Case
from workbench.domain.judgement import Judgement
from workbench.domain.organs import ORGANS


def synthesis_row(case: Case) -> schemas.SynthesisRow | None:
    """How a synthetic case came about; None for any other."""
    made = case.synthesis
    if made is None:
        return None
    return schemas.SynthesisRow(generation_id=made.generation, sample=made.sample, request=made.request.to_json())


def check_answer(case: Case, judgement: Judgement) -> schemas.CheckAnswer:
    """The answer of `POST /cases/{id}/check`."""
    return schemas.CheckAnswer(
        case_id=case.id,
        verdict=judgement.verdict,
        is_mock=judgement.is_mock,
        mocks=list(judgement.mocks),
        hu=[schemas.HuRow(**each.to_json()) for each in judgement.hu],
        agreement=[schemas.AgreementRow(**each.to_json()) for each in judgement.agreements],
        not_asked=[ORGANS[label].snake for label in judgement.not_asked],
        warnings=list(judgement.warnings),
        overlay_url=f"/cases/{case.id}/check/view" if judgement.agreements else None,
        provenance=judgement.provenance.to_json(),
    )
