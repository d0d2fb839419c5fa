"""The small request of the contract check to VISTA-3D: a phantom, through the real client and the real exchange."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from workbench.domain.clock import Clock
from workbench.domain.errors import (
    Cancelled,
    ConfigurationError,
    NimError,
    NimRejected,
    NimReplyInvalid,
    NimUnavailable,
    StorageFull,
)
from workbench.domain.nim import CheckStep, Segmenter
from workbench.domain.progress import Progress, Silent
from workbench.domain.segmentation import Segmentation, SegmentationRequest
from workbench.domain.volume import Volume
from workbench.domain.work import RunInWorker
from workbench.nim.check import StepFailed, Steps
from workbench.nim.exchange import Delivery, Offer

LIMIT_S = 180.0
"""Longest that the request may take, its place in the line included, seconds."""

_SPACING_MM = (8.0, 8.0, 8.0)
_LIVER = 1


class Observed:
    """A delivery that remembers of one file whether the NIM came for it."""

    def __init__(self, delivery: Delivery, scratch: Path) -> None:
        self._delivery = delivery
        self.file = scratch / "check.nii.gz"
        self.was_offered = False
        self.was_fetched: bool | None = None
        self.advice: str | None = None

    @contextlib.contextmanager
    def offer(self, file: Path) -> Iterator[Offer]:
        """Keep the file within reach inside the block."""
        with self._delivery.offer(file) as offer:
            try:
                yield offer
            finally:
                if file == self.file:
                    self.was_offered = True
                    self.was_fetched = offer.was_fetched()
                    self.advice = offer.advice

    def close(self) -> None:
        """Let go of what is held open."""
        self._delivery.close()


class _Limit:
    """Progress that ends the request when its time is up."""

    def __init__(self) -> None:
        self._until = time.monotonic() + LIMIT_S
        self.last = ""

    def stage(self, name: str, fraction: float | None = None) -> None:
        self.last = name
        if time.monotonic() > self._until:
            raise Cancelled("The check took too long.")


class Vista3dCheck:
    """Segments the liver of a coarse phantom, and tells the fetch of the volume apart from the answer."""

    def __init__(self, client: Segmenter, delivery: Observed, *, run_in_worker: RunInWorker, clock: Clock) -> None:
        self._client = client
        self._delivery = delivery
        self._run_in_worker = run_in_worker
        self._clock = clock

    def __call__(self, steps: Steps) -> None:
        """Take the steps `fetch` and `request`.

        Raises:
            StepFailed: one of them failed.
        """
        limit = _Limit()
        start = time.monotonic()
        self._delivery.was_offered, self._delivery.was_fetched = False, None
        try:
            answer = self._client.run(self._request(limit))
        except Cancelled:
            self._unfinished(steps, limit.last, start)
        except NimError as error:
            self._failed(steps, error, start)
        except (ConfigurationError, StorageFull) as error:
            self._failed(steps, NimUnavailable(error.message, hint=error.hint), start, step="fetch")
        else:
            self._answered(steps, answer, start)
        finally:
            self._delivery.file.unlink(missing_ok=True)

    def _request(self, progress: Progress) -> SegmentationRequest:
        volume = self._run_in_worker(draw_phantom, self._delivery.file, self._clock.stamp(), progress=Silent())
        return SegmentationRequest(
            volume=volume, labels=(_LIVER,), image_file=lambda: self._delivery.file, progress=progress
        )

    def _answered(self, steps: Steps, answer: Segmentation, start: float) -> None:
        if self._delivery.was_fetched is False:
            error = NimReplyInvalid(
                "It answered with a mask and never came to fetch the volume: the mask cannot be of it.",
                hint="Something between answers in its place; check IMAGING_NIM_VISTA3D_URL.",
            )
            self._failed(steps, error, start, step="fetch")
        self._note_fetch(steps)
        voxels = int(np.count_nonzero(answer.labels))
        told = f"It answered a mask on the phantom's grid, {voxels:,} voxels of liver."
        steps.note(CheckStep(step="request", ok=True, detail=told, ms=steps.since(start)))

    def _failed(self, steps: Steps, error: NimError, start: float, step: str = "request") -> None:
        unfetched = self._delivery.was_offered and self._delivery.was_fetched is False
        if step == "request" and unfetched and _may_be_the_fetch(error):
            steps.note(
                CheckStep(step="fetch", ok=False, detail="It never came to fetch the volume.", ms=steps.since(start))
            )
            error.hint = error.hint or self._delivery.advice
        elif step == "request" and not unfetched:
            self._note_fetch(steps)
        steps.note(CheckStep(step=step, ok=False, detail=error.message, ms=steps.since(start)))
        raise StepFailed(error)

    def _note_fetch(self, steps: Steps) -> None:
        if not self._delivery.was_offered:
            return
        fetched = self._delivery.was_fetched
        told = (
            "It fetched the volume from here."
            if fetched
            else "It is given the volume in the shared folder, which cannot be watched from here."
        )
        steps.note(CheckStep(step="fetch", ok=fetched, detail=told))

    def _unfinished(self, steps: Steps, stage: str, start: float) -> None:
        if stage.startswith("waiting"):
            detail = f"Not finished: others are before it ({stage}). Check again when they are done."
            steps.note(CheckStep(step="request", ok=None, detail=detail, ms=steps.since(start)))
            return
        error = NimUnavailable(
            f"VISTA-3D did not segment a small phantom within {LIMIT_S:g} s.",
            timed_out=True,
            hint="Its log (docker logs) tells whether it is still working.",
        )
        self._failed(steps, error, start)


def draw_phantom(path: Path, created_at: str, *, progress: Progress) -> Volume:
    """Draw the coarse phantom and write it to `path`, as a worker process does it."""
    # Load scipy and nibabel, which the process that serves the page does not need.
    from workbench.imaging.phantom import build_phantom, phantom_volume  # noqa: PLC0415
    from workbench.imaging.write import write_volume_nifti  # noqa: PLC0415

    volume = phantom_volume(build_phantom(spacing_mm=_SPACING_MM, progress=progress), created_at)
    write_volume_nifti(volume, path, description="MOCK phantom, contract check")
    return volume


def _may_be_the_fetch(error: NimError) -> bool:
    """Whether an error reads like that of a NIM that could not fetch: it took the request, and refused or hung."""
    return isinstance(error, NimRejected) or (isinstance(error, NimUnavailable) and error.timed_out)
