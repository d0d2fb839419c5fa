"""What the hosted catalogue has beside its chat, by its contract: assets, and answers that are promised for later.

The addresses that it gives for uploads and results are signed ones: like a bucket's, they refuse a second credential
and headers other than those that were signed.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.contract_server.server import Answer, Received

BASE = "/v2/nvcf"
UPLOAD = "/bucket/upload/"
RESULT = "/bucket/result/"
ACCOUNT = "acc0untABCDEF123"
_DESCRIPTION = "x-amz-meta-nvcf-asset-description"


@dataclass(kw_only=True)
class Stored:
    """An asset: what was said of it when it was made, and its content once that was uploaded."""

    media_type: str
    description: str
    content: bytes | None = None


@dataclass(kw_only=True)
class Promised:
    """An answer for later, after so many more looks."""

    looks: int
    body: bytes
    content_type: str = "application/json"


class CloudFunctionsFixture:
    """Keeps assets and promised answers. `assets` are those not deleted yet, `made` counts all.

    Faults, from the server's: `no_asset`, `no_upload`, `no_delete` (the status of that call; the first and the last may
    be a list of statuses, one a call; `retry_after` goes with the first), `no_place` (no upload address), `bad_place`
    (an address of another scheme), `later_status` (of a promised answer), `elsewhere` (it lies at another address, told
    with 302), `busy_looks` (429 that often), `asset_s` and `upload_s` (seconds until these calls are answered; `wait`
    waits).
    """

    def __init__(self, base_url: str, *, wait: Callable[[float], object]) -> None:
        self._base_url = base_url
        self._wait = wait
        self._numbers = itertools.count(0x1B4E28BA2FA111D2883F0016D3CCA427)
        self.assets: dict[str, Stored] = {}
        self.promises: dict[str, Promised] = {}
        self.made = 0
        self.looks = 0

    def answer(self, request: Received, faults: dict[str, Any]) -> Answer | None:
        """None where the route is not one of these."""
        path = request.path.partition("?")[0]
        if path.startswith((UPLOAD, RESULT)):
            return self._in_bucket(request, path, faults)
        if path == f"{BASE}/assets" and request.method == "POST":
            return self._create(request, faults)
        if path.startswith(f"{BASE}/assets/") and request.method == "DELETE":
            return self._delete(path.rpartition("/")[2], faults)
        if path.startswith(f"{BASE}/pexec/status/") and request.method == "GET":
            return self._look(path.rpartition("/")[2], faults)
        return None

    def promise(self, body: bytes, *, looks: int, content_type: str = "application/json") -> str:
        """Keep an answer for later; the id of the request."""
        request_id = self._new_id()
        self.promises[request_id] = Promised(looks=looks, body=body, content_type=content_type)
        return request_id

    def result_url(self, request_id: str) -> str:
        return f"{self._base_url}{RESULT}{request_id}?X-Amz-Signature=5ec4e7&X-Amz-Expires=300"

    def _new_id(self) -> str:
        return str(uuid.UUID(int=next(self._numbers)))

    def _create(self, request: Received, faults: dict[str, Any]) -> Answer:
        if status := _next(faults.get("no_asset")):
            told = {"title": "Refused", "detail": f"for account '{ACCOUNT}'"}
            return Answer.of(told, status, **{"Retry-After": str(faults.get("retry_after", 0))})
        told = request.json()
        if set(told) != {"contentType", "description"} or not told["contentType"].startswith("image/"):
            return Answer.of({"detail": [{"loc": ["body"], "msg": "wrong fields", "type": "value_error"}]}, 422)
        self._wait(faults.get("asset_s", 0.0))
        asset_id = self._new_id()
        self.made += 1
        self.assets[asset_id] = Stored(media_type=told["contentType"], description=told["description"])
        url = f"{self._base_url}{UPLOAD}{asset_id}?X-Amz-Signature=5ec4e7&X-Amz-Expires=300"
        if faults.get("bad_place"):
            url = f"ftp{url.removeprefix('http')}"
        return Answer.of({"assetId": asset_id, **({} if faults.get("no_place") else {"uploadUrl": url}), **told})

    def _in_bucket(self, request: Received, path: str, faults: dict[str, Any]) -> Answer:
        if "authorization" in request.headers:
            return Answer(status=400, body=b"<Error>Only one auth mechanism allowed</Error>", content_type="text/xml")
        if "X-Amz-Signature=5ec4e7" not in request.path:
            return Answer(status=403, body=b"<Error>AccessDenied</Error>", content_type="text/xml")
        name = path.rpartition("/")[2]
        if path.startswith(RESULT) and request.method == "GET":
            kept = self.promises.pop(name)
            return Answer(body=kept.body, content_type=kept.content_type)
        asset = self.assets.get(name)
        if asset is None or request.method != "PUT":
            return Answer(status=404, body=b"<Error>NoSuchKey</Error>", content_type="text/xml")
        signed = (asset.media_type, asset.description)
        if (request.headers.get("content-type"), request.headers.get(_DESCRIPTION)) != signed:
            return Answer(status=403, body=b"<Error>SignatureDoesNotMatch</Error>", content_type="text/xml")
        if faults.get("no_upload"):
            asset.content = request.body[: len(request.body) // 2]
            return Answer(status=faults["no_upload"], body=b"<Error>SlowDown</Error>", content_type="text/xml")
        self._wait(faults.get("upload_s", 0.0))
        asset.content = request.body
        return Answer()

    def _delete(self, asset_id: str, faults: dict[str, Any]) -> Answer:
        if status := _next(faults.get("no_delete")):
            return Answer.of({"detail": f"asset {asset_id} of account '{ACCOUNT}'"}, status)
        found = self.assets.pop(asset_id, None)
        return Answer(status=204 if found else 404)

    def _look(self, request_id: str, faults: dict[str, Any]) -> Answer:
        self.looks += 1
        kept = self.promises.get(request_id)
        if kept is None:
            return Answer.of({"status": 404, "title": "Not Found", "detail": "no such request"}, 404)
        if (left := faults.get("busy_looks", 0)) > 0:
            faults["busy_looks"] = left - 1
            return Answer.of({"status": 429, "title": "Too Many Requests"}, 429)
        if kept.looks > 0:
            kept.looks -= 1
            return Answer.of({}, 202, **{"NVCF-REQID": request_id, "NVCF-STATUS": "pending-evaluation"})
        if faults.get("later_status"):
            return Answer.of({"detail": f"Function failed for account '{ACCOUNT}'"}, faults["later_status"])
        if faults.get("elsewhere"):
            location = "gopher://nowhere/" if faults["elsewhere"] == "unsafe" else self.result_url(request_id)
            return Answer(status=302, headers={"Location": location})
        del self.promises[request_id]
        return Answer(body=kept.body, content_type=kept.content_type)


def _next(fails: Any) -> int | None:
    """The status with which a call fails."""
    if isinstance(fails, list):
        return fails.pop(0) if fails else None
    return fails or None
