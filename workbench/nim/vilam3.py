"""The client of VILA-M3, or of the hosted vision model: one picture and a question in, an answer that streams out."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx

from workbench.domain.clock import Clock
from workbench.domain.errors import NimError, NimRejected
from workbench.domain.image_dialogue import ImageRequest, ImageStream, SentAs
from workbench.domain.nim import NimStatus
from workbench.domain.picture import MOST_INLINE_CHARACTERS
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.trace import span
from workbench.nim.chat_begun import Asking, Begun, Started
from workbench.nim.cloud_assets import Asset, Assets
from workbench.nim.cloud_functions import CloudFunctions, FunctionTimeouts
from workbench.nim.http import Line, Reply
from workbench.nim.openai_client import ChatClient, ChatTimeouts, Message
from workbench.nim.probe import Target
from workbench.nim.refusals import Asked
from workbench.nim.served import Served, ServedModel
from workbench.nim.vilam3_failure import image_refusal, is_refused_as_sent
from workbench.nim.vilam3_prompt import ImagePrompt, build_image_prompt


@dataclass(frozen=True, kw_only=True)
class _Sent:
    """A prompt in the form in which it travels; `in_tags` says that the picture stands in the text as a tag."""

    prompt: ImagePrompt
    url: str
    in_tags: bool

    @property
    def messages(self) -> tuple[Message, ...]:
        return self.prompt.in_tags(self.url) if self.in_tags else self.prompt.in_parts(self.url)

    @property
    def max_tokens(self) -> int:
        return self.prompt.max_tokens


class Vilam3:
    """A vision model where `target` says, an `ImageTalker`; own and hosted differ in nothing but that.

    `client` (`http.new_client`) asks for the models and for what the catalogue keeps beside its chat, at
    `functions_url`. `status` tells what a request would get now.
    """

    def __init__(
        self,
        target: Target,
        *,
        client: httpx.Client,
        clock: Clock,
        status: Callable[[], NimStatus],
        functions_url: str = "",
        timeouts: ChatTimeouts | None = None,
        function_timeouts: FunctionTimeouts | None = None,
        chat: ChatClient | None = None,
    ) -> None:
        """`chat` takes the place of the client of the `openai` package."""
        line = Line(target.url, client, name=target.service.display_name, setting=target.setting, key=target.key)
        self._target = target
        self._served = Served(target, line)
        self._chat = chat or ChatClient(target.url, key=target.key, timeouts=timeouts)
        functions = CloudFunctions(functions_url, client, key=target.key, timeouts=function_timeouts)
        self._assets = Assets(functions) if target.is_hosted else None
        self._promised = functions.promised if target.is_hosted else None
        self._clock = clock
        self._status = status
        self._takes_tags: set[str] = set()

    def status(self) -> NimStatus:
        """What would answer a request now."""
        return self._status()

    def warm(self) -> None:
        """Load what the first answer would have to wait for; opens no socket."""
        self._chat.warm()

    def close(self) -> None:
        """Let go of connections, and delete what still lies at the catalogue."""
        self._chat.close()
        if self._assets is not None:
            self._assets.close()

    def run(self, request: ImageRequest, /) -> ImageStream:
        """Begin an answer; returns with its first token, so that until then somebody else may answer.

        The bytes of the picture are sent as they are. A picture too large for a request to the catalogue is uploaded,
        and deleted once the answer has ended, however it did.

        Raises:
            NimUnavailable: it cannot be used: not there, loading, no answer in time, access refused, model gone.
            NimRejected: it refused the request, or reads no pictures.
            NimReplyInvalid: it answered with something that is no chat, or with nothing.
            Cancelled: a person stopped the wait; the connection is closed.
        """
        picture = request.picture
        with span("NIM call", service="vila_m3"):
            if self._assets is None or picture.facts.base64_characters < MOST_INLINE_CHARACTERS:
                encoded = base64.b64encode(picture.encoded).decode("ascii")
                started = self._asked(request, f"data:{picture.facts.media_type};base64,{encoded}", None)
                return self._stream(request, started, SentAs.INLINE, started.begun.tokens(), started.begun.close)
            asset = self._assets.upload(
                picture.encoded,
                picture.facts.media_type,
                asked=self._served.asked(self._target.model),
                progress=request.progress,
            )
            try:
                started = self._with_asset(request, asset)
            except BaseException:  # also where a person stopped: the picture must not stay there
                asset.delete_soon()
                raise
        begun = started.begun

        def close() -> None:
            begun.close()
            asset.delete_soon()

        return self._stream(request, started, SentAs.ASSET, _then_deleted(begun, asset), close)

    def _with_asset(self, request: ImageRequest, asset: Asset) -> Started[_Sent]:
        """An uploaded picture as a part of its own, or as a tag: each form is the only one that some models take."""
        model, refused = self._target.model, list[Reply]()
        first = model in self._takes_tags
        try:
            return self._asked(request, asset.url, asset, in_tags=first, refused=refused)
        except NimRejected as error:
            if not refused or not is_refused_as_sent(refused[-1]):
                raise
            try:
                started = self._asked(request, asset.url, asset, in_tags=not first)
            except NimRejected:
                raise error from None
        (self._takes_tags.discard if first else self._takes_tags.add)(model)
        return started

    def _asked(
        self,
        request: ImageRequest,
        url: str,
        asset: Asset | None,
        *,
        in_tags: bool = False,
        refused: list[Reply] | None = None,
    ) -> Started[_Sent]:
        def sent_to(model: ServedModel, shrink: float) -> _Sent:
            prompt = build_image_prompt(request, model=model.id, context_tokens=model.context_tokens, shrink=shrink)
            return _Sent(prompt=prompt, url=url, in_tags=in_tags)

        def refusal(reply: Reply, asked: Asked) -> NimError:
            if refused is not None:
                refused.append(reply)
            return image_refusal(reply, asked)

        asking = Asking(
            self._target,
            self._served,
            self._chat,
            refused=refusal,
            elsewhere=self._promised,
            takes_whole=True,
        )
        return asking.begin(request.sampling, sent_to, request.progress, headers=asset.headers if asset else None)

    def _stream(
        self,
        request: ImageRequest,
        started: Started[_Sent],
        sent_as: SentAs,
        tokens: Iterator[str],
        close: Callable[[], None],
    ) -> ImageStream:
        sent, hosted = started.sent, self._target.is_hosted
        seen = request.picture.provenance
        expert = (request.expert.provenance,) if request.expert and request.expert.provenance != seen else ()
        return ImageStream(
            tokens=tokens,
            finish=started.begun.finish,
            close=close,
            prompt=sent.prompt.shown(in_tags=sent.in_tags),
            sent_as=sent_as,
            provenance=Provenance(
                origin=Origin.CLOUD if hosted else Origin.LOCAL,
                model=started.model.id,
                version="unknown",
                created_at=self._clock.stamp(),
                parameters={
                    "endpoint": "hosted catalogue" if hosted else "own NIM",
                    "picture_sha256": request.picture.facts.sha256,
                    "sent_as": sent_as.value,
                    "turns_given": sent.prompt.turns_given,
                    "most_answer_tokens": sent.max_tokens,
                    "seed": request.sampling.seed,
                },
                inputs=(seen, *expert),
            ),
        )


def _then_deleted(begun: Begun, asset: Asset) -> Iterator[str]:
    try:
        yield from begun.tokens()
    finally:
        asset.delete()
