"""Take a case away: files, tables and figures, each with its provenance."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.cases.files import IMAGE_FILE, mask_name
from workbench.cases.store import CaseStore
from workbench.domain.case import Case
from workbench.domain.errors import NotFound, StateConflict
from workbench.domain.progress import Progress, Silent
from workbench.domain.segmentation import Measurements
from workbench.domain.trace import span
from workbench.domain.work import RunInWorker

if TYPE_CHECKING:
    from workbench.imaging.slices import Window


class ExportCt:
    """What can be taken away from a case."""

    def __init__(self, *, store: CaseStore, run_in_worker: RunInWorker) -> None:
        self._store = store
        self._run_in_worker = run_in_worker
        self._writing = threading.Lock()

    def image_file(self, case: Case, progress: Progress | None = None) -> Path:
        """The CT as a clean gzipped NIfTI, written when first asked for."""
        from workbench.cases.work import write_image  # noqa: PLC0415 - brings the imaging libraries along

        path = self._store.folder(case) / IMAGE_FILE
        with self._writing:
            if not path.exists():
                with span("convert"):
                    self._run_in_worker(write_image, self._store.files(case), path, progress=progress or Silent())
        return path

    def mask_file(self, case: Case) -> Path:
        """The mask as a gzipped NIfTI on the CT's grid, with its label table; written when first asked for."""
        from workbench.cases.work import write_mask  # noqa: PLC0415 - brings the imaging libraries along

        self._store.segmentation(case)
        path = self._store.folder(case) / mask_name(case.revision)
        with self._writing:
            if not path.exists():
                self._run_in_worker(write_mask, self._store.files(case), path, progress=Silent())
        return path

    def tables(self, case: Case) -> Mapping[str, str]:
        """`volumes.csv` and `volumes.json` as text."""
        from workbench.cases.work import export_tables  # noqa: PLC0415 - brings the imaging libraries along

        measurements = _measured(case)
        if case.segmentation is None or case.report is None:
            raise ValueError("measurements without a mask or a volume")
        return export_tables(measurements, case.segmentation, case.report)

    def picture(
        self,
        case: Case,
        *,
        plane: str,
        number: int | None,
        window: Window,
        opacity: float,
        outline: bool,
        visible: set[int] | None,
        safe_colours: bool,
        longest_px: int = 1024,
    ) -> bytes:
        """One slice as PNG; `number` None means the middle one, `visible` None every structure."""
        from workbench.imaging.render import render_view  # noqa: PLC0415 - brings the imaging libraries along
        from workbench.imaging.slices import slice_count  # noqa: PLC0415 - likewise

        volume = self._store.volume(case)
        labels = self._store.segmentation(case).labels if case.segmentation else None
        made = case.segmentation.provenance if case.segmentation else volume.provenance
        with span("render"):
            return render_view(
                volume,
                labels,
                plane=plane,
                slice_number=(slice_count(volume.grid, plane) + 1) // 2 if number is None else number,
                window=window,
                opacity=opacity,
                outline=outline,
                visible=visible,
                safe_colours=safe_colours,
                mark=case.mark,
                caption=f"{made.model} {made.version}, {made.created_at}",
                longest_px=longest_px,
            )

    def figure(self, case: Case, kind: str, label: int | None, *, dark: bool) -> bytes:
        """A figure of the case's measurements as PNG."""
        from workbench.cases.work import draw_figure  # noqa: PLC0415 - brings the imaging libraries along

        measurements = _measured(case)
        organ = next((each for each in measurements.organs if each.label == label), None)
        if kind in ("histogram", "area") and organ is None:
            raise NotFound("This structure is not in the mask.")
        with span("render"):
            return self._run_in_worker(
                draw_figure, self._store.files(case), kind, organ, measurements, dark, progress=Silent()
            )


def _measured(case: Case) -> Measurements:
    if case.measurements is None:
        raise StateConflict("This case has no measurements yet.", hint="Run the segmentation first.")
    return case.measurements
