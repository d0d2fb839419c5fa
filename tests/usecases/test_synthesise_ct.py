"""A request becomes cases or nothing, and is never lost."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from tests.synthesis_made import ANNA, ASKED, BORIS, LIVER, SHAPE, SPLEEN, Bench, SmallMaisi, labels_of
from workbench.cases.files import OWN_LABELS
from workbench.domain.case import CaseState, JobState, Source
from workbench.domain.errors import (
    Busy,
    NimRejected,
    NimUnavailable,
    NotFound,
    PurposeRefused,
    StorageFull,
)
from workbench.domain.memory import Fit
from workbench.domain.provenance import Origin
from workbench.domain.records import Operator
from workbench.domain.synthesis import RulesBroken


def test_each_sample_is_a_case_like_any_other_with_its_request(tmp_path):
    bench = Bench(tmp_path)
    generation, cases = bench.generate(request=ASKED.with_(num_output_samples=3))
    assert generation.state is JobState.DONE
    assert [case.id for case in cases] == list(generation.cases)
    assert generation.cases[0] == generation.id
    for number, case in enumerate(cases, 1):
        assert (case.state, case.source, case.owner) == (CaseState.READY, Source.SYNTHETIC, "anna")
        assert case.is_synthetic
        assert case.mark == "SYNTHETIC"
        assert case.synthesis.request == ASKED.with_(num_output_samples=3)
        assert (case.synthesis.generation, case.synthesis.sample) == (generation.id, number)
        assert {each.label: each.volume_ml for each in case.measurements.organs} == pytest.approx(
            {LIVER: 1.6, SPLEEN: 0.02 * number}
        )
        assert case.segmentation.asked == (SPLEEN, LIVER)
        assert np.array_equal(bench.store.segmentation(case).labels, labels_of(number))
        assert bench.store.volume(case).voxels_hu.shape == SHAPE
        assert case.provenance.parameters["review_record"]
    assert bench.kept() == sorted(generation.cases)


def test_a_case_keeps_its_request_when_it_is_read_back(tmp_path):
    bench = Bench(tmp_path)
    _, (case,) = bench.generate()
    again = Bench(tmp_path)
    assert again.store.get(ANNA, case.id).synthesis == case.synthesis


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (NimUnavailable("MAISI does not answer.", hint="Start it."), JobState.FAILED),
        (NimRejected("MAISI ran out of memory.", hint="Ask for less."), JobState.FAILED),
        (StorageFull("The disk is full."), JobState.FAILED),
        (ValueError("DOE^JANE"), JobState.FAILED),
    ],
)
def test_a_failure_keeps_the_request_and_nothing_else(tmp_path, error, state):
    bench = Bench(tmp_path, maisi=SmallMaisi(fails=error))
    generation, cases = bench.generate()
    assert generation.state is state
    assert generation.request == ASKED
    assert cases == ()
    assert bench.kept() == []
    assert generation.error
    assert "DOE" not in generation.error
    assert (generation.hint or None) == getattr(error, "hint", None)
    bench.maisi.fails = None
    again, cases = bench.generate(request=generation.request.with_(num_output_samples=2))
    assert len(cases) == 2
    assert [each.id for each in bench.synthesis.generations(ANNA)] == [again.id, generation.id]


def test_a_sample_that_cannot_be_measured_takes_the_others_with_it(tmp_path):
    def no_room_for_the_second(function, /, *args, progress):
        if len(list((bench.folder / "cases").iterdir())) == 2:
            raise StorageFull("The disk is full.")
        return function(*args, progress=progress)

    bench = Bench(tmp_path, run_in_worker=no_room_for_the_second)
    generation, cases = bench.generate(request=ASKED.with_(num_output_samples=3))
    assert (generation.state, cases) == (JobState.FAILED, ())
    assert bench.kept() == []


def test_cancelling_leaves_the_request_and_nothing_else(tmp_path):
    begun = threading.Event()

    def wait(order):
        begun.set()
        while True:
            order.progress.stage("MAISI is generating")
            time.sleep(0.01)

    bench = Bench(tmp_path, maisi=SmallMaisi(waits=wait))
    generation, job = bench.synthesis.start(ANNA, ASKED)
    assert begun.wait(30)
    assert bench.synthesis.job_of(ANNA, generation).running
    bench.jobs.cancel(ANNA, job.id)
    assert bench.ended(ANNA, job).state is JobState.CANCELLED
    assert bench.synthesis.generation(ANNA, generation.id).state is JobState.CANCELLED
    assert bench.kept() == []


def test_a_generation_erased_while_it_runs_stops_and_is_gone(tmp_path):
    def wait(order):
        while True:
            order.progress.stage("MAISI is generating")
            time.sleep(0.01)

    bench = Bench(tmp_path, maisi=SmallMaisi(waits=wait))
    generation, job = bench.synthesis.start(ANNA, ASKED)
    bench.synthesis.forget(ANNA, generation.id)
    assert bench.ended(ANNA, job).state is JobState.CANCELLED
    assert bench.synthesis.generations(ANNA) == ()
    assert bench.kept() == []


def test_erasing_a_generation_erases_its_samples(tmp_path):
    bench = Bench(tmp_path)
    generation, _ = bench.generate(request=ASKED.with_(num_output_samples=2))
    bench.synthesis.forget(ANNA, generation.id)
    assert bench.kept() == []
    assert not list((bench.folder / "generations").iterdir())


def test_a_broken_rule_keeps_nothing_and_asks_nobody(tmp_path):
    bench = Bench(tmp_path)
    with pytest.raises(RulesBroken) as refused:
        bench.synthesis.start(ANNA, ASKED.with_(output_size=(250, 250, 128), num_output_samples=1000))
    assert {each.rule for each in refused.value.rules} >= {"samples", "size x, y"}
    assert refused.value.nearest == ASKED.with_(output_size=(256, 256, 128), num_output_samples=10)
    assert bench.maisi.orders == []
    assert bench.synthesis.generations(ANNA) == ()


def test_where_no_more_jobs_are_taken_nothing_is_kept(tmp_path):
    bench = Bench(tmp_path, most_running=0)
    with pytest.raises(Busy):
        bench.synthesis.start(ANNA, ASKED)
    assert bench.synthesis.generations(ANNA) == ()


def test_the_operator_may_forbid_generation(tmp_path):
    bench = Bench(tmp_path, operator=Operator(purposes={"maisi": ()}))
    with pytest.raises(PurposeRefused):
        bench.synthesis.start(ANNA, ASKED)
    assert bench.maisi.orders == []


def test_what_a_visitor_made_is_theirs_alone(tmp_path):
    bench = Bench(tmp_path)
    generation, cases = bench.generate(ANNA)
    assert bench.synthesis.generations(BORIS) == ()
    for reach in (
        lambda: bench.synthesis.generation(BORIS, generation.id),
        lambda: bench.synthesis.forget(BORIS, generation.id),
        lambda: bench.store.get(BORIS, cases[0].id),
        lambda: bench.judging.start(BORIS, cases[0].id),
    ):
        with pytest.raises(NotFound):
            reach()
    assert bench.synthesis.generation(ANNA, generation.id).cases


def test_a_restart_says_which_generations_were_cut_short(tmp_path):
    bench = Bench(tmp_path)
    done, _ = bench.generate()
    bench.shelf.keep(done.with_(id="cut-short-1", number=9, state=JobState.RUNNING, cases=()))
    again = Bench(tmp_path)
    again.synthesis.recover()
    newest, oldest = again.synthesis.generations(ANNA)
    assert (newest.id, newest.state) == ("cut-short-1", JobState.FAILED)
    assert "stopped" in newest.error
    assert (oldest.id, oldest.state) == (done.id, JobState.DONE)


def test_the_gallery_forgets_what_is_past_its_time_and_the_oldest_beyond_its_room(tmp_path):
    bench = Bench(tmp_path)
    made = [bench.generate()[0] for _ in range(3)]
    old = time.time() - 2 * 3600
    os.utime(bench.folder / "generations" / f"{made[1].id}.json", (old, old))
    assert [each.id for each in bench.synthesis.generations(ANNA)] == [made[2].id, made[0].id]


def test_a_damaged_generation_does_not_hide_the_others(tmp_path):
    bench = Bench(tmp_path)
    good, _ = bench.generate()
    (bench.folder / "generations" / "damaged-0001.json").write_text("{half")
    assert [each.id for each in bench.synthesis.generations(ANNA)] == [good.id]


def test_a_sample_deleted_alone_leaves_the_others_and_the_request(tmp_path):
    bench = Bench(tmp_path)
    generation, cases = bench.generate(request=ASKED.with_(num_output_samples=2))
    bench.store.delete(cases[0].id)
    kept = bench.synthesis.generation(ANNA, generation.id)
    assert [case.id for case in bench.synthesis.cases(ANNA, kept)] == [cases[1].id]


def test_the_labels_that_came_with_a_ct_survive_a_later_mask(tmp_path):
    bench = Bench(tmp_path)
    _, (case,) = bench.generate()
    bench.store.write_labels(case, np.zeros(SHAPE, np.uint8), 2)
    later = bench.store.save(case.with_(segmentation=replace(case.segmentation, revision=2)))
    bench.store.drop_older(later)
    assert np.array_equal(bench.store.labels_named(later, OWN_LABELS), labels_of())


def test_every_run_of_maisi_is_logged_with_its_outcome(tmp_path):
    bench = Bench(tmp_path)
    bench.generate()
    bench.maisi.fails = NimRejected("No.")
    bench.generate()
    lines = list(bench.records.runs.lines(ANNA))
    assert [(each["service"], each["outcome"], each["origin"]) for each in lines] == [
        ("maisi", "done", "local"),
        ("maisi", "failed", None),
    ]


def test_a_mock_marks_what_it_made(tmp_path):
    bench = Bench(tmp_path, maisi=SmallMaisi(origin=Origin.MOCK))
    generation, (case,) = bench.generate()
    assert case.mark == "MOCK SYNTHETIC"
    assert generation.provenance.is_mock


def test_a_folder_in_use_is_not_swept_while_maisi_has_a_long_queue(tmp_path, monkeypatch):
    from workbench.usecases import synthesise_ct

    monkeypatch.setattr(synthesise_ct, "ALIVE_EVERY_S", 0.0)
    seen = []

    def wait(order):
        old = time.time() - 7200
        os.utime(order.folder, (old, old))
        order.progress.stage("waiting in line")
        bench.store.sweep()
        seen.append(order.folder.exists())

    bench = Bench(tmp_path, maisi=SmallMaisi(waits=wait))
    generation, _ = bench.generate()
    assert seen == [True]
    assert generation.state is JobState.DONE


def test_a_preflight_tells_rules_costs_and_room_and_sends_nothing(tmp_path):
    bench = Bench(tmp_path)
    fine = bench.synthesis.preflight(ASKED)
    assert fine.is_allowed
    assert (fine.nearest, fine.rules) == (None, ())
    assert (fine.forecast.memory_low_gb, fine.forecast.memory_is_exact) == (14.0, True)
    assert fine.plan.machine.name == "Here"
    assert fine.plan.fit is Fit.NOT
    assert fine.fits_disk
    elsewhere = bench.synthesis.preflight(ASKED, machine=next(each for each in bench.memory.machines if "80" in each))
    assert elsewhere.plan.fit is Fit.FITS
    broken = bench.synthesis.preflight(ASKED.with_(spacing_mm=(0.5, 0.5, 2.0)))
    assert not broken.is_allowed
    assert broken.nearest == ASKED.with_(spacing_mm=(1.0, 1.0, 2.0))
    assert bench.synthesis.preflight(ASKED.with_(output_size=(1, 2, 3))).forecast is None
    assert bench.maisi.orders == []


def test_a_result_that_finds_no_room_is_refused_before_it_is_sent(tmp_path, monkeypatch):
    bench = Bench(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1_000_000})())
    with pytest.raises(StorageFull, match="MB left"):
        bench.synthesis.start(ANNA, ASKED)
    assert not bench.synthesis.preflight(ASKED).fits_disk
    assert bench.maisi.orders == []
