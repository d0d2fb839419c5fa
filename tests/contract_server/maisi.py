"""The MAISI contract: checks every rule of the published schema and of the open bundle, answers a zip of pairs.

Rules and wording of errors follow NVIDIA's API page and the bundle's input checks; what is refused here is written down
anew, not taken from the client under test. No model is inside: volumes are boxes of known structures in an ellipse, a
different one for each sample, and the version says `fixture`.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from tests.contract_server.families import Family
from tests.contract_server.server import Answer, ContractServer, Received
from tests.contract_server.vista3d import Refusal, as_nrrd
from workbench.domain.organs import LABEL_BY_NAME, ORGANS, PARTS

VERSION = "1.0.1-fixture"
REGIONS = {"head", "chest", "thorax", "abdomen", "pelvis", "lower"}
NAMES = {organ.name for organ in ORGANS.values() if organ.supported and organ.label not in PARTS}
ORGANS_WITH_SIZE = {"liver", "gallbladder", "stomach", "pancreas", "colon"}
TUMOURS = {"lung tumor", "bone lesion", "hepatic tumor", "colon cancer primaries", "pancreatic tumor"}
EXTENSIONS = {".nrrd", ".nii", ".nii.gz"}
FIELDS = {
    "num_output_samples": int,
    "body_region": list,
    "anatomy_list": list,
    "output_size": list,
    "spacing": list,
    "controllable_anatomy_size": list,
    "pre_signed_url": str,
    "local_working_dir": str,
    "image_output_ext": str,
    "label_output_ext": str,
}
TURNS = {
    "RAS": np.array([[0, 1], [1, 1], [2, 1]]),
    "LPS": np.array([[0, -1], [1, -1], [2, 1]]),
    "SLP": np.array([[1, -1], [2, -1], [0, 1]]),
}
"""What each axis of the drawn volume becomes: another axis, and its direction (nibabel's orientation arrays)."""


def drawn(body: dict[str, Any], sample: int) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """HU and VISTA-3D ids of sample `sample` (from 0) of a request, in RAS order before it is turned."""
    names = [each[0] for each in body.get("controllable_anatomy_size") or []] or body.get("anatomy_list") or []
    shape = tuple(body["output_size"])
    i, j = np.ogrid[: shape[0], : shape[1]]
    inside = ((i - shape[0] / 2) / (0.45 * shape[0])) ** 2 + ((j - shape[1] / 2) / (0.4 * shape[1])) ** 2 < 1
    hu = np.where(inside, 30 + sample, -1000).astype(np.int16)[:, :, None].repeat(shape[2], axis=2)
    ids = np.zeros(shape, dtype=np.uint8)
    a_side = max(1, int(np.ceil(max(len(names), 1) ** (1 / 3))))
    for at, name in enumerate(names):
        cell = np.unravel_index(at, (a_side, a_side, a_side))
        window = tuple(
            # Each sample's boxes are a little shorter than the last's.
            slice(
                int(size * (0.3 + 0.4 * c / a_side)),
                int(size * (0.3 + 0.4 * (c + 0.9) / a_side)) - (sample if axis == 2 else 0),
            )
            for axis, (size, c) in enumerate(zip(shape, cell, strict=True))
        )
        ids[window] = LABEL_BY_NAME[name.lower()]
        hu[window] = 40 + at
    return hu, ids


class MaisiNim(ContractServer):
    """A MAISI NIM by its contract.

    Options and faults besides the base's: `numbering` ("order", or "ids"), `orientation` (a key of `TURNS`),
    `label_orientation` (of the label map alone), `ext` (overrides the format asked for), `response_member`, `json`,
    `json_odd` (a message under an unknown key), `html`, `out_of_memory`, `no_candidates`, `truncated`, `reset`,
    `only_image`, `only_label`, `no_pairs`, `other_grid`, `other_size`, `beyond` (that value in the first voxel), `body`
    value 200 in the first voxel (`with_body`), `fewer`, `more`, `zip_escape` ("only" or "too"), `twice`, `bomb`,
    `garbage`, `fractions`, `grey` (8 bits), `hang` and `slow` (seconds), `no_info`.
    """

    def ready_body(self) -> Any:
        return Family.MAISI.value[0]

    def answer(self, request: Received) -> Answer:
        try:
            if request.method == "GET" and request.path == "/v1/maisi/info" and not self.faults.get("no_info"):
                names = {str(label): organ.name for label, organ in ORGANS.items() if organ.name in NAMES}
                return Answer.of({"name": "MAISI", "version": VERSION, "labels": names})
            if request.method == "POST" and request.path == "/v1/maisi/run":
                return self._run(_body(request))
        except Refusal as refusal:
            return refusal.answer
        return Answer.of({"detail": "Not Found"}, 404)

    def _run(self, body: dict[str, Any]) -> Answer:
        self.released.wait(self.faults.get("hang", 0) or self.faults.get("slow", 0))
        if self.faults.get("html"):
            return Answer(body=b"<!doctype html><title>Welcome to nginx</title>", content_type="text/html")
        if self.faults.get("json"):
            return Answer.of({"message": "The result was written to the working directory."})
        if self.faults.get("json_odd"):
            return Answer.of({"status": "done", "where": "uploaded to the signed address"})
        if self.faults.get("out_of_memory"):
            raise _failed("CUDA out of memory. Tried to allocate 20.00 GiB")
        if self.faults.get("no_candidates"):
            raise _failed("Cannot find body region with given organ list.")
        packed = _zipped(self._members(body))
        if self.faults.get("truncated"):
            packed = packed[: len(packed) // 2]
        return Answer(
            body=packed,
            content_type="application/zip",
            cut_after=len(packed) // 2 if self.faults.get("reset") else None,
        )

    def _members(self, body: dict[str, Any]) -> list[tuple[str, bytes]]:
        count = body["num_output_samples"] - bool(self.faults.get("fewer")) + bool(self.faults.get("more"))
        members: list[tuple[str, bytes]] = []
        for sample in range(count):
            stem = f"sample_20260115_1203{sample:02d}_000000"
            image, label = self._pair(body, sample)
            image_ext, label_ext = (
                self.faults.get("ext", body.get(field, ".nii.gz")) for field in ("image_output_ext", "label_output_ext")
            )
            pair = [
                (f"{stem}_image{image_ext}", _file(image, image_ext)),
                (f"{stem}_label{label_ext}", _file(label, label_ext)),
            ]
            members += pair[: 1 if self.faults.get("only_image") else 2][1 if self.faults.get("only_label") else 0 :]
        # A directory's order is not that of the samples.
        members.reverse()
        if self.faults.get("no_pairs"):
            members = [("readme.txt", b"nothing here")]
        if self.faults.get("twice"):
            members.append((members[0][0].upper(), members[0][1]))
        if escape := self.faults.get("zip_escape"):
            bad = [(f"../../{name}", content) for name, content in members]
            bad += [(f"/tmp/{name}", content) for name, content in members]
            members = bad if escape == "only" else members + bad
        if self.faults.get("response_member"):
            members.insert(0, ("1b4e28ba-2fa1-11d2-883f-0016d3cca427.response", b'{"status": "fulfilled"}'))
        return members

    def _pair(self, body: dict[str, Any], sample: int) -> tuple[nibabel.Nifti1Image, nibabel.Nifti1Image]:
        if self.faults.get("other_size"):
            body = body | {"output_size": [128, 128, 64]}
        if self.faults.get("bomb"):
            body = body | {"output_size": [512, 512, 128]}
        hu, ids = drawn(body, sample)
        labels = ids if self.faults.get("numbering") == "ids" else _by_order(ids, body)
        if "beyond" in self.faults:
            labels[0, 0, 0] = self.faults["beyond"]
        if self.faults.get("with_body"):
            labels[0, 0, 0] = 200
        affine = np.diag([*body["spacing"], 1.0])
        affine[:3, 3] = (-120.0, -110.0, 30.0)
        elsewhere = affine.copy()
        if self.faults.get("other_grid"):
            elsewhere[:3, 3] += 40.0
        values: Any = labels
        if self.faults.get("fractions"):
            values = labels.astype(np.float32) + np.float32(0.5)
        image = nibabel.Nifti1Image(hu.astype(np.uint8) if self.faults.get("grey") else hu, affine)
        turn = self.faults.get("orientation", "RAS")
        return (
            image.as_reoriented(TURNS[turn]),
            nibabel.Nifti1Image(values, elsewhere).as_reoriented(TURNS[self.faults.get("label_orientation", turn)]),
        )


def _by_order(ids: NDArray[np.uint8], body: dict[str, Any]) -> NDArray[np.uint8]:
    names = [each[0] for each in body.get("controllable_anatomy_size") or []] or body.get("anatomy_list") or []
    table = np.zeros(256, dtype=np.uint8)
    for place, name in enumerate(names, 1):
        table[LABEL_BY_NAME[name.lower()]] = place
    return table[ids]


def _file(image: nibabel.Nifti1Image, ext: str) -> bytes:
    if ext == ".nrrd":
        return as_nrrd(image)
    plain: bytes = image.to_bytes()
    return gzip.compress(plain, compresslevel=1) if ext == ".nii.gz" else plain


def _zipped(members: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _failed(reason: str) -> Refusal:
    return Refusal(Answer.of({"detail": f"Failed to Run Inference.  Error: {reason}"}, 500))


def _schema(where: list[Any], message: str, kind: str = "value_error") -> Refusal:
    return Refusal(Answer.of({"detail": [{"loc": ["body", *where], "msg": message, "type": kind}]}, 422))


def _rule(reason: str) -> Refusal:
    return Refusal(Answer.of({"detail": reason}, 400))


def _body(request: Received) -> dict[str, Any]:
    """The body, refused where it is not exactly the published schema, or breaks a rule of the bundle."""
    try:
        body = request.json()
    except json.JSONDecodeError as error:
        raise _schema([], "JSON decode error", "json_invalid") from error
    if not isinstance(body, dict):
        raise _schema([], "Input should be a valid dictionary", "dict_type")
    for name, value in body.items():
        if name not in FIELDS:
            raise _schema([name], "Extra inputs are not permitted", "extra_forbidden")
        if type(value) is not FIELDS[name]:
            raise _schema([name], f"Input should be a valid {FIELDS[name].__name__}", f"{FIELDS[name].__name__}_type")
    for name in ("num_output_samples", "body_region"):
        if name not in body:
            raise _schema([name], "Field required", "missing")
    if body["num_output_samples"] < 1:
        raise _schema(["num_output_samples"], "Input should be greater than or equal to 1", "greater_than_equal")
    for name in ("image_output_ext", "label_output_ext"):
        if body.get(name, ".nii.gz") not in EXTENSIONS:
            raise _schema([name], "Unsupported extension")
    # Their defaults are not documented, so that a client that leaves them out cannot know what it gets.
    if "output_size" not in body or "spacing" not in body:
        raise _schema(["output_size"], "This fixture demands a size and a spacing", "missing")
    _grid(body)
    _content(body)
    return body


def _grid(body: dict[str, Any]) -> None:
    size, spacing = body["output_size"], body["spacing"]
    if len(size) != 3 or any(type(each) is not int for each in size):
        raise _schema(["output_size"], "Input should be a list of three integers", "list_type")
    if len(spacing) != 3 or any(type(each) not in (int, float) for each in spacing):
        raise _schema(["spacing"], "Input should be a list of three numbers", "list_type")
    if size[0] != size[1] or spacing[0] != spacing[1]:
        raise _rule("The first two components of output_size and of spacing need to be equal.")
    if size[0] not in (256, 384, 512) or size[2] not in (128, 256, 384, 512, 640, 768):
        raise _rule(f"The output_size {size} is not one of the possible sizes.")
    if not (0.5 <= spacing[0] <= 3.0 and 0.5 <= spacing[2] <= 5.0):
        raise _rule(f"The spacing {spacing} is out of range.")
    if size[0] * spacing[0] < 256:
        raise _rule(f"The field of view {size[0] * spacing[0]} mm is too small.")


def _content(body: dict[str, Any]) -> None:
    rows, names = body.get("controllable_anatomy_size") or [], body.get("anatomy_list") or []
    if not body["body_region"] or any(each not in REGIONS for each in body["body_region"]):
        raise _schema(["body_region"], f"Input should be among {sorted(REGIONS)}", "enum")
    if any(each not in NAMES for each in names) or len(set(names)) != len(names):
        raise _rule("The anatomy_list holds names that are unknown or repeat.")
    if len(rows) > 10 or any(type(row) is not list or len(row) != 2 for row in rows):
        raise _rule("controllable_anatomy_size holds at most ten pairs.")
    sized = [row[0] for row in rows]
    if any(each not in ORGANS_WITH_SIZE | TUMOURS for each in sized) or len(set(sized)) != len(sized):
        raise _rule("controllable_anatomy_size holds names that cannot be controlled or repeat.")
    if sum(each in TUMOURS for each in sized) > 1:
        raise _rule("Only one tumor can be controlled.")
    if any(not (0 <= row[1] <= 1 or row[1] == -1) for row in rows):
        raise _rule("A controllable size is 0 to 1, or -1.")
    long = body["output_size"][2] * body["spacing"][2]
    asked = {{"thorax": "chest", "lower": "pelvis"}.get(each, each) for each in body["body_region"]}
    if not rows and {"head", "pelvis"} <= asked and long <= 256:
        raise _failed("Cannot find body region with given organ list.")
