"""Cases as they are kept, without files."""

from __future__ import annotations

from typing import Any

from workbench.domain.case import Case, CaseState, SegmentationRecord, Source
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.segmentation import Measurements, OrganVolume
from workbench.domain.volume import CtReport

AT = "2026-01-15T12:03:00Z"


def made_by(origin: Origin, model: str, *inputs: Provenance, **more: Any) -> Provenance:
    """A provenance of the fixed time."""
    return Provenance(origin=origin, model=model, version="1", created_at=AT, inputs=inputs, **more)


def organ(label: int, volume_ml: float, mean_hu: float, *, touches_edge: bool = False) -> OrganVolume:
    """One measured structure."""
    return OrganVolume(
        label=label,
        volume_ml=volume_ml,
        voxel_count=1000,
        mean_hu=mean_hu,
        std_hu=12.25,
        min_hu=-40,
        max_hu=210,
        centroid_ras_mm=(10.0, 20.0, 30.0),
        extent_mm=(100.0, 90.0, 80.0),
        touches_edge=touches_edge,
        largest_slice={"axial": 30, "coronal": 40, "sagittal": 50},
    )


def segmented_case(origin: Origin = Origin.LOCAL, *, owner: str = "local") -> Case:
    """Liver 1512.34 mL at 58.21 HU; spleen 203.5 mL at 51.0 HU, cut by the scan; left kidney 8.125 mL; no pancreas."""
    ct = made_by(Origin.UPLOAD, "NIfTI", sha256="0" * 64)
    mask = made_by(origin, "vista3d", ct)
    return Case(
        id="c0ffee",
        owner=owner,
        created_at=AT,
        source=Source.UPLOAD,
        state=CaseState.READY,
        report=CtReport(
            file_format="NIfTI",
            description="Abdomen of JONES^ADA",
            modality="CT",
            size=(100, 80, 60),
            spacing_mm=(0.8, 0.8, 1.5),
            orientation="LPS",
            hu_range=(-1024, 1500),
            field_of_view_mm=(80.0, 64.0, 90.0),
            warnings=("The scan cuts the spleen.",),
        ),
        provenance=ct,
        affine_ras_mm=(0.8, 0, 0, 0, 0, 0.8, 0, 0, 0, 0, 1.5, 0, 0, 0, 0, 1),
        segmentation=SegmentationRecord(asked=(1, 3, 4, 14), not_found=(4,), warnings=(), provenance=mask, revision=1),
        measurements=Measurements(
            organs=(organ(1, 1512.34, 58.21), organ(3, 203.5, 51.0, touches_edge=True), organ(14, 8.125, 33.4)),
            provenance=made_by(Origin.LOCAL, "workbench", ct, mask),
        ),
    )
