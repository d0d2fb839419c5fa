"""What a vision model is given: one picture, the question, the turns before it, in the form the model was trained on.

Never a system message: several vision models refuse one beside a picture. Never a second picture: many take one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from workbench.domain.dialogue import Turn
from workbench.domain.errors import NimRejected
from workbench.domain.experts import VISTA3D_ARGUMENTS, Trigger
from workbench.domain.image_dialogue import ImageRequest
from workbench.domain.picture import PictureFacts
from workbench.nim.openai_client import Message
from workbench.nim.token_estimate import estimated_tokens

# Project-MONAI/VLM-Radiology-Agent-Framework, m3/demo/gradio_m3.py, MODEL_CARDS; Apache License 2.0, (c) MONAI
# Consortium. The model was trained on this text and must be given it byte for byte; a test holds its digest.
MODEL_CARDS = (
    "Here is a list of available expert models:\n"
    "<BRATS(args)> Modality: MRI, Task: segmentation, Overview: A pre-trained model for volumetric (3D) segmentation "
    "of brain tumor subregions from multimodal MRIs based on BraTS 2018 data, Accuracy: Tumor core (TC): 0.8559 - "
    "Whole tumor (WT): 0.9026 - Enhancing tumor (ET): 0.7905 - Average: 0.8518, Valid args are: None\n"
    "<VISTA3D(args)> Modality: CT, Task: segmentation, Overview: domain-specialized interactive foundation model "
    "developed for segmenting and annotating human anatomies with precision, Accuracy: 127 organs: 0.792 Dice on "
    "average, Valid args are: 'everything', 'hepatic tumor', 'pancreatic tumor', 'lung tumor', 'bone lesion', "
    "'organs', 'cardiovascular', 'gastrointestinal', 'skeleton', or 'muscles'\n"
    "<VISTA2D(args)> Modality: cell imaging, Task: segmentation, Overview: model for cell segmentation, which was "
    "trained on a variety of cell imaging outputs, including brightfield, phase-contrast, fluorescence, confocal, or "
    "electron microscopy, Accuracy: Good accuracy across several cell imaging datasets, Valid args are: None\n"
    "<CXR(args)> Modality: chest x-ray (CXR), Task: classification, Overview: pre-trained model which are trained on "
    "large cohorts of data, Accuracy: Good accuracy across several diverse chest x-rays datasets, Valid args are: None"
    "\nGive the model <NAME(args)> when selecting a suitable expert model.\n"
)
"""The list of experts that VILA-M3 may call for."""

VILA_CONTEXT_TOKENS = 4096
"""The window that a VILA-M3 server is taken to have where it tells none: VILA-1.5 was trained on 4,096 tokens."""

CONTEXT_TOKENS = 8192
"""The same for any other vision model, on the careful side; a refusal that names another window is learned from."""

_VILA_PICTURE_TOKENS = 256
"""VILA-1.5's projector makes 196 tokens of a picture of 384 x 384 pixels (27 x 27 patches, 2 x 2 joined)."""

_PICTURE_TOKENS = 1_600
"""A token for each 28 x 28 pixels of 1120 x 1120, as Qwen2-VL counts; most others take fewer."""

_TURN_TOKENS = 8
"""What a chat template puts around a turn; Llama-3's takes 5."""

_MARGIN_TOKENS = 64
_TAG = '<img src="{}" />'
_FEWEST_ANSWER_TOKENS = 16
_MOST_TURN_CHARACTERS = 4_000
# What a server itself reads in a text: the place of a picture, a picture's tag, the ends of turns.
_SIGNALS = re.compile(r"<(?=\s*/?\s*(?:image|img|video|im_start|im_end|s)\b|\|)", re.IGNORECASE)
_VILA_M3 = re.compile(r"vila[-_. ]?m3|^vila$", re.IGNORECASE)
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")

