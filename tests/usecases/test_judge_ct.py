"""A verdict is measured: HU, Dice and volumes as worked out by hand; with a mock on either side there is none."""

from __future__ import annotations

import numpy as np
import pytest

from tests import made
from tests.synthesis_made import ANNA, ASKED, LIVER, SHAPE, SPLEEN, Bench, SmallMaisi, SmallVista, labels_of
from workbench.domain.case import JobState
from workbench.domain.errors import NimUnavailable, PurposeRefused, StateConflict
from workbench.domain.provenance import Origin
from workbench.domain.records import Operator


def judged(bench, case):
    """The case after its check, and the job as it ended."""
    job = bench.ended(ANNA, bench.judging.start(ANNA, case.id))
    return bench.store.get(ANNA, case.id), job


def test_labels_that_agree_whole_have_a_dice_of_one(tmp_path):
    bench = Bench(tmp_path)
    _, (case,) = bench.generate()
    done, job = judged(bench, case)
    assert job.state is JobState.DONE
    rows = {each.label: each for each in done.judgement.agreements}
    assert {label: (row.dice, row.difference_ml) for label, row in rows.items()} == {
        LIVER: (1.0, 0.0),
        SPLEEN: (1.0, 0.0),
    }
    assert not done.judgement.is_mock
    assert "median Dice against VISTA-3D is 1.00" in done.judgement.verdict


def test_a_liver_shifted_by_one_voxel_has_the_dice_worked_out_by_hand(tmp_path):
    # 4 x 5 x 4 voxels moved by one along i share 3 x 5 x 4: Dice 2 * 60 / 160 = 0.75. Half of the volume is added
    # below: 4 x 5 x 6 voxels against 4 x 5 x 4.
    shifted = np.zeros(SHAPE, np.uint8)
    shifted[3:7, 2:7, 2:6] = LIVER
    bench = Bench(tmp_path, vista=SmallVista(labels=shifted))
    _, (case,) = bench.generate()
    rows = {each.label: each for each in judged(bench, case)[0].judgement.agreements}
    assert rows[LIVER].dice == pytest.approx(0.75)
    assert rows[LIVER].difference_ml == pytest.approx(0.0)
    assert (rows[SPLEEN].dice, rows[SPLEEN].second_ml) == (0.0, 0.0)
    taller = np.zeros(SHAPE, np.uint8)
    taller[2:6, 2:7, 1:7] = LIVER
    bench.vista.labels = taller
    liver = next(each for each in judged(bench, case)[0].judgement.agreements if each.label == LIVER)
    assert liver.difference_ml == pytest.approx(0.8)
    assert liver.difference_percent == pytest.approx(50.0)


def test_hu_are_held_against_a_cited_band(tmp_path):
    bench = Bench(tmp_path)
    _, (case,) = bench.generate()
    rows = {each.name: each for each in judged(bench, case)[0].judgement.hu}
    assert (rows["liver"].median_hu, rows["liver"].is_within) == (100.0, True)
    assert (rows["spleen"].median_hu, rows["spleen"].is_within) == (-300.0, False)
    assert all(each.cite and each.source_url.startswith("https://") for each in rows.values())


def test_vista_is_asked_for_the_same_structures_and_shown_none_of_the_labels(tmp_path):
    bench = Bench(tmp_path)
    _, (case,) = bench.generate()
    judged(bench, case)
    (request,) = bench.vista.asked
    assert set(request.labels) == {LIVER, SPLEEN}
    assert request.truth is None
    assert request.volume.provenance.sha256 == case.provenance.sha256


@pytest.mark.parametrize(
    ("maisi", "vista", "sides"),
    [
        (Origin.MOCK, Origin.LOCAL, ("the CT and its labels",)),
        (Origin.LOCAL, Origin.MOCK, ("the second segmentation",)),
        (Origin.MOCK, Origin.MOCK, ("the CT and its labels", "the second segmentation")),
    ],
)
def test_with_a_mock_on_either_side_the_verdict_says_that_it_is_none(tmp_path, maisi, vista, sides):
    bench = Bench(tmp_path, maisi=SmallMaisi(origin=maisi), vista=SmallVista(origin=vista))
    _, (case,) = bench.generate()
    verdict = judged(bench, case)[0].judgement
    assert verdict.is_mock
    assert verdict.mocks == sides
    assert verdict.verdict.startswith("No verdict: ")
    assert "Dice" not in verdict.verdict


def test_where_vista_does_not_answer_hu_are_kept_and_the_error_is_told(tmp_path):
    bench = Bench(tmp_path, vista=SmallVista(fails=NimUnavailable("VISTA-3D does not answer.", hint="Start it.")))
    _, (case,) = bench.generate()
    done, job = judged(bench, case)
    assert (job.state, job.error, job.hint) == (JobState.FAILED, "VISTA-3D does not answer.", "Start it.")
    assert done.judgement.hu
    assert done.judgement.agreements == ()
    with pytest.raises(StateConflict):
        bench.judging.label_maps(done)
    bench.vista.fails = None
    again, _ = judged(bench, case)
    assert again.judgement.agreements
    assert again.judgement.number == 2


def test_the_check_leaves_the_mask_and_survives_being_read_back(tmp_path):
    bench = Bench(tmp_path, vista=SmallVista(labels=np.zeros(SHAPE, np.uint8)))
    _, (case,) = bench.generate()
    done, _ = judged(bench, case)
    assert done.revision == case.revision
    assert np.array_equal(bench.store.segmentation(done).labels, labels_of())
    kept = Bench(tmp_path).store.get(ANNA, case.id).judgement
    assert kept.to_json() == done.judgement.to_json()
    own, second = bench.judging.label_maps(done)
    assert np.array_equal(own, labels_of())
    assert not second.any()


def test_only_a_synthetic_ct_with_anatomies_can_be_checked(tmp_path):
    bench = Bench(tmp_path)
    bench.store.create(made.case("uploaded-1", "anna"))
    with pytest.raises(StateConflict, match="not synthetic"):
        bench.judging.start(ANNA, "uploaded-1")
    _, (case,) = bench.generate()
    bare = case.with_(
        id="bare-case-1", synthesis=type(case.synthesis)(generation="x", sample=1, request=ASKED.with_(anatomy_list=()))
    )
    bench.store.create(bare)
    with pytest.raises(StateConflict, match="without any anatomy"):
        bench.judging.start(ANNA, "bare-case-1")


def test_the_operator_may_forbid_the_segmentation_that_a_check_needs(tmp_path):
    bench = Bench(tmp_path, operator=Operator(purposes={"vista3d": ()}))
    _, (case,) = bench.generate()
    with pytest.raises(PurposeRefused):
        bench.judging.start(ANNA, case.id)
