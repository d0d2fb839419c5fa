"""What becomes of a model's call for an expert: an offer to the person, or why there is none. Nothing runs unasked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from workbench.domain.errors import InvalidRequest
from workbench.domain.experts import EVERYTHING, VISTA3D_ARGUMENTS, BadTrigger, Expert, Trigger, parse_trigger
from workbench.domain.organs import ORGANS

_ELSEWHERE: Mapping[Expert, str] = {
    Expert.BRATS: "BRATS, which outlines brain tumours on four MRI series",
    Expert.CXR: "CXR, which sorts chest X-rays into findings",
    Expert.VISTA2D: "VISTA2D, which outlines cells in microscope pictures",
}


class Behind(StrEnum):
    """What lies behind a picture."""

    VOLUME = "volume"
    GONE = "gone"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What the model calls for, a sentence about it, and whether it can be run after the person's yes."""

    trigger: Trigger | BadTrigger | None = None
    text: str = ""
    can_run: bool = False


def offer_of(answer: str, behind: Behind, *, done: str | None = None) -> Offer:
    """What to offer after an answer.

    Args:
        answer: the model's words.
        behind: whether a CT lies behind the picture that was asked about.
        done: the argument of the expert whose result the answer rests on; the same is not offered again.
    """
    trigger = parse_trigger(answer)
    if trigger is None:
        return Offer()
    if isinstance(trigger, BadTrigger):
        return Offer(trigger=trigger, text=f"{trigger.why} Nothing was run.")
    if trigger.expert is not Expert.VISTA3D:
        what = _ELSEWHERE[trigger.expert]
        return Offer(trigger=trigger, text=f"The model calls for {what}. It is not deployed here; nothing was run.")
    if trigger.argument == done:
        text = f"The model calls for {trigger.argument} again, whose result it was just shown. Nothing was run."
        return Offer(trigger=trigger, text=f"{text} Ask in other words, or look at the slices on the Segment tab.")
    if behind is Behind.VOLUME:
        return Offer(trigger=trigger, text=f"Segment {trigger.argument} with VISTA-3D?", can_run=True)
    text = f"The model calls for VISTA-3D ({trigger.argument}), which needs a whole CT."
    if behind is Behind.GONE:
        return Offer(trigger=trigger, text=f"{text} The one behind this picture is gone: open it again in Segment.")
    return Offer(
        trigger=trigger,
        text=f"{text} No volume lies behind this picture: open the CT in Segment and ask about it from the viewer.",
    )


def trigger_of(argument: str) -> Trigger:
    """The call of VISTA-3D with an argument that a person said yes to.

    Raises:
        InvalidRequest: not an argument that the model may use.
    """
    wanted = " ".join(argument.split()).lower() or EVERYTHING
    if wanted not in VISTA3D_ARGUMENTS:
        raise InvalidRequest(
            "VISTA-3D is not asked for this by the model, so it cannot be run for it.",
            hint=f"Known are: {', '.join(VISTA3D_ARGUMENTS)}.",
        )
    return Trigger(expert=Expert.VISTA3D, argument=wanted, labels=VISTA3D_ARGUMENTS[wanted])


def written(trigger: Trigger) -> str:
    """The call in the model's grammar: `<VISTA3D(hepatic tumor)>`."""
    return f"<{trigger.expert.value}({trigger.argument})>"


def promptable(labels: tuple[int, ...] | None) -> tuple[tuple[int, ...] | None, tuple[str, ...]]:
    """The labels that VISTA-3D takes as prompts, None for everything, and a remark on those left out."""
    if labels is None:
        return None, ()
    left_out = [ORGANS[label].name for label in labels if not ORGANS[label].supported]
    kept = tuple(label for label in labels if ORGANS[label].supported)
    said = f"VISTA-3D does not accept {', '.join(left_out)} as a request; left out." if left_out else ""
    return kept, (said,) if said else ()
