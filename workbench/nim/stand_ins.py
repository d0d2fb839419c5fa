"""Who answers where no NIM does: demonstrations, the same every time, and marked as mock throughout."""

from __future__ import annotations

import hashlib
import time

import numpy as np
from numpy.typing import NDArray

from workbench.domain.clock import Clock
from workbench.domain.nim import NimStatus, Service
from workbench.domain.organs import EVERYTHING, ORGANS, expand
from workbench.domain.progress import Progress
from workbench.domain.segmentation import Point, Segmentation, SegmentationRequest
from workbench.domain.work import ArrayFile, RunInWorker
from workbench.nim.mock import mock_provenance, mock_status

MODEL = "mock VISTA-3D"
TRUTH_WARNING = (
    "Mock result: this is the phantom's own truth, known from how it was drawn. Nothing was recognised in the picture."
)
CLASSICAL_WARNING = (
    "Mock result: these masks were computed from this CT by thresholds and shapes. "
    "They are a demonstration, not a measurement."
)


class Vista3dStandIn:
    """Answers segmentation requests without VISTA-3D.

    The phantom's mask is its truth; that of any other CT is computed from it with classical image processing.
    """

    def __init__(self, *, clock: Clock, run_in_worker: RunInWorker, reason: str | None = None) -> None:
        self._clock = clock
        self._run_in_worker = run_in_worker
        self._reason = reason

    def status(self) -> NimStatus:
        """Always mock: no socket is opened."""
        return mock_status(Service.VISTA3D, MODEL, "Its masks come from thresholds and shapes.", reason=self._reason)

    def run(self, request: SegmentationRequest, /) -> Segmentation:
        """Masks for what was asked, on the grid of the volume."""
        start = time.monotonic()
        asked = _asked(request)
        if request.truth is not None:
            request.progress.stage("Segmenting (mock)", 0.0)
            labels, warning = _only(request.truth, asked), TRUTH_WARNING
        else:
            labels = self._compute(request, asked)
            warning = CLASSICAL_WARNING
        present = set(np.flatnonzero(np.bincount(labels.ravel(order="K"), minlength=256)).tolist())
        return Segmentation(
            labels=labels,
            grid=request.volume.grid,
            asked=None if request.labels is None and not request.points else asked,
            not_found=tuple(label for label in asked if label not in present),
            warnings=(warning,),
            provenance=mock_provenance(
                MODEL,
                self._clock,
                start,
                sha256=hashlib.sha256(labels.tobytes(order="F")).hexdigest(),
                parameters={
                    "labels": None if request.labels is None else list(request.labels),
                    "points": {str(label): [list(each) for each in clicks] for label, clicks in request.points.items()},
                },
                inputs=(request.volume.provenance,),
            ),
        )

    def _compute(self, request: SegmentationRequest, asked: tuple[int, ...]) -> NDArray[np.uint8]:
        return self._run_in_worker(
            segment_in_worker,
            ArrayFile.of(request.volume.voxels_hu),
            request.volume.affine_ras_mm,
            asked,
            dict(request.points),
            progress=request.progress,
        )


def segment_in_worker(
    voxels: ArrayFile,
    affine_ras_mm: NDArray[np.float64],
    asked: tuple[int, ...],
    points: dict[int, tuple[Point, ...]],
    *,
    progress: Progress,
) -> NDArray[np.uint8]:
    """Classical masks of a CT, as a worker process computes them."""
    # Loads SimpleITK and scipy, which the process that serves the page does not need.
    from workbench.imaging.classical import grow_points, segment_classically  # noqa: PLC0415

    voxels_hu = voxels.open()
    if points:
        return grow_points(voxels_hu, affine_ras_mm, points, progress)
    return segment_classically(voxels_hu, affine_ras_mm, asked, progress)


def _asked(request: SegmentationRequest) -> tuple[int, ...]:
    """Ids to evaluate, superclasses expanded. With points, only what was clicked: a run holds one object."""
    if request.points:
        return tuple(request.points)
    return EVERYTHING if request.labels is None else expand(request.labels)


def _only(truth: NDArray[np.uint8], asked: tuple[int, ...]) -> NDArray[np.uint8]:
    keep = np.zeros(256, dtype=np.uint8)
    wanted = [label for label in asked if label in ORGANS]
    keep[wanted] = wanted
    return np.asarray(keep[truth])
