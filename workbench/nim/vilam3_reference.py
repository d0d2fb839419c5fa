"""The client of VILA-M3's reference server, which speaks a protocol of its own.

Project-MONAI, VLM-Radiology-Agent-Framework, server-slicer/vila-m3-server.py. What it does, and what follows from it:

- The question travels in the address (`Prompt`), so it stands in the server's access log, and in that of any gateway.
- The picture asked about is the one uploaded last, by anybody; a file sent beside the question is stored and not looked
  at. So each question uploads its picture first, one question at a time. Somebody else who uses the same server can
  still change the picture in between: it is a server for one person.
- It puts the list of experts and the picture's place before the prompt itself, unless the prompt has that place.
- Nothing streams, the sampling is the server's own, and each question is a talk of its own.
- An error of the model behind it is told as an answer (`Sorry, I met an error: ...`).
"""

from __future__ import annotations

import itertools
import logging
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from workbench.domain.clock import Clock
from workbench.domain.dialogue import Finish, Turn
from workbench.domain.errors import NimError, NimRejected, NimReplyInvalid, NimUnavailable
from workbench.domain.image_dialogue import ImageRequest, ImageStream, SentAs
from workbench.domain.nim import NimStatus
from workbench.domain.progress import Progress
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.trace import span
from workbench.nim.complaint import clean, complaint
from workbench.nim.http import Connection, Line, NoAnswerInTime, Reply
from workbench.nim.look import PROTOCOL_SETTING, REFERENCE_MODEL
from workbench.nim.openai_answer import content_text
from workbench.nim.openai_client import ChatTimeouts
from workbench.nim.probe import Target
from workbench.nim.recital import Recital
from workbench.nim.refusals import Asked
from workbench.nim.served import asked
from workbench.nim.turns import Turns, call
from workbench.nim.vilam3_failure import image_refusal
from workbench.nim.vilam3_prompt import plain

PICTURE = "<image>"
"""The place of the picture, in the words of the model."""

MOST_TALK_CHARACTERS = 8_000
"""Of an address with earlier turns in it: a gateway such as nginx takes 8 kB in one line, unless told otherwise."""

MOST_CHARACTERS = 60_000
"""Of an address: uvicorn, which the server runs on, reads at most 64 kB of head in a request."""

_UPLOAD, _CHAT = "/upload/", "/v1/chat/completions/"
_MET_ERROR = re.compile(r"\s*sorry,? i met an error:?\s*", re.IGNORECASE)
_NO_ANSWER = "No response generated"
_AS_PUBLISHED = re.compile(r"'pathlib'|'startswith'")
_CURE_AS_PUBLISHED = (
    "The server as published takes no file: add `import pathlib` to vila-m3-server.py, and in upload_file ask "
    "`isinstance(file, str)` before `file.startswith`."
)


@dataclass(frozen=True, kw_only=True)
class ReferencePrompt:
    """The words that are sent, and how many of the earlier turns are among them."""

    text: str
    turns_given: int

    @property
    def shown(self) -> str:
        """The same for people; the server puts the picture first where no place is named."""
        has_place = PICTURE in self.text
        return f"user:\n{self.text.replace(PICTURE, '[picture]') if has_place else f'[picture]{self.text}'}"


@dataclass(frozen=True, kw_only=True)
class ReferenceAnswer:
    """What the server said, and how it ended."""

    text: str
    finish: Finish


