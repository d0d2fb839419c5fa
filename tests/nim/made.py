"""What the tests of this folder stand on: a small CT, a request for it, progress that remembers or stops."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from workbench.domain.clock import Clock
from workbench.domain.errors import Cancelled
from workbench.domain.nim import NimStatus, Service, State
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.segmentation import SegmentationRequest
from workbench.domain.volume import Volume
from workbench.nim.exchange import Delivery, ExchangeUrl
from workbench.nim.http import new_client
from workbench.nim.patience import Timeouts
from workbench.nim.vista3d import Vista3d

CLOCK = Clock(now=lambda: datetime(2026, 1, 15, 12, 3, tzinfo=UTC))
UPLOAD = Provenance(origin=Origin.UPLOAD, model="upload", version="NIfTI", created_at="2026-01-15T12:00:00+00:00")
AVAILABLE = NimStatus(
    service=Service.VISTA3D, state=State.AVAILABLE, published_state=State.AVAILABLE, url="http://nim", detail="ready"
)
# Unequal spacing, a flipped axis and an offset, so that a mix-up of axes cannot pass.
AFFINE = np.array([[-1.5, 0, 0, 40.0], [0, 2.0, 0, -30.0], [0, 0, 3.0, 100.0], [0, 0, 0, 1]])
SHAPE = (20, 18, 15)


def ct() -> Volume:
    voxels = np.asfortranarray(np.arange(np.prod(SHAPE)).reshape(SHAPE) % 2000 - 1000).astype(np.int16)
    return Volume(voxels_hu=voxels, affine_ras_mm=AFFINE, provenance=UPLOAD)


class Watched:
    """Progress that keeps what it was told, and stops the work at the stage whose name holds `stop_at`."""

    def __init__(self, stop_at: str | None = None) -> None:
        self.stages: list[str] = []
        self._stop_at = stop_at

    def stage(self, name: str, fraction: float | None = None) -> None:
        self.stages.append(name)
        if self._stop_at is not None and self._stop_at in name:
            raise Cancelled("Stopped.")


def a_request(folder: Path, **fields: Any) -> SegmentationRequest:
    volume = ct()
    path = folder / "Patient Name.nii.gz"

    def image_file() -> Path:
        if not path.exists():
            nibabel.save(nibabel.Nifti1Image(np.asarray(volume.voxels_hu), volume.affine_ras_mm), path)
        return path

    return replace(SegmentationRequest(volume=volume, image_file=image_file), **fields)


QUICK = Timeouts(connect_s=2.0, answer_s=5.0, refused_wait_s=0.01, loading_waits_s=(0.01, 0.01))


def a_client(url: str, folder: Path, delivery: Delivery | None = None, timeouts: Timeouts = QUICK) -> Vista3d:
    return Vista3d(
        url,
        client=new_client(),
        delivery=delivery or ExchangeUrl(listen="127.0.0.1:0", nim_url=url),
        timeouts=timeouts,
        clock=CLOCK,
        scratch=folder,
        max_voxels=10_000_000,
        status=lambda: AVAILABLE,
    )
