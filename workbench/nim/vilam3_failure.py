"""What an answer of a vision model other than 200 means, beyond what all text NIMs have in common."""

from __future__ import annotations

import re

from workbench.domain.errors import NimError, NimRejected
from workbench.nim.complaint import complaint
from workbench.nim.http import Reply
from workbench.nim.llm_failure import is_too_long
from workbench.nim.refusals import Asked, refusal

# vLLM of two ages, llama.cpp's server, TensorRT-LLM, and servers that check the content as a plain string.
_NO_PICTURES = re.compile(
    r"not (?:a )?multi-?modal|(?:does not|doesn't|cannot|can't|do not) (?:support|accept|take|process) "
    r"(?:any )?(?:image|vision|multi-?modal)|image[\w ]{0,20} (?:is|are) not supported|"
    r"at most 0 image|unknown part type|only text|text-only|content\b.{0,60}(?:valid string|str type|be a string)",
    re.IGNORECASE,
)
_PICTURE = re.compile(r"\bimages?\b|\bpictures?\b|\bimage_url\b|\bPIL\b|\bbase64\b", re.IGNORECASE)


def image_refusal(reply: Reply, asked: Asked) -> NimError:
    """The error for an answer to a question about a picture whose status is not 200."""
    said, status = complaint(reply.body), reply.status
    told = f"(status {status}): “{said}”"
    if is_too_long(reply):
        return NimRejected(
            f"The question and the talk before it are longer than {asked.name} takes {told}.",
            hint="Begin a new talk about the picture, ask a shorter question, or allow a shorter answer.",
        )
    if status == 413:
        return NimRejected(
            f"{asked.opening} takes no request as large as this one (status 413).",
            hint="A gateway before it may limit the size of requests; a smaller picture takes less.",
        )
    if status in (400, 415, 422, 500, 501) and _NO_PICTURES.search(said):
        return NimRejected(
            f"{asked.opening} takes no pictures {told}.",
            hint=f"{asked.model or 'The model'} reads text only: choose a vision model with {asked.model_setting}.",
        )
    if status in (400, 415, 422, 500) and _PICTURE.search(said):
        # A picture that a server cannot read is a 500, not a 4xx, in several releases of vision NIMs.
        return NimRejected(
            f"{asked.opening} could not use the picture {told}.",
            hint=f"Try another picture; if every one fails, check that {asked.model_setting} names a vision model.",
        )
    error = refusal(reply, asked)
    if isinstance(error, NimRejected) and error.hint is None:
        error.hint = f"Change the question or the sampling settings, or choose another model: {asked.model_setting}."
    return error


def is_refused_as_sent(reply: Reply) -> bool:
    """Whether the same picture in the other form may be taken: the request was read and not understood."""
    return reply.status in (400, 415, 422, 500) and not is_too_long(reply)
