"""DICOM files to a straight, even stack of slices in HU."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.domain.progress import Progress
from workbench.imaging.read.canvas import Canvas
from workbench.imaging.read.dicom_headers import (
    Damaged,
    Descriptions,
    Frame,
    Header,
    Pixels,
    pydicom_kept_quiet,
    read_header,
)
from workbench.imaging.read.dicom_pixels import compression, is_lossy, stored_frames
from workbench.imaging.read.dicom_series import Stack, stacks
from workbench.imaging.read.limits import ReadLimits, check_voxels
from workbench.imaging.read.regrid import Layout, regrid
from workbench.imaging.read.report import Source

_EVERY = 16
"""Files between two looks at whether the work is still wanted."""


def find_stacks(paths: Sequence[Path], progress: Progress) -> tuple[list[Stack], int]:
    """The stacks that the DICOM files make, and how many files are damaged."""
    headers: list[Header] = []
    descriptions: Descriptions = {}
    damaged = 0
    with pydicom_kept_quiet():
        for number, path in enumerate(paths):
            if number % _EVERY == 0:
                progress.stage("Reading headers", number / len(paths))
            try:
                header = read_header(path, descriptions)
            except Damaged:
                damaged += 1
                continue
            if header is not None:
                headers.append(header)
    return stacks(headers), damaged


def read_stack(
    stack: Stack, out: Path, scratch: Path, limits: ReadLimits, progress: Progress
) -> tuple[Canvas, NDArray[np.float64], Source]:
    """Read the slices into `out`; returns what was met, the affine (RAS mm) and what the headers said."""
    layout = stack.layout
    if layout is None:
        raise AssertionError("only a stack with a layout is read")
    check_voxels(layout.size, limits)
    first = stack.frames[0].pixels
    size = (first.columns, first.rows, len(stack.frames))
    check_voxels(size, limits)
    if layout.is_even:
        canvas = Canvas(out, size)
        was_cut = _fill(canvas, stack, layout, scratch, progress)
    else:
        crooked = Canvas(scratch / "stack.npy", size)
        was_cut = _fill(crooked, stack, layout, scratch, progress)
        progress.stage("Straightening")
        canvas = Canvas(out, layout.size)
        regrid(layout, lambda n: crooked.voxels[:, :, n], canvas.voxels)
        canvas.take_over(crooked)
        del crooked
    return canvas, layout.affine_ras_mm, _source(stack, was_cut)


def _fill(canvas: Canvas, stack: Stack, layout: Layout, scratch: Path, progress: Progress) -> bool:
    """Write every slice to its place; returns whether bits above BitsStored were dropped."""
    places: dict[Pixels, dict[int, tuple[int, Frame]]] = defaultdict(dict)
    for place, number in enumerate(layout.order):
        frame = stack.frames[number]
        places[frame.pixels][frame.index] = (place, frame)
    was_cut = False
    for done, (pixels, wanted) in enumerate(places.items()):
        if done % _EVERY == 0:
            progress.stage("Reading slices", done / len(places))
        with pydicom_kept_quiet():
            for index, stored in enumerate(stored_frames(pixels, scratch)):
                if index in wanted:
                    place, frame = wanted[index]
                    start = place * stored.values.size
                    canvas.put(start, stored.values, frame.slope, frame.intercept, pixels.padding)
                    was_cut |= stored.was_cut
    return was_cut


def _source(stack: Stack, was_cut: bool) -> Source:
    pixels = [frame.pixels for frame in stack.frames]
    packing = compression(pixels[0])
    kind = "DICOM, multi-frame" if pixels[0].frames > 1 else "DICOM"
    return Source(
        file_format=kind + (f", {packing}" if packing else ""),
        description=stack.description,
        modality=stack.modality if stack.modality != "unknown" else "CT",
        notes=(*stack.notes, *_thickness_notes(stack)),
        warnings=tuple(_warnings(stack, pixels, was_cut)),
    )


def _thickness_notes(stack: Stack) -> list[str]:
    step = stack.layout.spacing_mm[2] if stack.layout is not None else 0.0
    thickness = stack.frames[0].thickness_mm
    if thickness is None or abs(thickness - step) < 0.05 * step:
        return []
    relation = "overlap" if thickness > step else "leave gaps"
    return [f"The slices are {thickness:g} mm thick and {step:.2f} mm apart: they {relation}."]


def _warnings(stack: Stack, pixels: Sequence[Pixels], was_cut: bool) -> list[str]:
    said = []
    if any(is_lossy(each) for each in pixels):
        said.append("The images were compressed with loss: HU values are approximate.")
    if not all(frame.is_hu for frame in stack.frames):
        said.append("The header does not say that the values are Hounsfield units.")
    if any(each.inverted for each in pixels):
        said.append("The header asks for inverted grey (MONOCHROME1), odd for a CT; the HU values are not affected.")
    if was_cut:
        said.append("Some pixels had bits set above those that hold the value; they were dropped, as DICOM asks.")
    if len({(frame.slope, frame.intercept) for frame in stack.frames}) > 1:
        said.append("The slices differ in rescale slope or intercept, as in PET; each was converted with its own.")
    return said
