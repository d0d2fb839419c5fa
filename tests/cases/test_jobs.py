import threading

import pytest

from workbench.cases.jobs import Jobs
from workbench.domain.case import JobState, Visitor
from workbench.domain.clock import Clock
from workbench.domain.errors import Busy, Cancelled, NotFound, UnreadableImage

ANNA, BEN = Visitor(owner="anna"), Visitor(owner="ben")


@pytest.fixture
def jobs():
    made = Jobs(Clock(), most_running=2)
    yield made
    made.cancel_all()


def test_a_job_ends_done_and_tells_its_stages(jobs):
    at_work, go_on = threading.Event(), threading.Event()

    def work(progress):
        progress.stage("reading", 0.25)
        at_work.set()
        go_on.wait(10)

    job = jobs.start(ANNA, "read", "case", work)
    assert at_work.wait(10)
    seen = jobs.get(ANNA, job.id)
    assert (seen.state, seen.stage, seen.fraction) == (JobState.RUNNING, "reading", 0.25)
    go_on.set()
    assert jobs.wait(ANNA, job.id, 10).state is JobState.DONE


def test_a_failed_job_keeps_its_message_and_hint(jobs):
    def work(progress):
        raise UnreadableImage("The file is damaged.", hint="Export it again.")

    done = jobs.wait(ANNA, jobs.start(ANNA, "read", "case", work).id, 10)
    assert (done.state, done.error, done.hint) == (JobState.FAILED, "The file is damaged.", "Export it again.")
    assert isinstance(jobs.error_of(ANNA, done.id), UnreadableImage)


def test_an_unforeseen_error_is_told_without_its_text(jobs):
    def work(progress):
        raise KeyError("PATIENT^NAME")

    done = jobs.wait(ANNA, jobs.start(ANNA, "read", "case", work).id, 10)
    assert done.state is JobState.FAILED
    assert "KeyError" in (done.error or "")
    assert "PATIENT" not in (done.error or "")


def test_cancel_stops_a_job_at_its_next_stage(jobs):
    def work(progress):
        while True:
            progress.stage("waiting")

    job = jobs.start(ANNA, "segment", "case", work)
    jobs.cancel(ANNA, job.id)
    assert jobs.wait(ANNA, job.id, 10).state is JobState.CANCELLED


def test_who_follows_a_job_hears_its_stages_and_is_told_its_failure(jobs):
    heard, listening = [], threading.Event()

    class Listening:
        def stage(self, name, fraction=None):
            heard.append((name, fraction))
            if name == "reading":
                listening.set()

    def work(progress):
        progress.stage("reading", 0.5)
        listening.wait(10)
        raise UnreadableImage("The file is damaged.", hint="Export it again.")

    with pytest.raises(UnreadableImage, match="damaged"):
        jobs.follow(ANNA, jobs.start(ANNA, "read", "case", work).id, Listening())
    assert heard[-1] == ("reading", 0.5)


def test_a_job_stops_when_who_follows_it_stops_waiting(jobs):
    class Leaving:
        def stage(self, name, fraction=None):
            raise Cancelled("Stopped.")

    def work(progress):
        while True:
            progress.stage("waiting")

    job = jobs.start(ANNA, "read", "case", work)
    with pytest.raises(Cancelled):
        jobs.follow(ANNA, job.id, Leaving())
    assert jobs.wait(ANNA, job.id, 10).state is JobState.CANCELLED


def test_nobody_sees_or_stops_someone_elses_job(jobs):
    job = jobs.start(ANNA, "read", "case", lambda progress: None)
    for reach in (jobs.get, jobs.cancel, jobs.wait):
        with pytest.raises(NotFound):
            reach(BEN, job.id)


def test_more_jobs_than_allowed_are_refused_with_a_time_to_come_back(jobs):
    release = threading.Event()
    for _ in range(2):
        jobs.start(ANNA, "read", "case", lambda progress: release.wait(10))
    with pytest.raises(Busy) as refused:
        jobs.start(BEN, "read", "case", lambda progress: None)
    assert refused.value.retry_after_s > 0
    release.set()


def test_the_newest_job_of_a_case_is_found(jobs):
    first = jobs.start(ANNA, "read", "case", lambda progress: None)
    jobs.wait(ANNA, first.id, 10)
    second = jobs.start(ANNA, "segment", "case", lambda progress: None)
    newest = jobs.latest_on(ANNA, "case")
    assert newest is not None
    assert newest.id == second.id
    assert jobs.latest_on(BEN, "case") is None
