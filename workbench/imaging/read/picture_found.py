"""What an image file held, once it is read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.domain.picture import Modality


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundPicture:
    """Pixels as they are to be looked at, and nothing that names a patient or a file.

    `pixels` are grey (rows, columns) or RGB (rows, columns, 3), square, upright. `burned_in` says why text in the
    pixels is likely, None where nothing points to it. `notes` say what was done to the pixels. `mm_per_px` is the
    same along both sides, None where the file does not say it, or says it of the detector and not of the patient.
    """

    pixels: NDArray[np.uint8]
    modality: Modality | None
    burned_in: str | None
    notes: tuple[str, ...]
    mm_per_px: float | None
