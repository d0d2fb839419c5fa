"""What an error of a text, vision, embedding or reranking NIM means, own or hosted, and whether a mock may stand in.

The bodies are those that the hosted catalogue and vLLM are known to send; ids of functions and accounts are stripped.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.domain.errors import NimError, NimRejected, NimReplyInvalid, NimUnavailable
from workbench.nim.complaint import complaint
from workbench.nim.http import Reply

_KEY_SETTING = "IMAGING_NVIDIA_API_KEY"
_ITS_LOG = "Its log may say why: docker logs, last lines."
_RESTARTED = "It may have restarted or run out of memory: see its log (docker logs)."
_TRY_LATER = "Wait a minute and try again; the free tier takes only so many requests a minute."


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who was asked: the name for people, the settings with its address and its model, the model's id."""

    title: str
    url_setting: str
    model_setting: str
    model: str
    hosted: bool

    @property
    def name(self) -> str:
        """What to call it within a sentence."""
        return f"the hosted {self.title}" if self.hosted else self.title

    @property
    def opening(self) -> str:
        """The same at the beginning of one."""
        return f"The hosted {self.title}" if self.hosted else self.title

    @property
    def cure_for_its_failure(self) -> str:
        """What to do where it failed by itself, in a request that is right."""
        return f"Try again in a minute, or choose another model: {self.model_setting}." if self.hosted else _ITS_LOG

    @property
    def cure_for_a_break(self) -> str:
        """What to do where the connection to it ended too early."""
        return "Try again in a minute; the network between may be at fault too." if self.hosted else _RESTARTED


def refusal(reply: Reply, asked: Asked) -> NimError:
    """The error for an answer whose status is not 200."""
    said = complaint(reply.body)
    quoted = f": “{said}”" if said and reply.body.lstrip()[:1] != b"<" else ""
    where = asked.opening
    status = reply.status
    cause, cure = _unusable(status, said, asked)
    if cause:
        return NimUnavailable(f"{where} {cause} (status {status}){quoted}.", timed_out=status == 504, hint=cure)
    if status < 400 or (status >= 500 and not said):
        return NimReplyInvalid(
            f"{where} answered with status {status}, and nothing that can be used.",
            hint=f"Check {asked.url_setting}." if status < 400 else asked.cure_for_its_failure,
        )
    return NimRejected(
        f"{where} refused the request (status {status}){quoted}.", hint=None if quoted else asked.cure_for_its_failure
    )


def with_cure(error: NimError, asked: Asked) -> NimError:
    """The same error; one that says nothing of what to do says what helps against a failure of the server's own."""
    error.hint = error.hint or asked.cure_for_its_failure
    return error


def _unusable(status: int, said: str, asked: Asked) -> tuple[str, str | None]:
    """Cause and cure where it cannot be used, whatever the request; no cause where it can."""
    if status in (401, 403):
        if asked.hosted:
            return "refused the key", f"Check {_KEY_SETTING}: keys start with nvapi- and expire."
        return "refused access", f"A gateway in front of it asks for a key: point {asked.url_setting} past it."
    if status == 402:
        return "is out of credit", "Add credit to the account of the key, or run the NIM yourself."
    if status == 404:
        return _not_found(said, asked)
    if status == 410:
        return f"has retired {asked.model}, see {asked.model_setting}", f"Choose another model: {asked.model_setting}."
    if status == 429:
        return "has more requests than it takes", _TRY_LATER
    if status in (502, 503, 504):
        more = "" if asked.hosted else ", and see its log"
        return "cannot answer now", f"It is loading, overloaded or behind a gateway that gave up: wait{more}."
    return "", None


def _not_found(said: str, asked: Asked) -> tuple[str, str]:
    if "for account" in said.lower():
        return (
            f"does not open {asked.model} to this account",
            f"Ask for access to the model at build.nvidia.com, or choose another: {asked.model_setting}.",
        )
    if "does not exist" in said.lower():
        return f"does not serve {asked.model}", f"Choose one that it lists, or leave {asked.model_setting} empty."
    return (
        f"knows neither the route nor {asked.model or 'the model'}",
        f"Check {asked.url_setting} and {asked.model_setting}.",
    )