class ReferenceServer:
    """The server itself: a picture and a prompt in, an answer out, one at a time."""

    def __init__(self, target: Target, *, client: httpx.Client) -> None:
        # It logs addresses, and here they hold the question.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        title = target.service.display_name
        self.asked: Asked = asked(target, REFERENCE_MODEL)
        self._line = Line(target.url, client, name=title, setting=target.setting)
        self._turns = Turns()

    def ask(
        self, prompt: str, picture: bytes, media_type: str, *, timeouts: ChatTimeouts, progress: Progress
    ) -> ReferenceAnswer:
        """Upload the picture and ask about it. Waiting for others is told to `progress`.

        Raises:
            NimUnavailable: not reached, not the reference server, or no answer in time.
            NimRejected: it refused the picture or the prompt, or the model behind it failed.
            NimReplyInvalid: it answered with something that is no answer, or without a word.
            Cancelled: stopped by `progress`. The server works on until it notices; the next question waits for it.
        """
        query = urlencode({"Prompt": prompt, "stream": "false"}, quote_via=quote)
        if len(query) > MOST_CHARACTERS:
            raise NimRejected(
                f"The question is longer than {self.asked.name} takes: its reference server reads questions from the "
                f"address, of at most {MOST_CHARACTERS:,} characters.",
                hint="Ask a shorter question.",
            )
        form, boundary = _form(picture, media_type)
        connection = Connection()

        def send(path: str, content: bytes, answer_s: float) -> Reply:
            kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"} if content else {}
            return self._line.send(
                "POST",
                path,
                content=content,
                headers=kind,
                connect_s=timeouts.connect_s,
                answer_s=answer_s,
                connection=connection,
            )

        def work() -> ReferenceAnswer:
            uploaded = send(_UPLOAD, form, timeouts.quiet_s)
            if uploaded.status != 200:
                # Without it the server would answer about the picture that came before, perhaps somebody else's.
                raise self._refused(uploaded)
            reply = send(f"{_CHAT}?{query}", form, timeouts.quiet_s)
            if reply.status == 500 and _AS_PUBLISHED.search(complaint(reply.body)):
                # It stumbled over the file beside the question, which it would not have looked at.
                reply = send(f"{_CHAT}?{query}", b"", timeouts.quiet_s)
            if reply.status != 200:
                raise self._refused(reply)
            return self._read(reply)

        with self._turns.turn(progress):
            try:
                return call(work, tell=lambda: progress.stage("waiting for the answer"), give_up=connection.hang_up)
            except NoAnswerInTime as error:
                raise NoAnswerInTime(
                    error.message,
                    timed_out=True,
                    hint="Its log tells whether it is still working. IMAGING_NIM_VILAM3_TIMEOUT_S gives it more time.",
                ) from error

    def _refused(self, reply: Reply) -> NimError:
        said, status = complaint(reply.body), reply.status
        if status in (307, 308, 404, 405):
            return NimUnavailable(
                f"What answers at the address of {self.asked.name} is not its reference server (status {status}).",
                hint=f"Check {self.asked.url_setting}; for a server that speaks OpenAI's protocol set "
                f"{PROTOCOL_SETTING}=openai.",
            )
        if status in (414, 431):
            return NimRejected(
                f"The question is too long for {self.asked.name}: a gateway before its reference server takes no "
                f"address as long (status {status}).",
                hint="Ask a shorter question, or point the address past the gateway.",
            )
        if status == 500 and _AS_PUBLISHED.search(said):
            return NimRejected(
                f"{self.asked.opening} could not take the picture (status 500): “{said}”.", hint=_CURE_AS_PUBLISHED
            )
        return image_refusal(reply, self.asked)

    def _read(self, reply: Reply) -> ReferenceAnswer:
        body: Any = reply.json()
        choices = body.get("choices") if isinstance(body, dict) else None
        first = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(first, dict):
            said = "" if reply.body.lstrip()[:1] == b"<" else complaint(reply.body)
            raise NimReplyInvalid(
                f"What answers at the address of {self.asked.name} sends no answer{f': “{said}”' if said else ''}.",
                hint=f"Check {self.asked.url_setting} and {PROTOCOL_SETTING}.",
            )
        text = content_text(first.get("message")).strip()
        if (met := _MET_ERROR.match(text)) is not None:
            said = clean(text[met.end() :])
            raise NimRejected(
                f"The reference server of {self.asked.name} met an error{f': “{said}”' if said else ''}.",
                hint="See its log. As published it asks a hosted model, with the key that its own source names.",
            )
        if not text or text == _NO_ANSWER:
            raise NimReplyInvalid(
                f"{self.asked.opening} ended its answer without a word.", hint="Try again; its log may say why."
            )
        return ReferenceAnswer(
            text=text, finish=Finish.LENGTH if first.get("finish_reason") == "length" else Finish.STOP
        )


