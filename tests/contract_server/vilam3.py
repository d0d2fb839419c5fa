"""A vision model by its contract, own or hosted: a fixture, no model is inside. It tells what it can measure.

It refuses what the published servers refuse, and what would show that the workbench does not hold to the contract:
two pictures, a system message beside one, a picture that cannot be read or is larger than 1120 pixels, turns that do
not alternate, an inline picture over the catalogue's limit, an asset that is not there or not referred to.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import threading
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from tests.contract_server.cloud_functions import BASE, RESULT, UPLOAD, CloudFunctionsFixture
from tests.contract_server.llm import LlmNim
from tests.contract_server.server import Answer, Received

MODEL = "MONAI/Llama3-VILA-M3-8B"
HOSTED_MODEL = "meta/llama-3.2-11b-vision-instruct"
LONGEST_PX = 1120
MOST_INLINE_CHARACTERS = 180_000
MARK = "[picture]"

_TAG = re.compile(r'<img\s+src="([^"]*)"\s*/?>')
_DATA_URL = re.compile(r"data:(image/(?:png|jpeg|jpg));(base64|asset_id),(.*)", re.DOTALL)
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/jpg": "JPEG"}


class _Wrong(Exception):
    """Why a request is refused."""

    def __init__(self, status: int, message: str, *, shape: str = "message") -> None:
        super().__init__(message)
        self.answer = Answer.of({"object": "error", "code": status, shape: message}, status)


class VisionNim(LlmNim):
    """Answers questions about one picture. `pictures` are the bytes received, `cloud` the catalogue's other part.

    `hosted` makes it the catalogue: the inline limit holds, and assets may be used. What it says by default is
    measured from the picture: its format, its size, its mean grey, how many colours; `text` says something else;
    `calls` is an argument for which it asks VISTA-3D first, once.

    Faults besides `LlmNim`'s: `chat` (a dict of `status`, `body`, `headers`, for the chat only), `whole` (one JSON
    document though a stream was asked for: `string`, `list` or `nested` content), `list_pieces` (contents that are
    lists in the stream), `text_only` (takes no pictures), `bad_picture` (500, as several releases answer a picture
    they cannot read), `takes` (`parts` or `tags`: the only form in which an asset is taken), `later` (202, after so
    many looks; `later_events`: as a stream that was kept; `no_reqid`: without saying where), `moved` (302 at once),
    `any_size`, and those of `CloudFunctionsFixture`.
    """

    def __init__(self, *, hosted: bool = False, model: str = "", **options: Any) -> None:
        self.hosted = hosted
        self.pictures: list[bytes] = []
        self._seen = threading.local()
        super().__init__(model=model or (HOSTED_MODEL if hosted else MODEL), **options)
        self.cloud = CloudFunctionsFixture(self.url, wait=self.released.wait)

    @property
    def functions_url(self) -> str:
        return f"{self.url}{BASE}"

    def words(self) -> str:
        """The last chat's turns, roles and words, with `[picture]` where a picture stood."""
        told = []
        for each in self.chats()[-1]["messages"]:
            content = each["content"]
            if isinstance(content, str):
                said = _TAG.sub(lambda found: found[0].replace(found[1], MARK), content)
            else:
                said = "".join(part["text"] if part["type"] == "text" else MARK for part in content)
            told.append(f"{each['role']}:\n{said}")
        return "\n\n".join(told)

    def respond(self, request: Received) -> Answer:
        if request.path.startswith((UPLOAD, RESULT)):
            # Another host in truth: it knows neither the key nor the catalogue's faults.
            self.received.append(request)
            return self.cloud.answer(request, self.faults) or Answer.of({}, 404)
        return super().respond(request)

    def answer(self, request: Received) -> Answer:
        if self.hosted and (beside := self.cloud.answer(request, self.faults)) is not None:
            return beside
        if request.path != "/v1/chat/completions" or request.method != "POST":
            return super().answer(request)
        if "chat" in self.faults:
            told = {"body": "", "headers": {}, **self.faults["chat"]}
            body = told["body"].encode() if isinstance(told["body"], str) else json.dumps(told["body"]).encode()
            return Answer(status=told["status"], body=body, headers=told["headers"])
        try:
            self._seen.picture = self._picture(request)
        except _Wrong as wrong:
            return wrong.answer
        if self.faults.get("whole") or self.faults.get("later") is not None or self.faults.get("moved"):
            return self._not_streamed(request.json())
        return super().answer(request)

    def _not_streamed(self, body: dict[str, Any]) -> Answer:
        refused = self._refused(body)
        if refused is not None:
            return refused
        text = self._text(body)
        document = json.dumps(self._whole(text, body)).encode()
        if self.faults.get("whole"):
            return Answer(body=document)
        if self.faults.get("later_events"):
            request_id = self.cloud.promise(
                b"".join(self._events(text)), looks=self.faults["later"], content_type="text/event-stream"
            )
        else:
            request_id = self.cloud.promise(document, looks=self.faults.get("later") or 0)
        if self.faults.get("moved"):
            return Answer(status=302, headers={"Location": self.cloud.result_url(request_id)})
        headers = {} if self.faults.get("no_reqid") else {"NVCF-REQID": request_id}
        return Answer.of({}, 202, **headers)

    def _picture(self, request: Received) -> Image.Image:
        body = request.json()
        urls, in_tag = _pictures(body)
        if self.faults.get("text_only"):
            raise _Wrong(400, f"{self.model} is not a multimodal model")
        if self.faults.get("bad_picture"):
            raise _Wrong(500, "cannot identify image file <_io.BytesIO object at 0x7f3a>", shape="detail")
        if len(urls) > 1:
            raise _Wrong(400, "At most 1 image(s) may be provided in one request.")
        if not urls:
            raise _Wrong(400, "No image was provided.")
        roles = [each["role"] for each in body["messages"]]
        if "system" in roles:
            raise _Wrong(400, "Prompting with images is incompatible with system messages.")
        if roles != ["user", "assistant"] * (len(roles) // 2) + ["user"]:
            raise _Wrong(400, "Conversation roles must alternate user/assistant/user/assistant/...")
        found = _DATA_URL.fullmatch(urls[0])
        if found is None:
            raise _Wrong(500, "Invalid image URL", shape="detail")
        content = self._asset(found[3], found[1], request, in_tag) if found[2] == "asset_id" else self._inline(found[3])
        picture = _opened(content, _FORMATS[found[1]])
        if max(picture.size) > LONGEST_PX and not self.faults.get("any_size"):
            raise _Wrong(500, f"The image has {picture.width} x {picture.height} pixels.", shape="detail")
        self.pictures.append(content)
        return picture

    def _inline(self, encoded: str) -> bytes:
        if self.hosted and len(encoded) >= MOST_INLINE_CHARACTERS:
            raise _Wrong(413, "Request entity too large", shape="detail")
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise _Wrong(500, "Invalid base64 image", shape="detail") from error

    def _asset(self, asset_id: str, media_type: str, request: Received, in_tag: bool) -> bytes:
        if self.faults.get("takes") == ("parts" if in_tag else "tags"):
            raise _Wrong(500, "Invalid image URL", shape="detail")
        asset = self.cloud.assets.get(asset_id) if self.hosted else None
        if asset is None or asset.content is None:
            raise _Wrong(400, "The asset does not exist.", shape="detail")
        if request.headers.get("nvcf-input-asset-references") != asset_id:
            raise _Wrong(400, "The asset is not among the references of the request.", shape="detail")
        if asset.media_type != media_type:
            raise _Wrong(400, "The asset is of another type.", shape="detail")
        return asset.content

    def _refused(self, body: dict[str, Any]) -> Answer | None:
        return super()._refused(_without_pictures(body))

    def _whole(self, text: str, body: dict[str, Any]) -> dict[str, Any]:
        whole = super()._whole(text, _without_pictures(body))
        parts = [{"type": "text", "text": text}]
        if self.faults.get("whole") == "list":
            whole["choices"][0]["message"]["content"] = parts
        if self.faults.get("whole") == "nested":
            whole["choices"][0]["message"]["content"] = {"role": "assistant", "content": parts}
        return whole

    def _event(self, *, delta: dict[str, Any], finish: str | None = None) -> bytes:
        if self.faults.get("list_pieces") and delta.get("content"):
            delta = {"content": [{"type": "text", "text": delta["content"]}]}
        return super()._event(delta=delta, finish=finish)

    def _text(self, body: dict[str, Any]) -> str:
        if "text" in self.faults:
            return str(self.faults["text"])
        fed_back = "The results are " in json.dumps(body["messages"][-1]["content"])
        if self.faults.get("calls") and not fed_back:
            return f"<VISTA3D({self.faults['calls']})>"
        picture = self._seen.picture
        mean = float(np.asarray(picture.convert("L"), dtype=np.float64).mean())
        told = f"a {picture.format} of {picture.width} x {picture.height} pixels with a mean grey of {mean:.1f}"
        what = "An expert's result came with it." if fed_back else f"It holds {len(body['messages'])} turns."
        return f"This is a fixture without a model. The picture it received is {told}. {what}"


def _pictures(body: dict[str, Any]) -> tuple[list[str], bool]:
    """The addresses of all pictures, and whether they stand in tags; tags inside of lists are not parsed."""
    urls, tags = [], []
    for each in body["messages"]:
        if isinstance(each["content"], str):
            tags += _TAG.findall(each["content"])
        else:
            urls += [part["image_url"]["url"] for part in each["content"] if part["type"] == "image_url"]
    return [*urls, *tags], bool(tags)


def _without_pictures(body: dict[str, Any]) -> dict[str, Any]:
    def words(content: Any) -> str:
        if isinstance(content, str):
            return _TAG.sub("", content)
        return " ".join(part.get("text", "") for part in content)

    return {**body, "messages": [{**each, "content": words(each["content"])} for each in body["messages"]]}


def _opened(content: bytes, kind: str) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(content), formats=[kind])
        picture.load()
    except (UnidentifiedImageError, OSError) as error:
        raise _Wrong(500, "cannot identify image file", shape="detail") from error
    return picture
