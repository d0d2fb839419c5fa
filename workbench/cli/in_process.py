"""Segment and generate in this process, where no workbench runs."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from workbench.api.answers import segment_answer
from workbench.api.synthesis_answers import generate_answer
from workbench.assemble import assemble
from workbench.domain.case import JobView
from workbench.domain.synthesis_guide import read_request
from workbench.running import owning
from workbench.settings import Settings
from workbench.usecases.access import LOCAL
from workbench.usecases.workbench import Workbench

_LOOK_EVERY_S = 0.1


class OwnWorkbench:
    """A workbench for one command; it owns the data folder, and the library in it, while it lasts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._held = ExitStack()

    def __enter__(self) -> Self:
        self._held.enter_context(owning(self._settings.data_dir))
        self._workbench: Workbench = assemble(self._settings).workbench
        self._held.callback(self._workbench.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()


class InProcess(OwnWorkbench):
    """The imaging commands in this process."""

    def segment(
        self, files: list[Path], classes: list[str] | None, series: int | None, tell: Callable[..., None]
    ) -> dict[str, Any]:
        """Read, segment and measure; returns the published answer."""
        case, reading = self._workbench.opening.open_files(LOCAL, files, series=series)
        self._finish(reading, tell)
        self._finish(self._workbench.review.segment(LOCAL, case.id, asked=classes), tell)
        return segment_answer(self._workbench.review.case(LOCAL, case.id)).model_dump(mode="json")

    def generate(self, fields: dict[str, Any], tell: Callable[..., None]) -> dict[str, Any]:
        """Have MAISI's CTs made and measured; returns the published answer."""
        synthesis, asked = self._workbench.synthesis, read_request(fields)
        generation, job = synthesis.start(LOCAL, asked.request, told=asked.warnings)
        self._finish(job, tell)
        done = synthesis.generation(LOCAL, generation.id)
        return generate_answer(done, synthesis.cases(LOCAL, done)).model_dump(mode="json")

    def fetch(self, case_id: str, name: str, target: Path) -> None:
        """Write one of the case's files."""
        case = self._workbench.review.case(LOCAL, case_id)
        files = {"mask.nii.gz": self._workbench.exports.mask_file, "image.nii.gz": self._workbench.exports.image_file}
        if name in files:
            shutil.copyfile(files[name](case), target)
        else:
            target.write_text(self._workbench.exports.tables(case)[name], "utf-8", newline="")

    def _finish(self, job: JobView, tell: Callable[..., None]) -> None:
        while (job := self._workbench.review.wait(LOCAL, job.id, _LOOK_EVERY_S)).running:
            tell(job.stage, job.fraction)
        error = self._workbench.review.outcome(LOCAL, job)
        if error is not None:
            logging.getLogger(__name__).debug("the job failed", exc_info=error)
            raise error
