"""TotalSegmentator's names beside VISTA-3D's, and its reference mask as a NIM would answer it."""

from __future__ import annotations

import json
import re

import nibabel
import numpy as np
from numpy.typing import NDArray

from tests.contract_server import Labeller
from tests.data import real
from workbench.domain.organs import LABEL_BY_NAME, ORGANS

SEGMENTED = "ct/totalseg-abdomen20_seg.nii.gz"
UPLOAD = "ct/totalseg-abdomen20_dicom_j2k.zip"


def vista3d_name(total: str) -> str:
    """`rib_left_6` is `left rib 6`, `adrenal_gland_right` is `right adrenal gland`; most differ in no more than that.

    VISTA-3D's own words for the rest stand in the first table; the names of both are those of their label tables.
    """
    special = {
        "urinary_bladder": "bladder",
        "clavicula_left": "left clavicula",
        "clavicula_right": "right clavicula",
    }
    if total in special:
        return special[total]
    words = re.fullmatch(r"(.+?)_(left|right)(_\d+)?", total)
    if words:
        return f"{words[2]} {words[1]}{words[3] or ''}".replace("_", " ")
    return total.replace("_", " ")


def label_of_total() -> dict[int, int]:
    """TotalSegmentator's number to VISTA-3D's, for every structure that both know and VISTA-3D returns."""
    names = json.loads(real("ct/totalseg_labels.json").read_text("utf-8"))
    known = {name.lower(): label for name, label in LABEL_BY_NAME.items()}
    paired = {int(number): known.get(vista3d_name(name).lower()) for number, name in names.items()}
    return {number: label for number, label in paired.items() if label and ORGANS[label].in_everything}


def reference_ml() -> dict[str, float]:
    """The reference volumes by VISTA-3D's name in snake form."""
    volumes = json.loads(real("ct/reference_volumes.json").read_text("utf-8"))[SEGMENTED.rpartition("/")[2]]
    labels = label_of_total()
    return {ORGANS[labels[int(number)]].snake: row["ml"] for number, row in volumes.items() if int(number) in labels}


def renumbered() -> nibabel.Nifti1Image:
    """The reference mask with VISTA-3D's numbers, on its own grid."""
    mask = nibabel.load(real(SEGMENTED))
    numbers = np.zeros(256, np.uint8)
    for number, label in label_of_total().items():
        numbers[number] = label
    return nibabel.Nifti1Image(numbers[np.asarray(mask.dataobj).astype(np.uint8)], mask.affine)


def labeller() -> Labeller:
    """Answers the reference mask for the image that was fetched, in the image's own axis order."""
    reference = renumbered()

    def label(image: nibabel.Nifti1Image, _: tuple[int, ...]) -> NDArray[np.uint8]:
        to_image = nibabel.orientations.ornt_transform(
            nibabel.io_orientation(reference.affine), nibabel.io_orientation(image.affine)
        )
        turned = reference.as_reoriented(to_image)
        np.testing.assert_allclose(turned.affine, image.affine, atol=1e-2)
        return np.asarray(turned.dataobj).astype(np.uint8)

    return label
