"""What the tests of MAISI stand on: a small request, an order for it, a client, the truth that the server drew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from tests.contract_server.maisi import TURNS, drawn
from tests.made import in_process
from tests.nim.made import AVAILABLE, CLOCK, QUICK
from workbench.domain.nim import Service
from workbench.domain.progress import Progress
from workbench.domain.synthesis import SynthesisOrder, SynthesisRequest
from workbench.nim.http import new_client
from workbench.nim.maisi import Maisi, body_for
from workbench.nim.patience import Timeouts

SMALL = SynthesisRequest(
    body_region=("abdomen",),
    # Not in the order of the dictionary, so that a mix-up of places and ids cannot pass.
    anatomy_list=("spleen", "left kidney", "liver", "vertebrae L2"),
    output_size=(256, 256, 128),
    spacing_mm=(1.5, 1.5, 2.0),
)


def an_order(folder: Path, request: SynthesisRequest = SMALL, progress: Progress | None = None) -> SynthesisOrder:
    kept = folder / "order"
    kept.mkdir(exist_ok=True)
    return SynthesisOrder(request=request, folder=kept, **({"progress": progress} if progress else {}))


def a_maisi(url: str, folder: Path, timeouts: Timeouts = QUICK) -> Maisi:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return Maisi(
        url,
        client=new_client(),
        timeouts=replace(timeouts, answer_s=max(timeouts.answer_s, 0.3)),
        clock=CLOCK,
        run_in_worker=in_process,
        scratch=scratch,
        max_voxels=1_000_000_000,
        status=lambda: replace(AVAILABLE, service=Service.MAISI),
    )


def truth(request: SynthesisRequest, sample: int, turn: str = "RAS") -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """HU, VISTA-3D ids and affine of a sample (from 0) as the contract server drew and turned them."""
    hu, ids = drawn(body_for(request), sample)
    affine = np.diag([*request.spacing_mm, 1.0])
    affine[:3, 3] = (-120.0, -110.0, 30.0)
    image, labels = (nibabel.Nifti1Image(each, affine).as_reoriented(TURNS[turn]) for each in (hu, ids))
    return np.asarray(image.dataobj), np.asarray(labels.dataobj), image.affine


def left_in(folder: Path) -> list[str]:
    """The files of an order and of the scratch folder."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())