_INSTRUCTIONS = (
    "You look at one picture for a researcher in medical imaging. Say what can be seen in it, and what cannot be told "
    "from it. Give no measurement that is not written in the picture or in this text. This is for research: judge no "
    "patient and advise no treatment. Answer in plain sentences.\n"
)
_MARKED = "What is written in its margin, {mark}, says that it is made up, in whole or in part. Say so in the answer.\n"


@dataclass(frozen=True, kw_only=True)
class PromptTurn:
    """What one side says; None among the parts is the place of the picture."""

    role: Literal["user", "assistant"]
    parts: tuple[str | None, ...]

    def text(self, picture: str) -> str:
        """The words, with `picture` in the picture's place."""
        return "".join(picture if part is None else part for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class ImagePrompt:
    """Turns that fit a model, the longest answer in tokens, and how many of the earlier turns there was room for."""

    turns: tuple[PromptTurn, ...]
    max_tokens: int
    turns_given: int
    estimated_tokens: int

    def shown(self, *, in_tags: bool = False) -> str:
        """The turns for people, word for word; `[picture]` stands for its bytes."""
        picture = _TAG.format("[picture]") if in_tags else "[picture]"
        return "\n\n".join(f"{each.role}:\n{each.text(picture)}" for each in self.turns)

    def in_parts(self, url: str) -> tuple[Message, ...]:
        """The turns with the picture as a part of its own."""
        picture = {"type": "image_url", "image_url": {"url": url}}
        return tuple(
            {
                "role": each.role,
                "content": each.text("")
                if None not in each.parts
                else [picture if part is None else _text_part(part) for part in each.parts],
            }
            for each in self.turns
        )

    def in_tags(self, url: str) -> tuple[Message, ...]:
        """The turns as plain strings with the picture as an `<img>` tag, the only form some hosted models take."""
        return tuple({"role": each.role, "content": each.text(_TAG.format(url))} for each in self.turns)


def is_vila_m3(model: str) -> bool:
    """Whether a model's id looks like one of VILA-M3's, which was trained on its own form of a prompt.

    NVILA, VILA-1.5 and `nvidia/vila` are general models.
    """
    return _VILA_M3.search(model) is not None


def build_image_prompt(
    request: ImageRequest, *, model: str, context_tokens: int | None = None, shrink: float = 1.0
) -> ImagePrompt:
    """Put a request into turns that fit the model.

    The window (`context_tokens`; where unknown 4,096 for VILA-M3 and 8,192 for others) is shared out so: the answer's
    `max_tokens`, at most a third; a margin; the picture, the fixed words and the question; then as many of the
    earlier turns as there is room for, the oldest left out first. `shrink` scales that room when a server counted
    more than was estimated.

    The picture stands in the first user turn of what is sent, so that a model that takes one still has it in a long
    talk; after an expert it is the expert's, in the last turn.

    Raises:
        NimRejected: the window is too small for the question itself.
    """
    is_vila = is_vila_m3(model)
    window = context_tokens or (VILA_CONTEXT_TOKENS if is_vila else CONTEXT_TOKENS)
    answer = max(_FEWEST_ANSWER_TOKENS, min(request.sampling.max_tokens, window // 3))
    opening = _opening(request, is_vila)
    last, before = _last_turns(request)
    fixed = sum(map(estimated_tokens, (*opening, *(text for text in last if text)))) + 2 * _TURN_TOKENS
    fixed += (_VILA_PICTURE_TOKENS if is_vila else _PICTURE_TOKENS) + _MARGIN_TOKENS
    room = window - answer - fixed
    if room < 0:
        raise NimRejected(
            f"The question is longer than the model takes: {window:,} tokens at once, picture and answer included.",
            hint="Ask a shorter question, or allow a shorter answer.",
        )
    needed, earlier = before
    kept = _fitting(earlier, int(room * shrink) - sum(map(_cost, needed)))
    turns = [*kept, *needed]
    head, modality = opening
    picture_first = request.expert is None
    first_words = (head, None, modality) if picture_first else (head, modality)
    said = [PromptTurn(role=each.role, parts=(each.text,)) for each in turns]
    said.append(PromptTurn(role="user", parts=last))
    said[0] = PromptTurn(role="user", parts=_joined((*first_words, *said[0].parts)))
    return ImagePrompt(
        turns=tuple(said),
        max_tokens=answer,
        turns_given=len(kept),
        estimated_tokens=fixed + sum(map(_cost, turns)),
    )


def _opening(request: ImageRequest, is_vila: bool) -> tuple[str, str]:
    """What stands before and after the picture in the first turn."""
    facts = request.picture.facts
    modality = request.modality or facts.modality
    line = f"This is a {modality.value} image.\n" if modality else ""
    if is_vila:
        return (MODEL_CARDS if request.has_volume or modality else "", line)
    mark = _MARKED.format(mark=facts.mark) if facts.mark else ""
    return _INSTRUCTIONS + mark, line + _view(facts)


def _view(facts: PictureFacts) -> str:
    """What is known of the view, for models that were not trained on one."""
    view = facts.view
    if view is None:
        return ""
    is_mosaic = len(view.slices) > 1
    what = "an axial, a coronal and a sagittal slice" if is_mosaic else f"one {view.plane} slice"
    has_right = not is_mosaic and view.plane in ("axial", "coronal")
    side = " The patient's right is on the left of it." if has_right else ""
    return f"It shows {what} of a CT, window centre {view.center:g} HU, width {view.width:g} HU.{side}\n"


def _last_turns(request: ImageRequest) -> tuple[tuple[str | None, ...], tuple[list[Turn], list[Turn]]]:
    """The last user turn; the turns that must stand before it; and those that may be left out, oldest first."""
    question = plain(request.question)
    history = _alternating(request.history)
    if request.expert is None:
        return (question,), ([], history)
    called = Turn(role="assistant", text=_call(request.expert.trigger))
    asked = Turn(role="user", text=question)
    if history and history[-1].text.strip() and plain(history[-2].text) == question:
        needed, history = history[-2:], history[:-2]
    else:
        needed = [asked, called]
    legend = request.expert.legend
    colours = f"The colors in this image describe {legend}. " if legend else ""
    use = f"Use this result to respond to this prompt:\n{question}"
    return ("The results are ", None, f". {colours}{use}"), (needed, history)


def _call(trigger: Trigger) -> str:
    return f"<{trigger.expert.value}({trigger.argument if trigger.argument in VISTA3D_ARGUMENTS else ''})>"


def _alternating(history: Sequence[Turn]) -> list[Turn]:
    """Whole exchanges only, questions with the answer right after them: chat templates refuse anything else."""
    pairs = [
        (first, second)
        for first, second in itertools.pairwise(history)
        if (first.role, second.role) == ("user", "assistant") and first.text.strip() and second.text.strip()
    ]
    return [Turn(role=each.role, text=_short(plain(each.text))) for pair in pairs for each in pair]


def _fitting(turns: Sequence[Turn], room: int) -> list[Turn]:
    """As many exchanges from the end as there is room for."""
    kept: list[Turn] = []
    for at in range(len(turns) - 2, -1, -2):
        pair = list(turns[at : at + 2])
        room -= sum(map(_cost, pair))
        if room < 0:
            break
        kept = pair + kept
    return kept


def plain(text: str) -> str:
    """A person's or a model's words without what a server would take for a picture or for the end of a turn."""
    return _SIGNALS.sub("\u2039", _UNSEEN.sub("", text.replace("\r\n", "\n"))).strip()


def _short(text: str) -> str:
    return text if len(text) <= _MOST_TURN_CHARACTERS else text[:_MOST_TURN_CHARACTERS].rstrip() + " \u2026"


def _cost(turn: Turn) -> int:
    return estimated_tokens(turn.text) + _TURN_TOKENS


def _joined(parts: Sequence[str | None]) -> tuple[str | None, ...]:
    """Neighbouring texts made one, empty ones left out."""
    joined: list[str | None] = []
    for part in parts:
        if part == "":
            continue
        if part is not None and joined and joined[-1] is not None:
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
