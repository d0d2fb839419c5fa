"""Functions that worker processes run in tests."""

import os
import time

from workbench.domain.errors import StorageFull, UnknownOrgan


def add(one, other, *, progress):
    progress.stage("adding", 0.5)
    return one + other


def process_id(*, progress):
    return os.getpid()


def die(*, progress):
    os._exit(9)


def never_end(*, progress):
    progress.stage("for ever")
    while True:
        time.sleep(1)


def refuse(*, progress):
    raise UnknownOrgan("No such structure.", nearest=("liver",), hint="Ask for liver.")


def fail_with_patient(*, progress):
    raise KeyError("PATIENT^NAME")


def fill_the_disk(*, progress):
    raise OSError(28, "No space left on device", "/some/private/path")


EXPECTED = StorageFull