class Vilam3Reference:
    """VILA-M3 behind its reference server, an `ImageTalker`. `status` tells what a request would get now."""

    def __init__(
        self,
        server: ReferenceServer,
        *,
        clock: Clock,
        status: Callable[[], NimStatus],
        timeouts: ChatTimeouts | None = None,
    ) -> None:
        self._server = server
        self._clock = clock
        self._status = status
        self._timeouts = timeouts or ChatTimeouts()

    def status(self) -> NimStatus:
        """What would answer a request now."""
        return self._status()

    def warm(self) -> None:
        """Nothing has to be loaded."""

    def close(self) -> None:
        """Nothing is held."""

    def run(self, request: ImageRequest, /) -> ImageStream:
        """The whole answer, as one piece. Raises what `ReferenceServer.ask` does."""
        prompt = build_reference_prompt(request)
        picture = request.picture
        with span("NIM call", service="vila_m3"):
            answer = self._server.ask(
                prompt.text,
                picture.encoded,
                picture.facts.media_type,
                timeouts=self._timeouts,
                progress=request.progress,
            )
        told = Recital((answer.text,), end=answer.finish)
        return ImageStream(
            tokens=told.tokens(),
            finish=told.finish,
            close=told.close,
            prompt=prompt.shown,
            sent_as=SentAs.FILE,
            provenance=Provenance(
                origin=Origin.LOCAL,
                model=REFERENCE_MODEL,
                version="unknown",
                created_at=self._clock.stamp(),
                parameters={
                    "endpoint": "reference server",
                    "turns_given": prompt.turns_given,
                    "sampling": "the server's own",
                },
                inputs=(picture.provenance,),
            ),
        )


def build_reference_prompt(request: ImageRequest) -> ReferencePrompt:
    """The words for a server that keeps no talk: earlier turns stand in front of the question, the newest of them.

    The server adds the list of experts, and the picture's place where none is named, before these words.
    """
    modality = request.modality or request.picture.facts.modality
    line = f"This is a {modality.value} image.\n" if modality else ""
    question = plain(request.question)
    if request.expert is not None:
        legend = request.expert.legend
        colours = f"The colors in this image describe {legend}. " if legend else ""
        question = f"The results are {PICTURE}. {colours}Use this result to respond to this prompt:\n{question}"
    talk = list(_exchanges(request.history))
    while True:
        text = line + "".join(itertools.chain.from_iterable(talk)) + question
        if not talk or len(quote(text)) <= MOST_TALK_CHARACTERS:
            return ReferencePrompt(text=text, turns_given=2 * len(talk))
        del talk[0]


def _exchanges(history: Sequence[Turn]) -> Iterator[tuple[str, str]]:
    """Earlier questions with the answers right after them, as lines."""
    for first, second in itertools.pairwise(history):
        if (first.role, second.role) == ("user", "assistant") and first.text.strip() and second.text.strip():
            yield f"Earlier question: {plain(first.text)}\n", f"Earlier answer: {plain(second.text)}\n"


def _form(picture: bytes, media_type: str) -> tuple[bytes, str]:
    """The picture as the form field `file` (RFC 7578), and the form's boundary. Its name says nothing but the kind."""
    boundary = secrets.token_hex(16)
    name = "picture.png" if media_type == "image/png" else "picture.jpg"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    return f"{head}Content-Type: {media_type}\r\n\r\n".encode() + picture + f"\r\n--{boundary}--\r\n".encode(), boundary
