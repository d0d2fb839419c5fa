"""The VISTA-3D contract: fetches the image itself, checks everything it is sent, answers a zip with a mask.

What a real NIM accepts is the MONAI bundle's rule (labels 1..132 without 16, 18, 129, 130, 131; superclasses 2, 20
and 21 replaced by their parts), its error bodies those of the early-access server. No model is inside: the masks
come from `labeller`, and the version says `fixture`.
"""

from __future__ import annotations

import gzip
import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import nibabel
import numpy as np
from numpy.typing import NDArray

from tests.contract_server.server import Answer, ContractServer, Received
from workbench.domain.organs import EVERYTHING, LABEL_BY_NAME, ORGANS, PARTS, expand

VERSION = "0.5.7-fixture"
Labeller = Callable[[nibabel.Nifti1Image, tuple[int, ...]], NDArray[np.uint8]]


class Refusal(Exception):
    """An error answer on its way out."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def boxes(image: nibabel.Nifti1Image, labels: tuple[int, ...]) -> NDArray[np.uint8]:
    """Every label gets a box of its own, in a lattice over the volume; the volume must have room for them."""
    mask = np.zeros(image.shape[:3], dtype=np.uint8)
    a_side = int(np.ceil(len(labels) ** (1 / 3)))
    edges = [np.linspace(0, size, a_side + 1).astype(int) for size in mask.shape]
    for at, label in enumerate(labels):
        cell = np.unravel_index(at, (a_side, a_side, a_side))
        mask[tuple(slice(edge[c], edge[c + 1]) for edge, c in zip(edges, cell, strict=True))] = label
    return mask


class Vista3dNim(ContractServer):
    """A VISTA-3D NIM by its contract.

    Faults besides the base's: `hang` (seconds), `slow` (seconds), `reset`, `truncated`, `bare` ("nrrd", "nii",
    "nii.gz"), `response_member`, `empty_mask`, `not_evaluated` (that many voxels are 255), `values` (that value in
    the first voxel), `wrong_grid`, `reoriented`, `refuse_label`, `zip_escape` ("only" or "too"), `two_masks`, `bomb`,
    `html`, `json`, `out_of_memory`, `https_only`, `no_fetch` (refuses without fetching), `no_info`.
    """

    def __init__(self, *, labeller: Labeller = boxes, **options: Any) -> None:
        self.labeller = labeller
        self.fetches: list[tuple[str, int]] = []
        super().__init__(**options)

    def answer(self, request: Received) -> Answer:
        try:
            if request.method == "GET" and request.path == "/v1/vista3d/info" and not self.faults.get("no_info"):
                names = {"0": "background", **{str(label): organ.name for label, organ in ORGANS.items()}}
                return Answer.of({"name": "VISTA3D", "version": VERSION, "labels": names})
            if request.method == "POST" and request.path == "/v1/vista3d/inference":
                return self._infer(_body(request))
        except Refusal as refusal:
            return refusal.answer
        return Answer.of({"detail": "Not Found"}, 404)

    def _infer(self, body: dict[str, Any]) -> Answer:
        if (early := self._early_fault()) is not None:
            return early
        labels = _labels(body.get("prompts") or {})
        image = self._fetch(body["image"])
        if self.faults.get("slow"):
            time.sleep(self.faults["slow"])
        if self.faults.get("out_of_memory"):
            raise failed("CUDA out of memory. Tried to allocate 20.00 GiB")
        if "refuse_label" in self.faults:
            raise failed("Undefined label prompt detected. Provide point prompts for zero-shot.")
        return self._packed(self._mask(image, labels))

    def _early_fault(self) -> Answer | None:
        if self.faults.get("hang"):
            self.released.wait(self.faults["hang"])
        if self.faults.get("html"):
            return Answer(body=b"<!doctype html><title>Welcome to nginx</title>", content_type="text/html")
        if self.faults.get("json"):
            return Answer.of({"message": "The result was written to the mount."})
        if self.faults.get("no_fetch"):
            raise failed("Image could not be downloaded: connection refused")
        return None

    def _fetch(self, url: str) -> nibabel.Nifti1Image:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.path.rpartition("/")[2]:
            raise Refusal(Answer.of({"detail": "Invalid Image URL"}, 422))
        if self.faults.get("https_only") and parts.scheme != "https":
            raise Refusal(Answer.of({"error_msg": [{"msg": "Only https image URLs are allowed."}]}, 400))
        if not parts.path.endswith((".nii", ".nii.gz", ".nrrd")):
            raise Refusal(Answer.of({"error_msg": [{"msg": "Unsupported image extension."}]}, 400))
        try:
            with httpx.Client(trust_env=False, timeout=10) as client:
                client.head(url)
                reply = client.get(url).raise_for_status()
        except httpx.HTTPError as error:
            raise failed("The image could not be downloaded.") from error
        self.fetches.append((parts.path, len(reply.content)))
        return nibabel.Nifti1Image.from_bytes(gzip.decompress(reply.content))

    def _mask(self, image: nibabel.Nifti1Image, labels: tuple[int, ...]) -> nibabel.Nifti1Image:
        data = np.array(self.labeller(image, labels), dtype=np.uint8)
        affine = image.affine.copy()
        if self.faults.get("empty_mask"):
            data[:] = 0
        data.reshape(-1)[: self.faults.get("not_evaluated", 0)] = 255
        if "values" in self.faults:
            data[0, 0, 0] = self.faults["values"]
        if self.faults.get("wrong_grid"):
            affine[:3, 3] += 50.0
        mask = nibabel.Nifti1Image(data, affine)
        return mask.as_reoriented(np.array([[2, -1], [0, 1], [1, -1]])) if self.faults.get("reoriented") else mask

    def _packed(self, mask: nibabel.Nifti1Image) -> Answer:
        bare = self.faults.get("bare")
        if bare == "nrrd":
            return Answer(body=as_nrrd(mask), content_type="application/octet-stream")
        if bare == "nii":
            return Answer(body=mask.to_bytes(), content_type="application/octet-stream")
        packed = gzip.compress(mask.to_bytes(), compresslevel=1)
        if bare == "nii.gz":
            return Answer(body=packed, content_type="application/gzip")
        body = _zipped(self._members(packed))
        if self.faults.get("truncated"):
            body = body[: len(body) // 2]
        return Answer(
            body=body, content_type="application/zip", cut_after=len(body) // 2 if self.faults.get("reset") else None
        )

    def _members(self, packed: bytes) -> dict[str, bytes]:
        members = {} if self.faults.get("zip_escape") == "only" else {"seg/mask.nii.gz": packed}
        if self.faults.get("bomb"):
            members = {"mask.nii": bytes(5_000_000)}
        if self.faults.get("two_masks"):
            members["seg/other.nii.gz"] = packed
        if self.faults.get("zip_escape"):
            members |= {"../../escape.nii.gz": packed, "/tmp/escape.nii.gz": packed, "C:\\escape.nii.gz": packed}
        if self.faults.get("response_member"):
            members = {"1b4e28ba.response": b'{"status": "fulfilled"}', **members}
        return members


def failed(reason: str) -> Refusal:
    return Refusal(Answer.of({"detail": f"Failed to Run Inference.  Error: {reason}"}, 500))


def _schema(where: list[str], message: str, kind: str) -> Refusal:
    return Refusal(Answer.of({"detail": [{"loc": ["body", *where], "msg": message, "type": kind}]}, 422))


def _body(request: Received) -> dict[str, Any]:
    """The body, refused like FastAPI does where it is not exactly the published schema."""
    try:
        body = request.json()
    except json.JSONDecodeError as error:
        raise _schema([], "JSON decode error", "json_invalid") from error
    if request.headers.get("content-type") != "application/json" or not isinstance(body, dict):
        raise _schema([], "Input should be a valid dictionary", "dict_type")
    if not isinstance(body.get("image"), str):
        raise _schema(["image"], "Field required", "missing")
    _only(body, ["image", "prompts", "local_working_dir"], [])
    if not isinstance(body.get("prompts") or {}, dict):
        raise _schema(["prompts"], "Input should be a valid dictionary", "dict_type")
    _only(body.get("prompts") or {}, ["classes", "points"], ["prompts"])
    return body


def _only(given: dict[str, Any], known: list[str], where: list[str]) -> None:
    for field in given:
        if field not in known:
            raise _schema([*where, field], "Extra inputs are not permitted", "extra_forbidden")


def _labels(prompts: dict[str, Any]) -> tuple[int, ...]:
    points = prompts.get("points") or {}
    if points:
        return _clicked(points)
    if not prompts.get("classes"):
        return EVERYTHING
    labels = [_label(each) for each in prompts["classes"]]
    if any(label is None or not ORGANS[label].supported for label in labels):
        raise failed("Undefined label prompt detected. Provide point prompts for zero-shot.")
    return expand(label for label in labels if label is not None)


def _clicked(points: Any) -> tuple[int, ...]:
    if not isinstance(points, dict) or not all(
        isinstance(click, list) and len(click) == 3 and all(type(at) is int for at in click)
        for clicks in points.values()
        for click in clicks
    ):
        raise _schema(["prompts", "points"], "Input should be a valid list", "list_type")
    ((name, _),) = points.items() if len(points) == 1 else ((None, None),)
    label = int(name) if str(name).isdecimal() else _label(name)
    if label is None or label in PARTS or not 1 <= label <= 254:
        raise failed("Points need exactly one object that is no superclass.")
    return (label,)


def _label(each: Any) -> int | None:
    label = each if isinstance(each, int) else LABEL_BY_NAME.get(str(each).lower())
    return label if label in ORGANS else None


def _zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def as_nrrd(mask: nibabel.Nifti1Image) -> bytes:
    """The volume as a gzipped NRRD in LPS, as older servers answered (NRRD 4 format definition)."""
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ mask.affine
    vector = lambda each: "(" + ",".join(f"{number:.9g}" for number in each) + ")"  # noqa: E731 - one line, used below
    image_type = mask.get_data_dtype().newbyteorder("<").name
    header = "\n".join(
        [
            "NRRD0004",
            f"type: {image_type}",
            "endian: little",
            "dimension: 3",
            "space: left-posterior-superior",
            "sizes: " + " ".join(map(str, mask.shape)),
            "space directions: " + " ".join(vector(lps[:3, axis]) for axis in range(3)),
            "kinds: domain domain domain",
            "encoding: gzip",
            f"space origin: {vector(lps[:3, 3])}",
        ]
    )
    return header.encode() + b"\n\n" + gzip.compress(np.asarray(mask.dataobj).tobytes(order="F"))
