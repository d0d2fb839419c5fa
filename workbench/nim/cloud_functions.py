"""What the hosted catalogue has beside its chat, as NVIDIA Cloud Functions: how to ask it, and answers for later.

An answer that was promised with 202 is looked for under `GET /pexec/status/{id}`; one that is too large for a reply
lies at another address, told with 302.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import httpx

from workbench.domain.errors import NimReplyInvalid, NimUnavailable
from workbench.domain.progress import Progress
from workbench.nim.http import Connection, Line, NoAnswerInTime, Reply
from workbench.nim.openai_answer import WholePieces, whole_answer
from workbench.nim.refusals import Asked, refusal, with_cure
from workbench.nim.turns import call, wait

NAME = "NVIDIA Cloud Functions"
URL_SETTING = "IMAGING_NIM_CLOUD_FUNCTIONS_URL"

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_QUEUED = "the hosted catalogue has the question in its queue"
_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class FunctionTimeouts:
    """Seconds: for a connection, for one answer, before the first look at a promised answer, and for it in all."""

    connect_s: float = 3.0
    answer_s: float = 30.0
    poll_every_s: float = 1.0
    poll_most_s: float = 300.0


class CloudFunctions:
    """Cloud Functions at `url`, with the catalogue's key; where `url` is empty, nothing of it is used."""

    def __init__(self, url: str, client: httpx.Client, *, key: str, timeouts: FunctionTimeouts | None = None) -> None:
        self.url = url.strip().rstrip("/")
        self._client = client
        self._timeouts = timeouts or FunctionTimeouts()
        self._line = Line(self.url, client, name=NAME, setting=URL_SETTING, key=key)

    def promised(self, reply: Reply, asked: Asked, progress: Progress) -> WholePieces | None:
        """The answer that a reply with 202 promises or one with 302 points to; None for any other reply.

        Raises:
            NimUnavailable: it does not come in time, or cannot be fetched.
            NimRejected, NimReplyInvalid: what comes is an error, or no answer.
            Cancelled: a person stopped the wait.
        """
        if reply.status not in (202, 302):
            return None
        until, pause_s = time.monotonic() + self._timeouts.poll_most_s, self._timeouts.poll_every_s
        while reply.status == 202:
            request_id = reply.headers.get("nvcf-reqid", "")
            if not self.url or not is_id(request_id):
                raise NimReplyInvalid(
                    f"{asked.opening} promised an answer for later and did not say where to fetch it.",
                    hint=f"Check {asked.url_setting} and {URL_SETTING}.",
                )
            if time.monotonic() >= until:
                raise NoAnswerInTime(
                    f"{asked.opening} promised an answer, and it did not come within {self._timeouts.poll_most_s:g} s.",
                    timed_out=True,
                    hint="Its queue may be long: try again later.",
                )
            wait(pause_s, lambda: progress.stage(_QUEUED))
            # The free tier counts 40 requests a minute, and a look may be one of them.
            pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)
            polled = self._look(request_id, progress)
            if polled.status != 429:
                reply = replace(polled, headers={"nvcf-reqid": request_id, **polled.headers})
        if reply.status == 302:
            reply = self._moved(reply, asked, progress)
        if reply.status != 200:
            raise with_cure(refusal(reply, asked), asked)
        return whole_answer(reply.body, asked)

    def send(
        self,
        method: str,
        path: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        connection: Connection | None = None,
    ) -> Reply:
        """A request with the key. Blocks.

        Raises:
            NimUnavailable: not reached, no answer in time, or the connection broke.
            NimReplyInvalid: the answer is no small one.
        """
        return self._send(self._line, method, path, content, headers or {}, connection or Connection())

    def elsewhere(
        self,
        method: str,
        url: str,
        *,
        tell: Callable[[], None],
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """A request to an address that the catalogue gave, which is called as it stands and never told the key.

        Raises what `send` does, and whatever `tell` raises to end the wait.
        """
        parts = urlsplit(url)
        line = Line(f"{parts.scheme}://{parts.netloc}", self._client, name=NAME, setting=URL_SETTING)
        path = url.partition("://")[2][len(parts.netloc) :].partition("#")[0] or "/"
        connection = Connection()
        return call(
            lambda: self._send(line, method, path, content, headers or {}, connection),
            tell=tell,
            give_up=connection.hang_up,
        )

    def is_as_safe(self, url: str) -> bool:
        """Whether an address given by the catalogue can be called, and is not less private than the catalogue's own."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        schemes = ("https", "http") if urlsplit(self.url).scheme == "http" else ("https",)
        return parts.scheme in schemes and bool(parts.hostname)

    def _moved(self, reply: Reply, asked: Asked, progress: Progress) -> Reply:
        location = reply.headers.get("location", "")
        if not self.is_as_safe(location):
            raise NimReplyInvalid(
                f"{asked.opening} pointed to a place for its answer that cannot be used.",
                hint=f"Check {asked.url_setting}: it must be the address of the hosted catalogue.",
            )
        return self.elsewhere("GET", location, tell=lambda: progress.stage(_QUEUED))

    def _look(self, request_id: str, progress: Progress) -> Reply:
        connection = Connection()
        return call(
            lambda: self.send("GET", f"/pexec/status/{request_id}", connection=connection),
            tell=lambda: progress.stage(_QUEUED),
            give_up=connection.hang_up,
        )

    def _send(
        self, line: Line, method: str, path: str, content: bytes, headers: Mapping[str, str], connection: Connection
    ) -> Reply:
        try:
            return line.send(
                method,
                path,
                content=content,
                headers=headers,
                connect_s=self._timeouts.connect_s,
                answer_s=self._timeouts.answer_s,
                connection=connection,
            )
        except NimUnavailable as error:
            # What the line advises is for a NIM of one's own.
            error.hint = f"Check {URL_SETTING} and the network, then try again."
            raise


def is_id(told: str) -> bool:
    """Whether it may stand in an address as the id of something."""
    return _ID.fullmatch(told) is not None
