"""A MAISI and a VISTA-3D of a few voxels for tests of what stands on them, and the use cases around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests import made
from workbench.cases.generations import GenerationShelf
from workbench.cases.jobs import Jobs
from workbench.cases.record_shelf import RecordShelf
from workbench.cases.run_log import RunLog
from workbench.cases.store import CaseStore
from workbench.domain.case import JobView, Visitor
from workbench.domain.clock import Clock
from workbench.domain.memory import Machine
from workbench.domain.nim import Mode, NimStatus, Service, State
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.records import Operator
from workbench.domain.segmentation import Segmentation, SegmentationRequest
from workbench.domain.synthesis import Drawn, Numbering, Synthesis, SynthesisOrder, SynthesisRequest
from workbench.domain.trace import LocalTracer
from workbench.domain.volume import CtReport
from workbench.telemetry.metrics import Metrics
from workbench.usecases.export_ct import ExportCt
from workbench.usecases.judge_ct import JudgeCt
from workbench.usecases.memory_planner import MemoryPlanner
from workbench.usecases.purposes import Purposes
from workbench.usecases.records import Records
from workbench.usecases.review_record import ReviewRecords
from workbench.usecases.run_log import Runs
from workbench.usecases.synthesise_ct import SynthesiseCt

ANNA, BORIS = Visitor(owner="anna"), Visitor(owner="boris")
LIVER, SPLEEN, COLON = 1, 3, 62
ASKED = SynthesisRequest(
    body_region=("abdomen",),
    anatomy_list=("spleen", "liver"),
    output_size=(256, 256, 128),
    spacing_mm=(1.5, 1.5, 2.0),
)
SHAPE = (12, 10, 8)
SPACING = (2.0, 2.0, 5.0)
"""A voxel is 0.02 mL."""


def labels_of(sample: int = 1) -> NDArray[np.uint8]:
    """A liver of 4 x 5 x 4 voxels, 1.6 mL, and a spleen of `sample` voxels."""
    labels = np.zeros(SHAPE, np.uint8, order="F")
    labels[2:6, 2:7, 2:6] = LIVER
    labels[8, 1 : 1 + sample, 1] = SPLEEN
    return labels


@dataclass
class SmallMaisi:
    """Draws what is asked in a grid of 12 x 10 x 8, 100 HU in the liver and -300 in the spleen.

    `fails` is raised instead, after the arrays were written; `waits` is called with the order before anything.
    """

    origin: Origin = Origin.LOCAL
    fails: BaseException | None = None
    waits: Callable[[SynthesisOrder], None] = lambda order: None
    orders: list[SynthesisOrder] = field(default_factory=list)

    def status(self) -> NimStatus:
        return status(Service.MAISI)

    def run(self, order: SynthesisOrder, /) -> Synthesis:
        self.orders.append(order)
        self.waits(order)
        drawn = tuple(self._draw(order.folder, number) for number in range(1, order.request.num_output_samples + 1))
        if self.fails is not None:
            raise self.fails
        return Synthesis(
            request=order.request,
            drawn=drawn,
            numbering=Numbering.ORDER,
            warnings=("A remark of the model.",),
            provenance=made_by(self.origin, "maisi", synthetic=True),
        )

    @staticmethod
    def _draw(folder: Path, number: int) -> Drawn:
        labels = labels_of(number)
        hu = np.full(SHAPE, -1000, np.int16, order="F")
        hu[labels == LIVER] = 100
        hu[labels == SPLEEN] = -300
        voxels_file, labels_file = folder / f"{number}.npy", folder / f"{number}-labels.npy"
        np.save(voxels_file, hu)
        np.save(labels_file, labels)
        i, j, k = (count * step for count, step in zip(SHAPE, SPACING, strict=True))
        return Drawn(
            voxels_file=voxels_file,
            labels_file=labels_file,
            affine_ras_mm=tuple(np.diag([*SPACING, 1.0]).ravel().tolist()),
            voxels_sha256=f"{number}" * 64,
            labels_sha256="f" * 64,
            report=CtReport(
                file_format="NIfTI",
                description="Synthetic CT",
                modality="CT (synthetic)",
                size=SHAPE,
                spacing_mm=SPACING,
                orientation="RAS",
                hu_range=(-1000, 100),
                field_of_view_mm=(i, j, k),
            ),
            not_found=(),
        )


@dataclass
class SmallVista:
    """Answers with the labels given, or raises; keeps what it was asked."""

    labels: NDArray[np.uint8] = field(default_factory=labels_of)
    origin: Origin = Origin.LOCAL
    fails: BaseException | None = None
    asked: list[SegmentationRequest] = field(default_factory=list)

    def status(self) -> NimStatus:
        return status(Service.VISTA3D)

    def run(self, request: SegmentationRequest, /) -> Segmentation:
        self.asked.append(request)
        if self.fails is not None:
            raise self.fails
        return Segmentation(
            labels=self.labels,
            grid=request.volume.grid,
            asked=request.labels,
            provenance=made_by(self.origin, "vista3d", request.volume.provenance),
        )


def made_by(origin: Origin, model: str, *inputs: Provenance, synthetic: bool = False) -> Provenance:
    return Provenance(
        origin=origin, model=model, version="1", created_at=made.STAMP, inputs=inputs, synthetic=synthetic
    )


def status(service: Service) -> NimStatus:
    return NimStatus(
        service=service, state=State.AVAILABLE, published_state=State.AVAILABLE, url="http://nim", detail="there"
    )


class Bench:
    """The use cases of Synthesize over a data folder, with a small MAISI and VISTA-3D."""

    def __init__(
        self,
        folder: Path,
        *,
        maisi: SmallMaisi | None = None,
        vista: SmallVista | None = None,
        most_running: int = 4,
        operator: Operator | None = None,
        run_in_worker: Any = made.in_process,
    ) -> None:
        self.folder = folder / "data"
        self.maisi = maisi or SmallMaisi()
        self.vista = vista or SmallVista()
        self.clock = Clock()
        self.store = CaseStore(self.folder, ttl_s=3600, most_cases=50)
        self.jobs = Jobs(self.clock, most_running=most_running)
        self.shelf = GenerationShelf(self.folder / "generations", ttl_s=3600)
        self.records = records(self.folder, self.clock, operator or Operator())
        self.exports = ExportCt(store=self.store, run_in_worker=run_in_worker)
        self.memory = MemoryPlanner(lambda: Machine(name="Here", architecture="x86_64", memory_gb=64.0))
        self.synthesis = SynthesiseCt(
            store=self.store,
            shelf=self.shelf,
            jobs=self.jobs,
            synthesizers=lambda visitor: (Mode.LOCAL, self.maisi),
            memory=self.memory,
            run_in_worker=run_in_worker,
            clock=self.clock,
            records=self.records,
        )
        self.judging = JudgeCt(
            store=self.store,
            jobs=self.jobs,
            segmenters=lambda visitor: (Mode.LOCAL, self.vista),
            exports=self.exports,
            run_in_worker=run_in_worker,
            clock=self.clock,
            records=self.records,
        )

    def ended(self, visitor: Visitor, job: JobView) -> JobView:
        return self.jobs.wait(visitor, job.id, 60)

    def generate(self, visitor: Visitor = ANNA, request: SynthesisRequest = ASKED) -> Sequence[Any]:
        """Have a request carried out: the generation as it then stands, and its cases."""
        generation, job = self.synthesis.start(visitor, request)
        self.ended(visitor, job)
        done = self.synthesis.generation(visitor, generation.id)
        return done, self.synthesis.cases(visitor, done)

    def kept(self) -> list[str]:
        """Folders of cases, and whatever lies in the scratch folder."""
        return sorted(path.name for part in ("cases", "uploads") for path in (self.folder / part).iterdir())


def records(folder: Path, clock: Clock, operator: Operator) -> Records:
    metrics = Metrics("test")
    log = RunLog(folder / "records", max_bytes=1_000_000, files=2)
    return Records(
        review=ReviewRecords(
            statuses=lambda mode: (),
            describe=lambda service: {},
            operator=operator,
            shelf=RecordShelf(folder / "records" / "deployment"),
            clock=clock,
        ),
        purposes=Purposes(operator, metrics),
        runs=Runs(log=log, metrics=metrics, secret=b"s" * 32, mode="local", clock=clock),
        metrics=metrics,
        tracer=LocalTracer(),
    )
