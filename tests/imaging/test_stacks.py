from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from workbench.domain.errors import InvalidRequest
from workbench.domain.volume import Grid
from workbench.imaging.slices import PLANES, Window, apply_window, slice_of
from workbench.imaging.stacks import MOST_SLICES, pack, stack_bytes, unpack

SHAPE = (9, 8, 100)
GRID = Grid(shape=SHAPE, affine_ras_mm=np.diag([2.0, -1.0, 3.0, 1.0]))
VOXELS = np.asfortranarray(np.random.default_rng(4).integers(-1024, 3000, SHAPE).astype(np.int16))
LABELS = np.asfortranarray((np.abs(VOXELS) % 133).astype(np.uint8))


@pytest.mark.parametrize("plane", PLANES)
def test_raw_slices_arrive_exactly(plane: str) -> None:
    slices = unpack(stack_bytes(VOXELS, GRID, "raw16", plane, 2, 3))
    for number, body in enumerate(slices, start=2):
        wanted = slice_of(VOXELS, GRID, plane, number)
        assert np.array_equal(np.frombuffer(body, "<i2").reshape(wanted.shape), wanted)
    assert len(slices) == 3


@pytest.mark.parametrize("plane", PLANES)
def test_label_slices_arrive_exactly_through_zlib(plane: str) -> None:
    (body,) = unpack(stack_bytes(LABELS, GRID, "label", plane, 5, 1))
    wanted = slice_of(LABELS, GRID, plane, 5)
    assert np.array_equal(np.frombuffer(zlib.decompress(body), np.uint8).reshape(wanted.shape), wanted)


def test_jpeg_slices_are_windowed_pictures_of_the_right_size() -> None:
    smooth = np.asfortranarray(np.broadcast_to(np.linspace(-200, 300, 9)[:, None, None], SHAPE).astype(np.int16))
    (body,) = unpack(stack_bytes(smooth, GRID, "jpeg", "axial", 1, 1, center=50, width=400, quality=92))
    shown = np.asarray(Image.open(io.BytesIO(body)))
    wanted = apply_window(slice_of(smooth, GRID, "axial", 1), Window(center=50, width=400))
    assert shown.shape == wanted.shape == (8, 9)
    assert np.abs(shown.astype(int) - wanted).max() <= 16


def test_the_head_of_a_body_is_count_and_lengths_in_little_endian() -> None:
    assert pack([b"ab", b"", b"c"]) == struct.pack("<4I", 3, 2, 0, 1) + b"abc"
    assert unpack(pack([b"ab", b"", b"c"])) == [b"ab", b"", b"c"]


def test_a_stack_ends_at_the_last_slice() -> None:
    assert len(unpack(stack_bytes(VOXELS, GRID, "raw16", "axial", 99, 10))) == 2


def test_a_stack_never_holds_more_than_the_most_slices() -> None:
    assert len(unpack(stack_bytes(VOXELS, GRID, "raw16", "axial", 1, 10_000))) == MOST_SLICES


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "png"},
        {"plane": "lateral"},
        {"start": 0},
        {"start": 101},
        {"n": 0},
        {"quality": 0},
        {"quality": 100},
        {"width": 0},
        {"center": float("nan")},
    ],
)
def test_a_stack_that_does_not_exist_is_refused(asked: dict[str, object]) -> None:
    call = {"kind": "jpeg", "plane": "axial", "start": 1, "n": 1} | asked
    with pytest.raises(InvalidRequest):
        stack_bytes(VOXELS, GRID, **call)
