"""A case's arrays as paths with the facts that make nouns of them, fit to cross into a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from workbench.domain.errors import StateConflict
from workbench.domain.provenance import Provenance
from workbench.domain.segmentation import Segmentation
from workbench.domain.volume import CtReport, Series, Volume

VOXELS, TRUTH = "voxels.npy", "truth.npy"
OWN_LABELS, SECOND_LABELS = "own-labels.npy", "second-labels.npy"
"""The labels that a synthetic CT came with, and those that the check of it was given for comparison."""

IMAGE_FILE = "image.nii.gz"


def mask_name(revision: int) -> str:
    """The file that a mask is exported to; each revision has its own, so that a late export is never a wrong one."""
    return f"mask-{revision}.nii.gz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """What is known of a volume that was just read into a folder. The affine is row by row, RAS mm."""

    report: CtReport
    series: tuple[Series, ...] = ()
    series_number: int | None = None
    provenance: Provenance
    affine_ras_mm: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; the list of series, which only an upload has, is left out."""
        return {
            "report": self.report.to_json(),
            "provenance": self.provenance.to_json(),
            "affine_ras_mm": list(self.affine_ras_mm),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(
            report=CtReport.from_json(stored["report"]),
            provenance=Provenance.from_json(stored["provenance"]),
            affine_ras_mm=tuple(stored["affine_ras_mm"]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseFiles:
    """Where a case's arrays lie. `labels` is None without a mask."""

    folder: Path
    affine_ras_mm: tuple[float, ...]
    provenance: Provenance
    labels: Path | None = None
    asked: tuple[int, ...] | None = None
    not_found: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    segmentation_provenance: Provenance | None = None

    def volume(self) -> Volume:
        """The CT, memory-mapped."""
        return Volume(
            voxels_hu=np.load(self.folder / VOXELS, mmap_mode="r"),
            affine_ras_mm=np.array(self.affine_ras_mm).reshape(4, 4),
            provenance=self.provenance,
        )

    def segmentation(self) -> Segmentation:
        """The mask, memory-mapped.

        Raises:
            StateConflict: there is none.
        """
        if self.labels is None or self.segmentation_provenance is None:
            raise StateConflict("This case has no segmentation yet.", hint="Run the segmentation first.")
        return Segmentation(
            labels=np.load(self.labels, mmap_mode="r"),
            grid=self.volume().grid,
            asked=self.asked,
            not_found=self.not_found,
            warnings=self.warnings,
            provenance=self.segmentation_provenance,
        )
