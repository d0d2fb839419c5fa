"""Pictures too large to travel inline, which lie at the hosted catalogue while a question about them is answered.

As NVIDIA Cloud Functions has it: `POST /assets` gives an id and an address to upload to, `DELETE /assets/{id}` takes
the picture away again.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from workbench.domain.errors import NimError, NimRejected, NimReplyInvalid, NimUnavailable
from workbench.domain.progress import Progress
from workbench.nim.cloud_functions import NAME, URL_SETTING, CloudFunctions, is_id
from workbench.nim.complaint import complaint
from workbench.nim.http import NoAnswerInTime, Reply
from workbench.nim.llm_failure import wait_before_retry_s
from workbench.nim.refusals import Asked, refusal, with_cure
from workbench.nim.turns import call, wait

DESCRIPTION = "picture"
"""What an upload is described as: the same for all, so that it tells nothing."""

REFERENCES = "NVCF-INPUT-ASSET-REFERENCES"

_LOG = logging.getLogger(__name__)
_HANDING_OVER = "handing over the picture"


class Asset:
    """A picture that lies at the catalogue until it is deleted, which happens once, whoever asks for it.

    Where deleting fails, it may be asked for again.
    """

    def __init__(self, asset_id: str, media_type: str, delete: Callable[[str], bool]) -> None:
        """`delete` takes the id and says whether the picture is gone."""
        self.url = f"data:{media_type};asset_id,{asset_id}"
        self.headers: Mapping[str, str] = {REFERENCES: asset_id}
        self._id = asset_id
        self._delete = delete
        self._lock = threading.Lock()
        self._deleted = False

    def delete(self) -> bool:
        """Take it away from the catalogue; returns when that is over, and whether it is gone.

        What goes wrong is logged and hides nothing.
        """
        with self._lock:
            self._deleted = self._deleted or self._delete(self._id)
            return self._deleted

    def delete_soon(self) -> None:
        """The same without waiting; the process does not end before it is over."""
        threading.Thread(target=self.delete, name="asset-delete").start()


class Assets:
    """The pictures that this process has at the catalogue."""

    def __init__(self, functions: CloudFunctions) -> None:
        self._functions = functions
        self._lock = threading.Lock()
        self._kept: dict[str, Asset] = {}
        self._left: set[str] = set()

    def upload(self, encoded: bytes, media_type: str, *, asked: Asked, progress: Progress) -> Asset:
        """Hand a picture over; nothing of it stays behind where that fails half-way.

        Raises:
            NimUnavailable: not reached, or the key, the credit or the rate does not allow it.
            NimRejected, NimReplyInvalid: it does not take the picture.
            Cancelled: a person stopped the wait.
        """
        if not self._functions.url:
            raise NimUnavailable(
                f"The picture is too large to travel inside a request, and {URL_SETTING} is empty.",
                hint=f"Set {URL_SETTING}, or ask about a smaller picture.",
            )
        with self._lock:
            is_left = bool(self._left)
        if is_left:
            threading.Thread(target=self._delete_left, name="asset-delete").start()
        asset, upload_url = self._place(media_type, asked, progress)
        headers = {"Content-Type": media_type, "x-amz-meta-nvcf-asset-description": DESCRIPTION}
        try:
            # Exactly the headers that were signed, and never the key.
            reply = self._functions.elsewhere(
                "PUT", upload_url, tell=lambda: progress.stage(_HANDING_OVER), content=encoded, headers=headers
            )
            if reply.status not in (200, 201, 204):
                raise NimUnavailable(
                    f"The place to which {asked.name} has large pictures sent did not take this one "
                    f"(status {reply.status}).",
                    hint="Try again; a smaller picture travels inside the request and needs no such place.",
                )
        except BaseException:  # also where a person stopped: an empty or half asset must not stay
            asset.delete_soon()
            raise
        return asset

    def close(self) -> None:
        """Delete what nobody did, and wait for what is being deleted."""
        with self._lock:
            kept = [asset for asset_id, asset in self._kept.items() if asset_id not in self._left]
        for each in kept:
            each.delete()
        self._delete_left()

    def _delete_left(self) -> None:
        """Try once more what could not be deleted before, up to the first that fails again."""
        with self._lock:
            left = [self._kept[each] for each in self._left]
        for each in left:
            if not each.delete():
                return

    def _place(self, media_type: str, asked: Asked, progress: Progress) -> tuple[Asset, str]:
        """An asset without content, and where its content goes; “later” is tried once more."""
        placed = self._ask_for_place(media_type, asked, progress)
        if isinstance(placed, Reply) and (seconds := wait_before_retry_s(placed)) is not None:
            wait(seconds, lambda: progress.stage(f"{NAME} is busy: next try in {seconds:g} s"))
            placed = self._ask_for_place(media_type, asked, progress)
        if isinstance(placed, Reply):
            raise _refused(placed, asked)
        return placed

    def _ask_for_place(self, media_type: str, asked: Asked, progress: Progress) -> tuple[Asset, str] | Reply:
        body = json.dumps({"contentType": media_type, "description": DESCRIPTION}).encode()
        made: list[Asset] = []
        stopped = threading.Event()

        def work() -> tuple[Asset, str] | Reply:
            # Not hung up on: an asset made in the moment of a stop would stay behind, its id never heard of.
            reply = self._functions.send("POST", "/assets", content=body, headers={"Content-Type": "application/json"})
            if reply.status not in (200, 201):
                return reply
            asset, url = self._accepted(reply, media_type, asked)
            made.append(asset)
            if stopped.is_set():
                asset.delete()
            return asset, url

        try:
            return call(work, tell=lambda: progress.stage(_HANDING_OVER), give_up=stopped.set)
        except BaseException:  # a stop between the answer and its arrival here
            stopped.set()
            for each in made:
                each.delete_soon()
            raise

    def _accepted(self, reply: Reply, media_type: str, asked: Asked) -> tuple[Asset, str]:
        told = reply.json()
        asset_id, url = (told.get("assetId"), told.get("uploadUrl")) if isinstance(told, dict) else (None, None)
        if not isinstance(asset_id, str) or not is_id(asset_id):
            raise _no_place(asked)
        asset = Asset(asset_id, media_type, self._delete)
        with self._lock:
            self._kept[asset_id] = asset
        if not isinstance(url, str) or not self._functions.is_as_safe(url):
            asset.delete_soon()
            raise _no_place(asked)
        return asset, url

    def _delete(self, asset_id: str) -> bool:
        why = ""
        for _ in range(2):
            try:
                reply = self._functions.send("DELETE", f"/assets/{asset_id}")
            except NimError as error:
                why = "no answer" if isinstance(error, NoAnswerInTime) else "not reached"
                continue
            if reply.status in (200, 202, 204, 404):
                why = ""
                break
            why = f"status {reply.status}"
        with self._lock:
            if why:
                self._left.add(asset_id)
            else:
                self._kept.pop(asset_id, None)
                self._left.discard(asset_id)
        if why:
            _LOG.warning(
                "A picture that was sent to the hosted catalogue could not be deleted there (%s); it is tried again "
                "with the next large picture, and when the workbench ends.",
                why,
            )
        return not why


def _refused(reply: Reply, asked: Asked) -> NimError:
    """The error where no asset was made. Key, credit and rate are those of the chat."""
    if reply.status in (401, 402, 403, 429) or reply.status >= 500:
        return with_cure(refusal(reply, replace(asked, url_setting=URL_SETTING)), asked)
    said = complaint(reply.body)
    quoted = f": “{said}”" if said and reply.body.lstrip()[:1] != b"<" else ""
    message = f"{asked.opening} has no place for a picture too large for a request (status {reply.status}){quoted}."
    hint = f"Check {URL_SETTING}, or ask about a smaller picture."
    return NimRejected(message, hint=hint) if reply.status in (400, 413, 422) else NimUnavailable(message, hint=hint)


def _no_place(asked: Asked) -> NimReplyInvalid:
    return NimReplyInvalid(
        f"{asked.opening} did not say where a picture too large for a request goes.", hint=f"Check {URL_SETTING}."
    )
