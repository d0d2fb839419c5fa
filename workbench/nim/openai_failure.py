"""What the errors of the `openai` package and of its transport mean, in words, and whether a mock may stand in."""

from __future__ import annotations

import json

from workbench.domain.errors import NimError, NimRejected, NimReplyInvalid, NimUnavailable
from workbench.nim.complaint import complaint
from workbench.nim.http import NoAnswerInTime, not_connected
from workbench.nim.openai_library import library
from workbench.nim.refusals import Asked


def translated(
    error: Exception, asked: Asked, *, connect_s: float, quiet_s: float, streaming: bool = False
) -> NimError:
    """The workbench's own error for one of the package or of its transport.

    Args:
        error: what was raised.
        asked: who was asked.
        connect_s: how long a connection was waited for, seconds.
        quiet_s: the longest silence allowed, seconds.
        streaming: whether the answer had begun.
    """
    loaded = library()
    openai, httpx2 = loaded.openai, loaded.httpx2
    title, setting = asked.opening, asked.url_setting
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) and error.__cause__ else error
    if isinstance(cause, (httpx2.UnsupportedProtocol, httpx2.InvalidURL)):
        return no_address(asked)
    if isinstance(cause, httpx2.ConnectTimeout):
        return NimUnavailable(
            f"{title} could not be reached: its machine did not answer within {connect_s:g} s.",
            timed_out=True,
            hint=f"Check the host in {setting}, and that no firewall stands between.",
        )
    if isinstance(cause, (openai.APITimeoutError, httpx2.TimeoutException)):
        look = "" if asked.hosted else "see its log (docker logs), then "
        when = "stopped in the middle of its answer: nothing came" if streaming else "did not begin to answer"
        return NoAnswerInTime(
            f"{title} {when} {'for' if streaming else 'within'} {quiet_s:g} s.",
            timed_out=True,
            hint=f"It may be busy with other requests: {look}try again.",
        )
    if isinstance(cause, httpx2.ConnectError):
        return not_connected(cause, name=title, setting=setting)
    if isinstance(error, openai.APIConnectionError) or isinstance(cause, httpx2.HTTPError):
        return NimUnavailable(
            f"The connection to {asked.name} broke before its answer was complete.",
            hint=asked.cure_for_a_break,
        )
    if isinstance(error, openai.APIError):
        said = complaint(json.dumps(error.body).encode()) if error.body else ""
        return NimRejected(
            f"{title} broke off its answer{f': “{said}”' if said else ' without a reason'}.",
            hint=asked.cure_for_its_failure,
        )
    return NimReplyInvalid(
        f"{title} sent something that is no part of a chat.",
        hint=f"Check that {setting} leads to an OpenAI-compatible server, and see its log.",
    )


def no_address(asked: Asked) -> NimUnavailable:
    """The error for an address that no request can be sent to."""
    return NimUnavailable(
        f"The address set for {asked.name} is not one that can be called.",
        hint=f"{asked.url_setting} must read like http://host:port.",
    )
