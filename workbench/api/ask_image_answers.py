"""From answers about pictures to their published form."""

from __future__ import annotations

from typing import Any

from workbench.api import ask_image_schemas as schemas
from workbench.api.pictures_answers import picture_answer, picture_url, window_row
from workbench.domain.dialogue import Token
from workbench.domain.experts import Trigger
from workbench.domain.image_dialogue import (
    Begun,
    ExpertRead,
    ExpertReading,
    ImageAnswer,
    ImageAnswered,
    ImageEvent,
    Working,
)
from workbench.domain.nim import Mode
from workbench.domain.picture import PictureFacts


def analyze_answer(answer: ImageAnswer, mode: Mode) -> schemas.AnalyzeAnswer:
    """The whole answer, for a visitor in this mode."""
    made, about, expert = answer.provenance, answer.picture, answer.expert
    return schemas.AnalyzeAnswer(
        question=answer.question,
        answer=answer.text,
        model=made.model,
        is_mock=answer.is_mock,
        is_synthetic=answer.is_synthetic,
        fallback_reason=made.stands_in_because,
        image=image_row(about),
        inference_time_ms=round(answer.timings_ms.get("total", 0.0), 1),
        timings_ms={name: round(value, 1) for name, value in answer.timings_ms.items()},
        finish=answer.finish.value if answer.finish else None,
        prompt=answer.prompt,
        sent_as=answer.sent_as.value,
        trigger=schemas.TriggerRow(expert=answer.trigger.expert.value, argument=answer.trigger.argument)
        if isinstance(answer.trigger, Trigger)
        else None,
        offer=answer.offer,
        can_run=answer.can_run,
        expert=expert_row(expert, mode) if expert else None,
        notices=list(answer.notices),
        warnings=[*filter(None, [about.burned_in]), *(expert.warnings if expert else ())],
        case_id=about.view.case_id if about.view else None,
        provenance=made.to_json(),
    )


def image_row(facts: PictureFacts) -> schemas.ImageRow:
    """A picture as an answer names it."""
    view = facts.view
    return schemas.ImageRow(
        sha256=facts.sha256,
        plane=view.plane if view else None,
        slice=view.slice if view else None,
        window=window_row(view) if view else None,
        picture_id=facts.id,
        url=picture_url(facts),
        kind=facts.kind.value,
        media_type=facts.media_type,
        width_px=facts.width_px,
        height_px=facts.height_px,
        size_bytes=facts.size_bytes,
        slices=dict(view.slices) if view else None,
        overlay=view.overlay if view else False,
        revision=view.revision if view else None,
        modality=facts.modality.value if facts.modality else None,
        mark=facts.mark,
        legend=facts.legend,
        notes=list(facts.notes),
    )


def expert_row(reading: ExpertReading, mode: Mode) -> schemas.ExpertRow:
    """What an expert gave."""
    made = reading.provenance
    return schemas.ExpertRow(
        expert=reading.trigger.expert.value,
        argument=reading.trigger.argument,
        picture=picture_answer(reading.picture, mode),
        legend=reading.legend,
        not_found=list(reading.not_found),
        warnings=list(reading.warnings),
        is_mock=reading.is_mock,
        model=made.model,
        fallback_reason=made.stands_in_because,
        provenance=made.to_json(),
    )


def event(told: ImageEvent, mode: Mode) -> tuple[str, dict[str, Any]]:
    """The name and the content of a server-sent event."""
    match told:
        case Token():
            return "token", {"text": told.text}
        case Begun():
            made = told.provenance
            return "begun", {
                "model": made.model,
                "is_mock": made.is_mock,
                "fallback_reason": made.stands_in_because,
                "prompt": told.prompt,
                "sent_as": told.sent_as.value,
                "provenance": made.to_json(),
            }
        case Working():
            return "working", {"stage": told.stage, "fraction": told.fraction}
        case ExpertRead():
            return "expert", expert_row(told.reading, mode).model_dump(mode="json")
        case ImageAnswered():
            return "done", analyze_answer(told.answer, mode).model_dump(mode="json")
