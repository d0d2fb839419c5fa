"""Two label maps in one picture, voxel by voxel."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from workbench.domain.errors import InvalidRequest
from workbench.domain.volume import Grid
from workbench.imaging.overlay import BOTH, ONLY_FIRST, ONLY_SECOND, OTHERWISE, SAID, overlay, overlay_stack
from workbench.imaging.stacks import unpack

FIRST = np.array([0, 1, 1, 1, 3, 3, 9], np.uint8)
SECOND = np.array([1, 0, 1, 3, 3, 0, 9], np.uint8)


def test_what_one_says_what_both_say_and_what_they_name_differently():
    told = overlay(FIRST, SECOND, [1, 3])
    assert told.tolist() == [ONLY_SECOND, ONLY_FIRST, BOTH, OTHERWISE, BOTH, ONLY_FIRST, 0]


def test_one_structure_alone_leaves_the_others_out():
    assert overlay(FIRST, SECOND, [1]).tolist() == [ONLY_SECOND, ONLY_FIRST, BOTH, ONLY_FIRST, 0, 0, 0]


def test_every_value_has_a_name_and_two_colours():
    assert [each.value for each in SAID] == [BOTH, ONLY_FIRST, ONLY_SECOND, OTHERWISE]
    assert len({each.colour for each in SAID} | {each.safe_colour for each in SAID}) == 8


@pytest.mark.parametrize("flip", [1, -1])
def test_a_stack_shows_the_patient_from_the_same_side_whatever_the_grid(flip):
    first, second = np.zeros((2, 4, 3, 2), np.uint8)
    right = 0 if flip == 1 else 3
    first[right, :, 1] = 1
    affine = np.diag([-1.0 * flip, -1.0, 1.0, 1.0])
    grid = Grid(shape=(4, 3, 2), affine_ras_mm=affine)
    (body,) = unpack(overlay_stack(first, second, grid, "axial", 2, 1, labels=[1]))
    picture = np.frombuffer(zlib.decompress(body), np.uint8).reshape(3, 4)
    assert (picture[:, 0] == ONLY_FIRST).all()
    assert not picture[:, 1:].any()


def test_a_stack_ends_with_the_volume_and_refuses_what_lies_outside():
    empty = np.zeros((4, 3, 2), np.uint8)
    grid = Grid(shape=(4, 3, 2), affine_ras_mm=np.eye(4))
    assert len(unpack(overlay_stack(empty, empty, grid, "sagittal", 3, 50, labels=[1]))) == 2
    for plane, start, n in (("axial", 3, 1), ("oblique", 1, 1), ("axial", 1, 0)):
        with pytest.raises(InvalidRequest):
            overlay_stack(empty, empty, grid, plane, start, n, labels=[1])
