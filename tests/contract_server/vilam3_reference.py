"""VILA-M3's reference server by its source: a fixture, no model is inside. It tells what it can measure.

Written after Project-MONAI, VLM-Radiology-Agent-Framework, server-slicer/vila-m3-server.py and utils.py: slashes at the
ends, the prompt in the address, one picture for all who ask, the file beside a question stored and not looked at.
"""

from __future__ import annotations

import email.parser
import email.policy
import io
import re
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image, UnidentifiedImageError

from tests.contract_server.server import Answer, ContractServer, Received

CARDS = "Here is a list of available expert models:\n(…)\n"
PICTURE = "<image>"
_KEYWORDS = {"cxr": "CXR", "chest x-ray": "CXR", "ct image": "CT", "mri": "MRI", "magnetic resonance imaging": "MRI"}


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the model behind the server was given: the prompt as the server composed it, and the picture."""

    prompt: str
    composed: str
    picture: bytes


class ReferenceVila(ContractServer):
    """Answers questions about the picture that was uploaded last. `questions` are those that reached the model.

    Faults besides the base's: `as_published` (no file can be uploaded: the code stumbles over its type), `no_pathlib`
    (it stumbles over the file beside a question), `sorry` (the error of the model behind it, told as an answer),
    `expert` (the last word is an expert's, with a picture), `says_nothing` (the words for no answer), `plain` (a
    string where the message is), `length`, `html`, `other` (a document that is no answer), `text` (what it says),
    `slow` (seconds before it answers), `longest` (414 for addresses over so many characters), `no_uploads` (404),
    `not_vila` (`/info/` tells something else).
    """

    def __init__(self, **options: Any) -> None:
        self.questions: list[Question] = []
        self.last_file: bytes | None = None
        # Its handlers block the one loop that it has: requests are served one after the other.
        self._loop = threading.Lock()
        super().__init__(**options)

    def respond(self, request: Received) -> Answer:
        if request.path.startswith("/v1/health") or request.path.startswith("/v1/models"):
            self.received.append(request)
            return Answer.of({"detail": "Not Found"}, 404)
        return super().respond(request)

    def answer(self, request: Received) -> Answer:
        longest = self.faults.get("longest")
        if longest is not None and len(request.path) > longest:
            return Answer(status=414, body=b"<h1>414 Request-URI Too Large</h1>", content_type="text/html")
        if self.faults.get("html"):
            return Answer(body=b"<!doctype html><title>Welcome</title>", content_type="text/html")
        path, query = urlsplit(request.path)[2:4]
        routes = {
            ("GET", "/info/"): self._info,
            ("POST", "/upload/"): self._upload,
            ("POST", "/v1/chat/completions/"): self._chat,
        }
        if not path.endswith("/") and any(path + "/" == known for _, known in routes):
            return Answer(status=307, headers={"Location": f"{path}/"})
        known = routes.get((request.method, path))
        if known is None or (path == "/upload/" and self.faults.get("no_uploads")):
            return Answer.of({"detail": "Not Found"}, 404)
        with self._loop:
            return known(request, {name: values[-1] for name, values in parse_qs(query).items()})

    def _info(self, request: Received, query: dict[str, str]) -> Answer:
        return Answer.of("Another model" if self.faults.get("not_vila") else "VILA-M3 model")

    def _upload(self, request: Received, query: dict[str, str]) -> Answer:
        found = _form_file(request)
        if found is None:
            return _missing("body", "file")
        name, content = found
        if name is None:
            if not content.startswith((b"http://", b"https://")):
                return Answer.of({"detail": "'str' object has no attribute 'read'"}, 500)
            self.last_file = content
            return Answer.of({"filename": [content.decode()], "status": "File path received successfully"})
        if self.faults.get("as_published"):
            return Answer.of({"detail": "'UploadFile' object has no attribute 'startswith'"}, 500)
        self.last_file = content
        return Answer.of({"filename": name, "status": "File uploaded successfully"})

    def _chat(self, request: Received, query: dict[str, str]) -> Answer:
        for name in ("Prompt", "stream"):
            if name not in query:
                return _missing("query", name)
        if self.last_file is None:
            return Answer(status=500, body=b"Internal Server Error", content_type="text/plain")
        if self.faults.get("no_pathlib") and request.body:
            return Answer.of({"detail": "name 'pathlib' is not defined"}, 500)
        if self.faults.get("slow"):
            self.released.wait(self.faults["slow"])
        try:
            picture = Image.open(io.BytesIO(self.last_file))
            picture.load()
        except (UnidentifiedImageError, OSError):
            return Answer.of({"detail": "cannot identify image file '/tmp/tmpk3j9x2.jpg'"}, 500)
        composed = composed_prompt(query["Prompt"])
        if composed.count(PICTURE) != 1:
            return Answer.of({"detail": f"{composed.count(PICTURE)} places for 1 picture"}, 500)
        self.questions.append(Question(prompt=query["Prompt"], composed=composed, picture=self.last_file))
        if query["stream"] == "true":
            # It returns the exception where it would have to raise it.
            return Answer.of({"status_code": 500, "detail": "Error: Streaming not implemented ...", "headers": None})
        if self.faults.get("other"):
            return Answer.of({"detail": "This service has moved."})
        return Answer.of(self._completion(self._message(picture)))

    def _message(self, picture: Image.Image) -> Any:
        if self.faults.get("says_nothing"):
            return "No response generated"
        text = str(self.faults.get("text", _measured(picture)))
        if self.faults.get("sorry"):
            text = f"Sorry, I met an error: {self.faults['sorry']}."
        if self.faults.get("plain"):
            return text
        parts: list[dict[str, str]] = [{"type": "text", "text": text}]
        if self.faults.get("expert"):
            parts.append({"type": "image_path", "image_path": "/tmp/tmp81/seg_2f.jpg"})
        return {"role": "expert" if self.faults.get("expert") else "assistant", "content": parts}

    def _completion(self, content: Any) -> dict[str, Any]:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": content},
            "finish_reason": "length" if self.faults.get("length") else "stop",
        }
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        told = {"id": "chatcmpl-0", "object": "chat.completion", "created": 1717000000, "model": "vila-m3"}
        return {**told, "choices": [choice], "usage": usage}


def composed_prompt(prompt: str) -> str:
    """As the server puts it together: the experts, the picture's place unless there is one, the modality it sees."""
    found = next((modality for word, modality in _KEYWORDS.items() if word in prompt.lower()), None)
    line = f"This is a {found} image.\n" if found else ""
    return CARDS + ("" if PICTURE in prompt else PICTURE) + line + prompt


def _measured(picture: Image.Image) -> str:
    mean = float(np.asarray(picture.convert("L"), dtype=np.float64).mean())
    told = f"a {picture.format} of {picture.width} x {picture.height} pixels with a mean grey of {mean:.1f}"
    return f"This is a fixture without a model. The picture it received is {told}."


def _form_file(request: Received) -> tuple[str | None, bytes] | None:
    """The form's field `file`: its name where it is a file, and its content."""
    kind = request.headers.get("content-type", "")
    if not re.match(r"multipart/form-data\s*;", kind):
        return None
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    for part in form.iter_parts():
        if part.get_param("name", header="content-disposition") == "file":
            content = part.get_payload(decode=True)
            return part.get_filename(), content if isinstance(content, bytes) else b""
    return None


def _missing(where: str, name: str) -> Answer:
    return Answer.of(
        {"detail": [{"type": "missing", "loc": [where, name], "msg": "Field required", "input": None}]}, 422
    )
