"""Cases and volumes made for tests, small and with answers known by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.domain.case import Case, CaseState, Source
from workbench.domain.progress import Progress
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.volume import CtReport

STAMP = "2026-01-15T12:03:00+00:00"
UPLOAD = Provenance(origin=Origin.UPLOAD, model="upload", version="made for a test", created_at=STAMP)
MOCK = Provenance(origin=Origin.MOCK, model="mock", version="1", created_at=STAMP)


def in_process(function: Callable[..., Any], /, *args: Any, progress: Progress) -> Any:
    """A `RunInWorker` that works right here."""
    return function(*args, progress=progress)


def affine(spacing: tuple[float, float, float] = (1.0, 2.0, 3.0)) -> NDArray[np.float64]:
    """LPS array order: i to the left, j to the back, k to the head."""
    return np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])


def report(shape: tuple[int, int, int]) -> CtReport:
    return CtReport(
        file_format="made",
        description="made for a test",
        modality="CT",
        size=shape,
        spacing_mm=(1.0, 2.0, 3.0),
        orientation="LPS",
        hu_range=(-1024, 300),
        field_of_view_mm=(1.0 * shape[0], 2.0 * shape[1], 3.0 * shape[2]),
    )


def case(case_id: str, owner: str, *, shape: tuple[int, int, int] = (4, 5, 6)) -> Case:
    return Case(
        id=case_id,
        owner=owner,
        created_at=STAMP,
        source=Source.UPLOAD,
        state=CaseState.READY,
        report=report(shape),
        provenance=UPLOAD,
        affine_ras_mm=tuple(affine().ravel().tolist()),
    )
