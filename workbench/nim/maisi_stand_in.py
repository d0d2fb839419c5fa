"""Who answers where no MAISI does: a part of the phantom, marked as mock and synthetic throughout."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

from workbench.domain.clock import Clock
from workbench.domain.maisi import ANATOMIES, LIMITS, REGION_BY_NAME, Size, Spacing, regions_of
from workbench.domain.nim import NimStatus, Service
from workbench.domain.progress import Progress
from workbench.domain.synthesis import Drawn, Numbering, Synthesis, SynthesisOrder, SynthesisRequest
from workbench.domain.synthesis_rules import require_allowed
from workbench.domain.volume import CtReport, Grid
from workbench.domain.work import RunInWorker
from workbench.nim.mock import mock_provenance, mock_status

MODEL = "mock MAISI"
MOST_A_SIDE = 256
MADE_UP = (
    "Mock result: a part of the workbench's own phantom, drawn by rules. No model made it; its labels are exact, known "
    "from how it was drawn."
)


class MaisiStandIn:
    """Answers synthesis requests without MAISI, with the same rules and the same result for the same request."""

    def __init__(self, *, clock: Clock, run_in_worker: RunInWorker, reason: str | None = None) -> None:
        self._clock = clock
        self._run_in_worker = run_in_worker
        self._reason = reason

    def status(self) -> NimStatus:
        """Always mock: no socket is opened."""
        return mock_status(Service.MAISI, MODEL, "Its volumes are parts of a phantom.", reason=self._reason)

    def run(self, order: SynthesisOrder, /) -> Synthesis:
        """The region, anatomies, size and spacing asked for, drawn from the phantom.

        Raises:
            RulesBroken: MAISI would refuse the request, so its mock does too.
            Cancelled: a person stopped the work.
        """
        require_allowed(order.request)
        start = time.monotonic()
        drawn = self._run_in_worker(draw_samples, order.request, order.folder, progress=order.progress)
        return Synthesis(
            request=order.request,
            drawn=drawn,
            numbering=Numbering.EXACT,
            warnings=(MADE_UP, *_grid_told(order.request), *_missing_told(drawn)),
            provenance=mock_provenance(
                MODEL,
                self._clock,
                start,
                parameters={"request": order.request.to_json(), "numbering": str(Numbering.EXACT)},
                synthetic=True,
            ),
        )


def drawn_grid(request: SynthesisRequest) -> tuple[Size, Spacing]:
    """At most 256 voxels a side, with the field of view that was asked for."""
    x, y, z = (min(count, MOST_A_SIDE) for count in request.output_size)
    view = request.field_of_view_mm
    return (x, y, z), (view[0] / x, view[1] / y, view[2] / z)


def draw_samples(request: SynthesisRequest, folder: Path, *, progress: Progress) -> tuple[Drawn, ...]:
    """Every sample of a request, as a worker process draws them; arrays go into `folder`."""
    # Loads scipy and the phantom, which the process that serves the page does not need.
    from workbench.imaging.phantom.region import build_region  # noqa: PLC0415
    from workbench.imaging.read.synthetic import save_array, sha256  # noqa: PLC0415

    shape, spacing = drawn_grid(request)
    regions = [REGION_BY_NAME[name].name for name in request.body_region]
    if request.controllable_anatomy_size or not regions:
        regions = list(regions_of(request.names))
    samples = []
    for number in range(1, request.num_output_samples + 1):
        made = build_region(
            regions,
            request.labels,
            shape=shape,
            spacing_mm=spacing,
            sizes={ANATOMIES[name].label: size for name, size in request.controllable_anatomy_size},
            hu_range=LIMITS.intensity_hu,
            seed=seed_of(request, number),
            progress=progress,
        )
        progress.stage(f"writing sample {number} of {request.num_output_samples}")
        voxels, labels = folder / f"sample-{number}.npy", folder / f"sample-{number}-labels.npy"
        save_array(made.voxels_hu, voxels)
        save_array(made.labels, labels)
        present = {label for label in request.labels if (made.labels == label).any()}
        grid = Grid(shape=shape, affine_ras_mm=made.affine_ras_mm)
        samples.append(
            Drawn(
                voxels_file=voxels,
                labels_file=labels,
                affine_ras_mm=tuple(made.affine_ras_mm.ravel().tolist()),
                voxels_sha256=sha256(made.voxels_hu),
                labels_sha256=sha256(made.labels),
                report=_report(grid, (int(made.voxels_hu.min()), int(made.voxels_hu.max()))),
                not_found=tuple(label for label in request.labels if label not in present),
                parameters={"seed": seed_of(request, number)},
            )
        )
    return tuple(samples)


def seed_of(request: SynthesisRequest, sample: int) -> int:
    """A number that the request and the sample decide; how many samples were asked for does not."""
    asked = json.dumps({**request.with_(num_output_samples=1).to_json(), "sample": sample}, sort_keys=True)
    return int.from_bytes(hashlib.sha256(asked.encode()).digest()[:6], "big")


def _report(grid: Grid, hu_range: tuple[int, int]) -> CtReport:
    i, j, k = (count * step for count, step in zip(grid.shape, grid.spacing_mm, strict=True))
    return CtReport(
        file_format="phantom",
        description="Synthetic CT (mock): a part of the phantom",
        modality="CT (synthetic, made up)",
        size=grid.shape,
        spacing_mm=grid.spacing_mm,
        orientation=grid.orientation,
        hu_range=hu_range,
        field_of_view_mm=(i, j, k),
    )


def _grid_told(request: SynthesisRequest) -> tuple[str, ...]:
    shape, spacing = drawn_grid(request)
    if shape == request.output_size:
        return ()
    asked = " x ".join(map(str, request.output_size))
    made = " x ".join(map(str, shape))
    steps = " x ".join(f"{each:.4g}" for each in spacing)
    return (
        f"The mock draws at most {MOST_A_SIDE} voxels a side: {made} of {steps} mm instead of {asked}. The field of "
        "view is the one asked for.",
    )


def _missing_told(drawn: tuple[Drawn, ...]) -> tuple[str, ...]:
    missing = sorted({label for each in drawn for label in each.not_found})
    if not missing:
        return ()
    named = ", ".join(name for name, each in ANATOMIES.items() if each.label in missing)
    return (f"These lie outside the volume that the mock drew: {named}.",)
