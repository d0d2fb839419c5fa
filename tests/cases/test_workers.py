import os

import pytest

from tests.cases import work_for_tests as work
from workbench.cases.workers import WorkerPool
from workbench.domain.errors import Cancelled, StorageFull, UnknownOrgan, WorkbenchError
from workbench.domain.progress import Silent


class Told:
    def __init__(self):
        self.stages = []

    def stage(self, name, fraction=None):
        self.stages.append((name, fraction))


class StopsAt:
    def __init__(self, stage):
        self._stage = stage

    def stage(self, name, fraction=None):
        if name == self._stage:
            raise Cancelled("Stopped.")


@pytest.fixture(scope="module")
def pool():
    made = WorkerPool(1)
    yield made
    made.close()


def test_work_is_done_in_another_process_and_tells_its_stages(pool):
    told = Told()
    assert pool(work.add, 2, 3, progress=told) == 5
    assert ("adding", 0.5) in told.stages
    assert pool(work.process_id, progress=Silent()) != os.getpid()


def test_a_process_is_used_again(pool):
    assert pool(work.process_id, progress=Silent()) == pool(work.process_id, progress=Silent())


def test_an_error_arrives_as_it_was_raised(pool):
    with pytest.raises(UnknownOrgan) as raised:
        pool(work.refuse, progress=Silent())
    assert (raised.value.message, raised.value.nearest, raised.value.hint) == (
        "No such structure.",
        ("liver",),
        "Ask for liver.",
    )


def test_an_unforeseen_error_names_its_kind_and_place_but_not_its_text(pool):
    with pytest.raises(WorkbenchError) as raised:
        pool(work.fail_with_patient, progress=Silent())
    assert "KeyError" in raised.value.message
    assert "PATIENT" not in raised.value.message


def test_a_full_disk_is_told_without_the_path(pool):
    with pytest.raises(StorageFull) as raised:
        pool(work.fill_the_disk, progress=Silent())
    assert "private" not in raised.value.message


def test_a_process_that_dies_is_told_and_replaced(pool):
    with pytest.raises(WorkbenchError, match="ended unexpectedly"):
        pool(work.die, progress=Silent())
    assert pool(work.add, 1, 1, progress=Silent()) == 2


def test_cancel_ends_work_that_never_looks_up(pool):
    before = pool(work.process_id, progress=Silent())
    with pytest.raises(Cancelled):
        pool(work.never_end, progress=StopsAt("for ever"))
    assert pool(work.process_id, progress=Silent()) != before
