"""Status codes that say a NIM of one's own cannot be used, whatever the request: there a mock may stand in."""

from __future__ import annotations

from workbench.domain.errors import NimUnavailable

_TRY_LATER = "Wait until its status is “available”, then run again."


def unusable(status: int, quoted: str, *, name: str, setting: str) -> NimUnavailable | None:
    """The error for such a status, None for any other.

    Args:
        status: the answer's.
        quoted: the NIM's own words, cleaned, as `: “…”`; empty without any.
        name: of the NIM, for people.
        setting: the variable that holds its address.
    """
    if status in (401, 403):
        return NimUnavailable(
            f"Access to {name} was refused (status {status}){quoted}.",
            hint=f"The NIM itself asks for no key; a gateway in front of it does. Point {setting} past the gateway.",
        )
    if status == 402:
        return NimUnavailable(f"{name} is out of credit (status 402){quoted}.", hint="Deploy a NIM of your own.")
    if status == 404:
        return NimUnavailable(
            f"What answers at the address of {name} is not a {name} NIM (status 404){quoted}.",
            hint=f"Check host and port in {setting}; write the base URL only, without /v1.",
        )
    if status == 410:
        return NimUnavailable(
            f"{name} at this address has reached its end of life (status 410){quoted}.",
            hint=f"The hosted {name} is gone: run the NIM yourself and set {setting}.",
        )
    if status == 429:
        return NimUnavailable(f"{name} has more requests than it takes (status 429){quoted}.", hint=_TRY_LATER)
    if status == 502:
        return NimUnavailable(
            f"A gateway in front of {name} did not reach it (status 502){quoted}.", hint="See the gateway's log."
        )
    if status == 503:
        return NimUnavailable(f"{name} is still loading, or its engine is down (status 503){quoted}.", hint=_TRY_LATER)
    if status == 504:
        return NimUnavailable(
            f"A gateway in front of {name} gave up waiting for it (status 504){quoted}.",
            timed_out=True,
            hint=f"Raise the gateway's timeout, or point {setting} past it.",
        )
    return None
