"""The mock of MAISI: the grid and anatomies asked for, its cap told, repeatable, and marked throughout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.made import in_process
from tests.nim.made import CLOCK, Watched
from tests.nim.maisi_made import SMALL, an_order
from workbench.domain.errors import Cancelled
from workbench.domain.nim import Service, State
from workbench.domain.provenance import Origin
from workbench.domain.synthesis import Numbering, RulesBroken, Synthesis, SynthesisRequest
from workbench.nim.maisi_stand_in import MaisiStandIn, drawn_grid, seed_of

STAND_IN = MaisiStandIn(clock=CLOCK, run_in_worker=in_process)


def run(folder: Path, request: SynthesisRequest = SMALL) -> Synthesis:
    folder.mkdir(exist_ok=True)
    return STAND_IN.run(an_order(folder, request))


def test_it_draws_the_size_and_spacing_asked_for_with_exact_labels(tmp_path: Path) -> None:
    answer = run(tmp_path)
    (sample,) = answer.samples
    assert sample.volume.voxels_hu.shape == SMALL.output_size == answer.drawn[0].report.size
    assert sample.volume.grid.spacing_mm == pytest.approx(SMALL.spacing_mm)
    assert set(np.unique(sample.segmentation.labels).tolist()) == {0, *SMALL.labels}
    assert sample.segmentation.not_found == ()
    assert answer.numbering is Numbering.EXACT
    assert (sample.volume.voxels_hu.min(), sample.volume.voxels_hu.max()) >= (-1000, 0)
    liver, spleen = (np.argwhere(sample.segmentation.labels == label).mean(axis=0) for label in (1, 3))
    right = sample.volume.grid.ras_mm(np.array([liver, spleen]))[:, 0]
    assert right[0] > right[1], "the liver lies to the right of the spleen"


def test_a_grid_over_256_a_side_is_drawn_coarser_with_the_same_field_of_view_and_says_so(tmp_path: Path) -> None:
    request = SMALL.with_(output_size=(512, 512, 128), spacing_mm=(0.8, 0.8, 2.5))
    assert drawn_grid(request) == ((256, 256, 128), (1.6, 1.6, 2.5))
    answer = run(tmp_path, request)
    report = answer.drawn[0].report
    assert report.size == (256, 256, 128)
    assert report.field_of_view_mm == pytest.approx(request.field_of_view_mm)
    assert any("256 x 256 x 128 of 1.6 x 1.6 x 2.5 mm instead of 512 x 512 x 128" in each for each in answer.warnings)


def test_the_same_request_gives_the_same_and_every_sample_another_volume(tmp_path: Path) -> None:
    two = run(tmp_path / "two", SMALL.with_(num_output_samples=2))
    one = run(tmp_path / "one")
    digests = [each.voxels_sha256 for each in two.drawn]
    assert digests[0] != digests[1]
    assert two.drawn[0].labels_sha256 != two.drawn[1].labels_sha256
    assert one.drawn[0].voxels_sha256 == digests[0], "how many were asked for changes no sample"
    assert seed_of(SMALL, 1) != seed_of(SMALL.with_(anatomy_list=("liver",)), 1)


def test_it_is_marked_as_mock_and_synthetic_throughout(tmp_path: Path) -> None:
    (sample,) = run(tmp_path).samples
    for made in (sample.provenance, sample.volume.provenance, sample.segmentation.provenance):
        assert (made.origin, made.model, made.mark) == (Origin.MOCK, "mock MAISI", "MOCK SYNTHETIC")
    assert "Mock result" in sample.segmentation.warnings[0]
    assert "No model made it" in sample.segmentation.warnings[0]


def test_sizes_of_organs_are_drawn_and_one_left_out_is_told(tmp_path: Path) -> None:
    request = SMALL.with_(controllable_anatomy_size=(("liver", 0.9), ("stomach", -1.0), ("hepatic tumor", 0.5)))
    answer = run(tmp_path, request)
    (sample,) = answer.samples
    assert set(np.unique(sample.segmentation.labels).tolist()) == {0, 1, 26}
    assert sample.segmentation.not_found == (12,)
    assert any("stomach" in each for each in answer.warnings)


def test_what_maisi_would_refuse_its_mock_refuses_too(tmp_path: Path) -> None:
    with pytest.raises(RulesBroken):
        run(tmp_path, SMALL.with_(output_size=(100, 100, 100)))


def test_it_can_be_cancelled(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        STAND_IN.run(an_order(tmp_path, progress=Watched(stop_at="Drawing organs")))


def test_its_files_are_private_and_named_by_sample(tmp_path: Path) -> None:
    answer = run(tmp_path)
    files = sorted((tmp_path / "order").iterdir())
    assert [each.name for each in files] == ["sample-1-labels.npy", "sample-1.npy"]
    assert {each.stat().st_mode & 0o777 for each in files} == {0o600}
    assert answer.samples[0].voxels_file == files[1]


def test_its_status_is_mock_and_says_what_its_volumes_are() -> None:
    status = STAND_IN.status()
    assert (status.service, status.state, status.url) == (Service.MAISI, State.MOCK, None)
    assert "phantom" in status.detail
