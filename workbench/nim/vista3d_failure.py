"""What a VISTA-3D answer other than 200 means, in words, and whether a mock may stand in.

The line between the two is the mode table's: a NIM that cannot be used (`NimUnavailable`) against one that refused
this request (`NimRejected`) or answered with something malformed (`NimReplyInvalid`).
"""

from __future__ import annotations

from workbench.domain.errors import NimError, NimRejected, NimReplyInvalid
from workbench.nim.complaint import complaint
from workbench.nim.exchange import Offer
from workbench.nim.http import Reply
from workbench.nim.unusable import unusable

SETTING = "IMAGING_NIM_VISTA3D_URL"
_WHITELIST = (
    "The NIM may refuse plain http or this host: start its container with IMAGE_URI_HTTPS_ONLY=False and with the "
    'host of IMAGING_NIM_EXCHANGE_URL in DOMAIN_WHITELIST (a JSON list such as ["host.docker.internal"]).'
)
_MEMORY = (
    "Free the GPU of other work, or send a smaller volume: crop the scan, or resample it to thicker slices. "
    "No GPU below 48 GB is validated for VISTA-3D."
)
_UNDEFINED = "Choose structures by name from the list; this one needs a click on the picture, or is not supported."


def failure(reply: Reply, offer: Offer) -> NimError:
    """The error for an answer whose status is not 200."""
    said = complaint(reply.body, secrets=(offer.secret, offer.image))
    quoted = f": “{said}”" if said else ""
    return unusable(reply.status, quoted, name="VISTA-3D", setting=SETTING) or _refusal(reply, said, quoted, offer)


def _refusal(reply: Reply, said: str, quoted: str, offer: Offer) -> NimError:
    status = reply.status
    if status < 400:
        return NimReplyInvalid(
            f"VISTA-3D answered with status {status}, which no VISTA-3D NIM does.",
            hint=f"Check {SETTING}: it must lead to the NIM itself, without a redirect.",
        )
    if status >= 500 and not said:
        return NimReplyInvalid(
            f"VISTA-3D failed without saying why (status {status}).", hint="Its log may: docker logs, last lines."
        )
    if reply.body.lstrip()[:1] == b"<":
        return NimReplyInvalid(
            f"What answers at the address of VISTA-3D is a web page (status {status}){quoted}.",
            hint=f"Check {SETTING}.",
        )
    return NimRejected(f"VISTA-3D refused the request (status {status}){quoted}.", hint=_cure(said.lower(), offer))


def _cure(said: str, offer: Offer) -> str | None:
    if "out of memory" in said:
        return _MEMORY
    if "undefined label prompt" in said:
        return _UNDEFINED
    if any(word in said for word in ("https", "whitelist", "domain", "not allowed")) or "invalid image url" in said:
        return _WHITELIST
    return offer.advice if offer.was_fetched() is False else _cure_of_reading(said, offer)


def _cure_of_reading(said: str, offer: Offer) -> str | None:
    if offer.was_fetched() is None and any(word in said for word in ("no such file", "not exist", "not found")):
        return offer.advice
    if "failed to run inference" in said:
        return "The log of the NIM (docker logs) has the whole error."
    return None
