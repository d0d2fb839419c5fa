"""MAISI over the wire: what is sent, and that what comes back is what the NIM drew."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.contract_server import MaisiNim
from tests.nim.made import QUICK, Watched
from tests.nim.maisi_made import SMALL, a_maisi, an_order, left_in, truth
from workbench.domain.errors import Cancelled
from workbench.domain.maisi import ANATOMIES
from workbench.domain.nim import Service
from workbench.domain.provenance import Origin
from workbench.domain.synthesis import Numbering, RulesBroken, Synthesis, SynthesisRequest
from workbench.nim.patience import Timeouts


@pytest.fixture
def nim() -> Iterator[MaisiNim]:
    server = MaisiNim()
    yield server
    server.close()


def run(nim: MaisiNim, folder: Path, request: SynthesisRequest = SMALL) -> Synthesis:
    return a_maisi(nim.url, folder, Timeouts(answer_s=60)).run(an_order(folder, request))


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SLP"])
@pytest.mark.parametrize("numbering", ["order", "ids"])
def test_the_volume_is_what_the_nim_drew_for_both_numberings_and_three_orientations(
    nim: MaisiNim, tmp_path: Path, numbering: str, orientation: str
) -> None:
    nim.switch(numbering=numbering, orientation=orientation)
    answer = run(nim, tmp_path)
    (sample,) = answer.samples
    hu, ids, affine = truth(SMALL, 0, orientation)
    assert np.array_equal(sample.volume.voxels_hu, hu)
    assert np.array_equal(sample.segmentation.labels, ids)
    assert np.allclose(sample.volume.affine_ras_mm, affine, atol=1e-4)
    assert answer.numbering is (Numbering.ORDER if numbering == "order" else Numbering.GLOBAL_IDS)
    assert sample.segmentation.not_found == ()
    assert sample.segmentation.asked == SMALL.labels


def test_a_label_map_with_its_axes_stored_otherwise_is_laid_over_its_image(nim: MaisiNim, tmp_path: Path) -> None:
    nim.switch(orientation="RAS", label_orientation="SLP")
    (sample,) = run(nim, tmp_path).samples
    assert np.array_equal(sample.segmentation.labels, truth(SMALL, 0)[1])


def test_every_sample_comes_back_in_the_order_of_making(nim: MaisiNim, tmp_path: Path) -> None:
    request = SMALL.with_(num_output_samples=3)
    answer = run(nim, tmp_path, request)
    assert [each.sample for each in answer.samples] == [1, 2, 3]
    for at, sample in enumerate(answer.samples):
        hu, ids, _ = truth(request, at)
        assert np.array_equal(sample.volume.voxels_hu, hu)
        assert np.array_equal(sample.segmentation.labels, ids)
    assert len({each.provenance.sha256 for each in answer.samples}) == 3


@pytest.mark.parametrize("ext", [".nrrd", ".nii"])
def test_other_formats_are_read_too(nim: MaisiNim, tmp_path: Path, ext: str) -> None:
    nim.switch(ext=ext, orientation="SLP")
    (sample,) = run(nim, tmp_path).samples
    hu, ids, affine = truth(SMALL, 0, "SLP")
    assert np.array_equal(sample.volume.voxels_hu, hu)
    assert np.array_equal(sample.segmentation.labels, ids)
    assert np.allclose(sample.volume.affine_ras_mm, affine, atol=1e-4)


def test_only_documented_fields_are_sent_with_size_and_spacing_always(nim: MaisiNim, tmp_path: Path) -> None:
    run(nim, tmp_path)
    (sent,) = [each.json() for each in nim.posts()]
    assert sent == {
        "num_output_samples": 1,
        "body_region": ["abdomen"],
        "anatomy_list": ["spleen", "left kidney", "liver", "vertebrae L2"],
        "output_size": [256, 256, 128],
        "spacing": [1.5, 1.5, 2.0],
        "image_output_ext": ".nii.gz",
        "label_output_ext": ".nii.gz",
    }


def test_sizes_of_organs_replace_the_list_and_number_the_mask(nim: MaisiNim, tmp_path: Path) -> None:
    request = SMALL.with_(body_region=(), controllable_anatomy_size=(("colon", 0.4), ("hepatic tumor", 0.7)))
    (sample,) = run(nim, tmp_path, request).samples
    (sent,) = [each.json() for each in nim.posts()]
    assert "anatomy_list" not in sent
    assert sent["body_region"] == ["abdomen"]
    assert sent["controllable_anatomy_size"] == [["colon", 0.4], ["hepatic tumor", 0.7]]
    assert set(np.unique(sample.segmentation.labels)) == {
        0,
        ANATOMIES["colon"].label,
        ANATOMIES["hepatic tumor"].label,
    }


def test_a_broken_rule_is_told_and_nothing_is_sent(nim: MaisiNim, tmp_path: Path) -> None:
    with pytest.raises(RulesBroken) as raised:
        run(nim, tmp_path, SMALL.with_(output_size=(300, 300, 128)))
    assert [each.rule for each in raised.value.rules] == ["size x, y"]
    assert nim.received == []


def test_the_result_says_that_a_model_drew_it_and_who(nim: MaisiNim, tmp_path: Path) -> None:
    (sample,) = run(nim, tmp_path).samples
    for made in (sample.provenance, sample.volume.provenance, sample.segmentation.provenance):
        assert (made.origin, made.model, made.version) == (Origin.LOCAL, "maisi", "1.0.1-fixture")
        assert (made.is_mock, made.is_synthetic, made.mark) == (False, True, "SYNTHETIC")
        assert made.parameters["request"] == SMALL.to_json()
        assert made.parameters["numbering"] == "order of the request"


def test_a_nim_without_an_information_route_has_an_unknown_version(nim: MaisiNim, tmp_path: Path) -> None:
    nim.switch(no_info=True)
    assert run(nim, tmp_path).provenance.version == "unknown"


def test_the_files_of_a_zip_that_are_no_pair_are_ignored(nim: MaisiNim, tmp_path: Path) -> None:
    nim.switch(response_member=True, zip_escape="too")
    (sample,) = run(nim, tmp_path).samples
    assert np.array_equal(sample.volume.voxels_hu, truth(SMALL, 0)[0])
    assert left_in(tmp_path) == ["sample-1-labels.npy", "sample-1.npy"]
    assert not (tmp_path.parent / "sample_20260115_120300_000000_image.nii.gz").exists()


def test_values_of_the_body_in_a_mask_by_ids_are_background(nim: MaisiNim, tmp_path: Path) -> None:
    nim.switch(numbering="ids", with_body=True)
    (sample,) = run(nim, tmp_path).samples
    assert np.array_equal(sample.segmentation.labels, truth(SMALL, 0)[1])


def test_values_beyond_the_list_that_are_ids_are_read_as_ids_and_told(nim: MaisiNim, tmp_path: Path) -> None:
    names = ("aorta", "spleen", "pancreas", "right kidney", "stomach", "liver")
    request = SMALL.with_(anatomy_list=names)
    answer = run(nim, tmp_path, request)
    assert (answer.numbering, answer.warnings) == (Numbering.ORDER, ())
    nim.switch(numbering="ids")
    (tmp_path / "again").mkdir()
    by_ids = run(nim, tmp_path / "again", request)
    assert by_ids.numbering is Numbering.GLOBAL_IDS, "the stomach is 12, beyond the list of six"
    assert "read as ids" in by_ids.warnings[0]
    assert np.array_equal(by_ids.samples[0].segmentation.labels, answer.samples[0].segmentation.labels)


def test_fewer_samples_than_asked_for_are_kept_and_told(nim: MaisiNim, tmp_path: Path) -> None:
    nim.switch(fewer=True)
    answer = run(nim, tmp_path, SMALL.with_(num_output_samples=2))
    assert len(answer.samples) == 1
    assert "MAISI made 1 of the 2 samples" in answer.warnings[0]


def test_another_size_than_asked_for_is_told(nim: MaisiNim, tmp_path: Path) -> None:
    nim.switch(other_size=True)
    answer = run(nim, tmp_path)
    assert answer.warnings == ("The CT has 128 x 128 x 64 voxels, not the 256 x 256 x 128 that were asked for.",)


def test_the_report_of_a_sample_tells_its_grid(nim: MaisiNim, tmp_path: Path) -> None:
    answer = run(nim, tmp_path)
    report = answer.drawn[0].report
    assert report.size == (256, 256, 128)
    assert report.hu_range == (-1000, 43)
    assert "synthetic" in report.modality


def test_cancel_closes_the_connection_and_leaves_nothing(nim: MaisiNim, tmp_path: Path) -> None:
    nim.switch(hang=30)
    with pytest.raises(Cancelled):
        a_maisi(nim.url, tmp_path).run(an_order(tmp_path, progress=Watched(stop_at="generating")))
    assert left_in(tmp_path) == []


def test_a_nim_that_is_loading_is_asked_again_and_the_wait_is_told(nim: MaisiNim, tmp_path: Path) -> None:
    nim.switch(starting_calls=1)
    watched = Watched()
    a_maisi(nim.url, tmp_path, Timeouts(answer_s=60, loading_waits_s=(0.01,))).run(an_order(tmp_path, progress=watched))
    assert any("MAISI is loading" in stage for stage in watched.stages)
    assert "reading the volume" in watched.stages


def test_one_request_at_a_time_reaches_the_nim(nim: MaisiNim, tmp_path: Path) -> None:
    nim.switch(hang=30)
    client = a_maisi(nim.url, tmp_path, Timeouts(answer_s=60))
    first = threading.Thread(target=_ignoring_the_end, args=(client, tmp_path / "one"))
    first.start()
    while not nim.posts():
        pass
    with pytest.raises(Cancelled):
        client.run(an_order(tmp_path, progress=Watched(stop_at="waiting: 1 before you")))
    assert len(nim.posts()) == 1
    nim.switch()
    nim.released.set()
    first.join(timeout=30)
    assert not first.is_alive()


def _ignoring_the_end(client: object, folder: Path) -> None:
    folder.mkdir()
    client.run(an_order(folder))  # type: ignore[attr-defined]


def test_its_status_is_that_of_the_service(nim: MaisiNim, tmp_path: Path) -> None:
    assert a_maisi(nim.url, tmp_path, QUICK).status().service is Service.MAISI
