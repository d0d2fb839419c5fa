"""One look at a time, told at once: what is waited for, and what never is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.serving import wait_until
from workbench.nim.watch import Watch

LONG_S = 100.0


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=4) as made:
        yield made


class Looked:
    """Looks that end when they are let go, each told by its number."""

    def __init__(self) -> None:
        self.begun = 0
        self.let_go = threading.Event()

    def __call__(self) -> str:
        self.begun += 1
        number = self.begun
        self.let_go.wait(60)
        return f"look {number}"


def a_watch(look: Looked, *, limit_s: float = LONG_S, kept_s: float = LONG_S) -> Watch[str]:
    return Watch(look, lambda: "too long", limit_s=limit_s, kept_s=kept_s)


def test_a_look_that_is_good_is_not_repeated(pool: ThreadPoolExecutor) -> None:
    look = Looked()
    look.let_go.set()
    watch = a_watch(look)
    for _ in range(50):
        watch.begin(pool)
        assert watch.seen() == "look 1"
    assert look.begun == 1


def test_a_new_look_under_way_hides_nothing_of_the_last(pool: ThreadPoolExecutor) -> None:
    look = Looked()
    look.let_go.set()
    watch = a_watch(look, kept_s=0.0)
    watch.begin(pool)
    assert watch.seen() == "look 1"
    look.let_go.clear()
    watch.begin(pool)
    assert watch.settled()
    assert watch.seen() == "look 1"
    watch.begin(pool)
    wait_until(lambda: look.begun == 2)
    look.let_go.set()
    wait_until(lambda: watch.seen() == "look 2")
    assert look.begun == 2


def test_the_first_look_is_waited_for_and_no_longer_than_its_limit(pool: ThreadPoolExecutor) -> None:
    look = Looked()
    watch = a_watch(look, limit_s=1.0)
    watch.begin(pool)
    assert not watch.settled()
    assert watch.seen() == "too long"
    assert not look.let_go.is_set()
    wait_until(watch.settled)
    assert watch.seen() == "too long"
    look.let_go.set()


def test_a_look_that_hangs_is_not_joined_by_another(pool: ThreadPoolExecutor) -> None:
    look = Looked()
    watch = a_watch(look, limit_s=0.01, kept_s=0.0)
    for _ in range(20):
        watch.begin(pool)
        watch.seen()
    assert look.begun == 1
    look.let_go.set()
    wait_until(lambda: watch.seen() == "look 1")


def test_a_look_from_before_an_event_is_replaced_though_it_is_fresh(pool: ThreadPoolExecutor) -> None:
    look = Looked()
    look.let_go.set()
    watch = a_watch(look)
    watch.begin(pool)
    assert watch.seen() == "look 1"
    watch.forget()
    watch.begin(pool)
    wait_until(lambda: watch.seen() == "look 2")
