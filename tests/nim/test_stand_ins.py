from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from workbench.domain.clock import Clock
from workbench.domain.nim import Service, State
from workbench.domain.organs import EVERYTHING, PARTS
from workbench.domain.progress import Progress
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.segmentation import SegmentationRequest
from workbench.domain.volume import Volume
from workbench.domain.work import ArrayFile
from workbench.imaging.phantom import Phantom, build_phantom, phantom_volume
from workbench.nim.stand_ins import MODEL, Vista3dStandIn

T = TypeVar("T")
CLOCK = Clock(now=lambda: datetime(2026, 1, 1, tzinfo=UTC), elapsed_s=lambda start: 1.5)


def here(function: Callable[..., T], /, *args: Any, progress: Progress) -> T:
    """A worker in this very process."""
    return function(*args, progress=progress)


def no_file() -> Path:
    raise AssertionError("a stand-in sends no image")


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return build_phantom(spacing_mm=(4.0, 4.0, 4.0))


@pytest.fixture(scope="module")
def stand_in() -> Vista3dStandIn:
    return Vista3dStandIn(clock=CLOCK, run_in_worker=here)


def request(phantom: Phantom, *, truth: bool, **more: Any) -> SegmentationRequest:
    volume = phantom_volume(phantom, "2026-01-01T00:00:00+00:00")
    if not truth:
        upload = Provenance(origin=Origin.UPLOAD, model="upload", version="1", created_at="2026-01-01T00:00:00+00:00")
        volume = Volume(voxels_hu=volume.voxels_hu, affine_ras_mm=volume.affine_ras_mm, provenance=upload)
    return SegmentationRequest(volume=volume, image_file=no_file, truth=phantom.labels if truth else None, **more)


def test_the_phantom_is_answered_with_its_truth(phantom: Phantom, stand_in: Vista3dStandIn) -> None:
    answer = stand_in.run(request(phantom, truth=True))
    expected = np.where(np.isin(phantom.labels, EVERYTHING), phantom.labels, 0)
    assert (answer.labels == expected).all()
    assert answer.asked is None
    assert "truth" in answer.warnings[0]


def test_everything_leaves_out_what_must_be_asked_for_by_name(phantom: Phantom, stand_in: Vista3dStandIn) -> None:
    assert not (stand_in.run(request(phantom, truth=True)).labels == 132).any()
    assert (stand_in.run(request(phantom, truth=True, labels=(132,))).labels == 132).any()


def test_a_superclass_is_answered_with_its_parts_and_the_rest_is_not_found(
    phantom: Phantom, stand_in: Vista3dStandIn
) -> None:
    answer = stand_in.run(request(phantom, truth=True, labels=(20, 22)))
    assert set(np.unique(answer.labels).tolist()) == {0, *PARTS[20]}
    assert answer.asked == (*PARTS[20], 22)
    assert answer.not_found == (22,)


def test_another_ct_is_computed_and_says_so(phantom: Phantom, stand_in: Vista3dStandIn) -> None:
    answer = stand_in.run(request(phantom, truth=False, labels=(20,)))
    assert np.isin(answer.labels, PARTS[20]).any()
    assert "thresholds and shapes" in answer.warnings[0]
    assert "not a measurement" in answer.warnings[0]


def test_an_answer_is_mock_even_of_a_real_ct_and_can_be_traced(phantom: Phantom, stand_in: Vista3dStandIn) -> None:
    asked = request(phantom, truth=False, labels=(1,))
    answer = stand_in.run(asked)
    assert answer.is_mock
    assert not asked.volume.is_mock
    assert answer.provenance.model == MODEL
    assert answer.provenance.inputs == (asked.volume.provenance,)
    assert answer.provenance.parameters["labels"] == [1]
    assert answer.provenance.elapsed_s == 1.5
    assert answer.provenance.sha256 == hashlib.sha256(answer.labels.tobytes(order="F")).hexdigest()
    assert answer.provenance.stands_in_because is None


def test_the_same_request_gives_the_same_answer(phantom: Phantom, stand_in: Vista3dStandIn) -> None:
    first, again = (stand_in.run(request(phantom, truth=False)) for _ in range(2))
    assert first.provenance == again.provenance
    assert first.not_found == again.not_found


def test_a_click_is_answered_with_that_structure_alone(phantom: Phantom, stand_in: Vista3dStandIn) -> None:
    i, j, k = (int(each) for each in np.argwhere(phantom.labels == 1).mean(axis=0))
    answer = stand_in.run(request(phantom, truth=False, points={1: ((i, j, k),)}))
    assert answer.labels[i, j, k] == 1
    assert set(np.unique(answer.labels).tolist()) == {0, 1}
    assert answer.asked == (1,)


def test_the_status_is_mock_and_names_no_url(stand_in: Vista3dStandIn) -> None:
    status = stand_in.status()
    assert (status.service, status.state, status.published_state, status.url) == (
        Service.VISTA3D,
        State.MOCK,
        State.MOCK,
        None,
    )
    assert (
        "no hosted endpoint"
        in Vista3dStandIn(clock=CLOCK, run_in_worker=here, reason="no hosted endpoint").status().detail
    )


def test_an_array_from_a_file_travels_as_its_path(tmp_path: Path) -> None:
    np.save(tmp_path / "voxels.npy", np.asfortranarray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)))
    mapped = np.load(tmp_path / "voxels.npy", mmap_mode="r")
    handed = ArrayFile.of(mapped.view(np.ndarray))
    assert handed.path == tmp_path / "voxels.npy"
    assert handed.array is None
    assert (handed.open() == mapped).all()
    assert not handed.open().flags.writeable


def test_a_part_of_a_file_or_an_array_in_memory_travels_whole(tmp_path: Path) -> None:
    np.save(tmp_path / "voxels.npy", np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    mapped = np.load(tmp_path / "voxels.npy", mmap_mode="r")
    for array in (mapped[:, ::-1], mapped[:1], np.arange(5)):
        handed = ArrayFile.of(array)
        assert handed.path is None
        assert (handed.open() == array).all()
        assert not handed.open().flags.writeable
