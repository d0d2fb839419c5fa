"""Figures of what was measured, as PNG bytes: drawn at twice screen resolution, in the colours of the page.

Every figure is drawn on its own canvas without global state, so several threads may draw at once, and the same input
gives the same bytes. A mark (MOCK, SYNTHETIC) is drawn into the picture.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from PIL import Image, ImageOps

from workbench.domain.organs import ORGANS
from workbench.domain.segmentation import Measurements, OrganVolume
from workbench.domain.volume import Grid, Volume
from workbench.imaging.colours import colour_of
from workbench.imaging.plausible import ReferenceRange, reference_ranges
from workbench.imaging.render import mark_picture
from workbench.imaging.slices import WINDOWS, apply_window, canonical, pixel_mm, position_mm, slice_of

_FONT = "DejaVu Sans"
"""Comes with matplotlib, so that text looks the same everywhere."""
_DPI = 200
_MARK_ROOM_PX = (14, 46, 14, 14)
"""Left, top, right, bottom."""
_THIN = "\N{THIN SPACE}"
_MINUS = "\N{MINUS SIGN}"

_DIRECTIONS = {"axial": (2, "z, feet to head"), "coronal": (1, "y, front to back"), "sagittal": (0, "x, right to left")}
"""By plane: the canonical axis (left, back, head) it is stacked along, and what grows along it."""


@dataclass(frozen=True, kw_only=True)
class _Theme:
    panel: str
    raised: str
    line: str
    text: str
    muted: str
    accent: str


_DARK = _Theme(panel="#161b22", raised="#1e252e", line="#2b3440", text="#e7ebf0", muted="#9aa6b4", accent="#58b8f0")
_LIGHT = _Theme(panel="#ffffff", raised="#eef1f4", line="#d5dbe2", text="#15202b", muted="#56616e", accent="#0b6bb0")


def volume_text(organ: OrganVolume) -> str:
    """`1 860.6 mL`, `2.53 mL`, `at least 412.0 mL` where the scan cuts the structure."""
    return f"{'at least ' if organ.touches_edge else ''}{_number(organ.volume_ml)} mL"


def histogram_figure(
    volume: Volume,
    labels: NDArray[np.uint8],
    organ: OrganVolume,
    *,
    mark: str | None = None,
    dark: bool = True,
    safe_colours: bool = False,
) -> bytes:
    """How much of a structure has which Hounsfield value: mL by HU, with its mean and one SD to either side.

    The axis spans all but the outermost 0.1 % of voxels at either end; smallest and largest value are told in words.
    """
    theme = _theme(dark)
    colour = colour_of(organ.label, safe=safe_colours)
    low, counts = _counts_by_hu(volume.voxels_hu, labels, organ.label)
    figure, axes = _plot(theme, organ.name, _spread_text(organ))
    if counts.size:
        share = np.cumsum(counts) / counts.sum()
        first, last = int(np.searchsorted(share, 0.001)), int(np.searchsorted(share, 0.999))
        width = max(1, math.ceil((last - first + 1) / 90))
        binned = np.add.reduceat(counts[first : last + 1], np.arange(0, last + 1 - first, width))
        edges = low + first - 0.5 + width * np.arange(binned.size + 1)
        axes.stairs(binned * volume.grid.voxel_volume_mm3 / 1000, edges, fill=True, color=colour, alpha=0.85)
        axes.axvspan(organ.mean_hu - organ.std_hu, organ.mean_hu + organ.std_hu, color=theme.muted, alpha=0.16, lw=0)
        axes.axvline(organ.mean_hu, color=theme.text, linewidth=1)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylabel("mL per HU" if width == 1 else f"mL per {width} HU", **_label(theme))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("HU", **_label(theme))
    return _png(figure, mark)


def area_figure(
    labels: NDArray[np.uint8],
    grid: Grid,
    organ: OrganVolume,
    *,
    plane: str = "axial",
    mark: str | None = None,
    dark: bool = True,
    safe_colours: bool = False,
) -> bytes:
    """Cross-section of a structure in cm² along the slices of a plane, by DICOM patient coordinate in mm."""
    theme = _theme(dark)
    colour = colour_of(organ.label, safe=safe_colours)
    positions_mm, areas_cm2 = cross_sections(labels, grid, organ.label, plane=plane)
    _, direction = _DIRECTIONS[plane]
    number = organ.largest_slice[plane]
    largest_cm2 = float(areas_cm2[number - 1])
    note = f"largest in {plane} slice {number}: {_number(largest_cm2)} cm²"
    figure, axes = _plot(theme, organ.name, f"{note}; cut by the scan" if organ.touches_edge else note)
    axes.fill_between(positions_mm, areas_cm2, color=colour, alpha=0.3, linewidth=0)
    axes.plot(positions_mm, areas_cm2, color=colour, linewidth=1.4)
    axes.plot([positions_mm[number - 1]], [largest_cm2], "o", color=theme.text, markersize=4)
    present = np.flatnonzero(areas_cm2)
    margin = max(2, round(0.06 * (present[-1] - present[0] + 1))) if present.size else 0
    if present.size:
        ends = np.clip([present[0] - margin, present[-1] + margin], 0, areas_cm2.size - 1)
        axes.set_xlim(*sorted(positions_mm[ends].tolist()))
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"{direction}, mm", **_label(theme))
    axes.set_ylabel("area, cm²", **_label(theme))
    return _png(figure, mark)


def cross_sections(
    labels: NDArray[np.uint8], grid: Grid, label: int, *, plane: str = "axial"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Position in mm (DICOM patient coordinate) and area in cm² of a structure in each display slice, first to last.

    The area is that of the voxel faces in the plane of the slice: on oblique and sheared grids, in the grid's own.
    """
    axis, _ = _DIRECTIONS[plane]
    within = tuple(other for other in range(3) if other != axis)
    counts = np.count_nonzero(canonical(labels, grid) == label, axis=within)
    along, across = (grid.affine_ras_mm[:3, grid.axis_of_patient[other][0]] for other in within)
    face_mm2 = float(np.linalg.norm(np.cross(along, across)))
    positions = np.array([position_mm(grid, plane, number) for number in range(1, counts.size + 1)])
    return positions, counts * face_mm2 / 100.0


def ranges_figure(
    measurements: Measurements, *, mark: str | None = None, dark: bool = True, safe_colours: bool = False
) -> bytes:
    """Volumes beside the adult ranges that studies report, one row a structure, each row on its own scale from 0.

    Only structures with a range that could be cited are shown; the studies are named below.
    """
    theme = _theme(dark)
    known = reference_ranges()
    organs = [organ for organ in measurements.organs if organ.name in known]
    cited = dict.fromkeys(_citation(each) for organ in organs for each in known[organ.name])
    sources = [line for each in cited for line in textwrap.wrap(each, 150, subsequent_indent="      ")]
    head_in, row_in, source_in = 0.58, 0.46, 0.125
    height = head_in + row_in * max(1, len(organs)) + source_in * len(sources) + 0.25
    figure = _figure(theme, 6.4, height)
    _heading(
        figure, theme, "Volumes beside cited adult ranges", "bars: ranges of the studies below, mL; mark: this scan"
    )
    if not organs:
        figure.text(0.03, 0.3, "No structure found here has an adult range that could be cited.", **_text(theme, 8))
    for place, organ in enumerate(organs):
        bottom = (height - head_in - row_in * (place + 1)) / height
        middle = bottom + 0.44 * row_in / height
        axes = figure.add_axes((0.25, bottom, 0.52, 0.88 * row_in / height))
        _range_row(axes, theme, organ, known[organ.name], colour_of(organ.label, safe=safe_colours))
        figure.text(0.03, middle, organ.name, va="center", **_text(theme, 8))
        figure.text(0.79, middle, volume_text(organ), va="center", **_text(theme, 8))
    for line, source in enumerate(reversed(sources)):
        figure.text(0.03, (0.08 + source_in * line) / height, source, **_text(theme, 5.2, muted=True))
    return _png(figure, mark)


def _range_row(axes: Axes, theme: _Theme, organ: OrganVolume, ranges: Sequence[ReferenceRange], colour: str) -> None:
    top = 1.3 * max(organ.volume_ml, *(each.high_ml for each in ranges))
    axes.set_xlim(0, top)
    axes.set_ylim(0, 1)
    axes.axis("off")
    axes.add_patch(Rectangle((0, 0), top, 1, facecolor=theme.raised, linewidth=0))
    for place, each in enumerate(ranges):
        middle = 1 - (place + 0.5) / len(ranges)
        wide = each.high_ml - each.low_ml
        axes.add_patch(Rectangle((each.low_ml, middle - 0.14), wide, 0.28, facecolor=theme.muted, alpha=0.5, lw=0))
        gap = 0.01 * top
        small = {"va": "center", **_text(theme, 5)}
        axes.text(each.low_ml + gap, middle, f"{each.low_ml:g}", **small)
        axes.text(each.high_ml - gap, middle, f"{each.high_ml:g}", ha="right", **small)
        axes.text(top - gap, middle, each.cite, ha="right", va="center", **_text(theme, 5, muted=True))
    axes.plot([organ.volume_ml] * 2, [0.06, 0.94], color=colour, linewidth=1)
    shape = ">" if organ.touches_edge else "D"
    axes.plot([organ.volume_ml], [0.5], shape, color=colour, mec=theme.text, mew=0.8, ms=5.5, clip_on=False)


def _citation(each: ReferenceRange) -> str:
    doi = f". doi:{each.doi}" if each.doi else ""
    lead = each.authors if each.authors.count(",") < 3 else f"{each.authors.split(',')[0]}, et al."
    return f"{each.cite}: {each.what}; {each.population}. {lead} {each.journal}, {each.year}{doi}"


def contact_figure(
    volume: Volume,
    labels: NDArray[np.uint8],
    measurements: Measurements,
    *,
    mark: str | None = None,
    dark: bool = True,
    safe_colours: bool = False,
    columns: int = 6,
    most: int = 60,
) -> bytes:
    """Each structure's largest axial slice with its outline, largest structures first.

    Tiles are cropped around the structure, in true proportion, patient's right on the left, each with its own scale
    bar; lungs and airways are shown in the lung window, bones in the bone window, the rest in soft tissue. At most
    `most` structures are shown.
    """
    theme = _theme(dark)
    organs = measurements.organs[:most]
    rows = max(1, math.ceil(len(organs) / columns))
    tile_in, text_in, head_in = 1.3, 0.36, 0.6
    width, height = columns * tile_in + 0.2, head_in + rows * (tile_in + text_in) + 0.1
    figure = _figure(theme, width, height)
    hidden = len(measurements.organs) - len(organs)
    note = f"the {len(organs)} largest of {len(measurements.organs)} structures" if hidden else "largest first"
    _heading(figure, theme, "Largest axial slice of each structure", note if organs else "no structure was found")
    for place, organ in enumerate(organs):
        row, column = divmod(place, columns)
        left = (0.1 + column * tile_in + 0.04) / width
        top = height - head_in - row * (tile_in + text_in)
        axes = figure.add_axes((left, (top - tile_in) / height, (tile_in - 0.08) / width, (tile_in - 0.08) / height))
        _tile(axes, volume, labels, organ, colour_of(organ.label, safe=safe_colours))
        below = (top - tile_in - 0.04) / height
        figure.text(left, below, _short(organ.name, 24), va="top", **_text(theme, 5.6))
        number = organ.largest_slice["axial"]
        told = f"{volume_text(organ)}, slice {number}"
        figure.text(left, below - 0.13 / height, told, va="top", **_text(theme, 5, muted=True))
    return _png(figure, mark)


def _tile(axes: Axes, volume: Volume, labels: NDArray[np.uint8], organ: OrganVolume, colour: str) -> None:
    number = organ.largest_slice["axial"]
    inside = slice_of(labels, volume.grid, "axial", number) == organ.label
    picture = slice_of(volume.voxels_hu, volume.grid, "axial", number)
    mm_x, mm_y = pixel_mm(volume.grid, "axial")
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    side_mm = 1.35 * max((columns[-1] - columns[0] + 1) * mm_x, (rows[-1] - rows[0] + 1) * mm_y, 30.0)
    across, down = _crop(columns, side_mm / mm_x, inside.shape[1]), _crop(rows, side_mm / mm_y, inside.shape[0])
    grey = apply_window(np.ascontiguousarray(picture[down, across]), WINDOWS[_window_of(organ.label)])
    extent = (across.start * mm_x, across.stop * mm_x, down.stop * mm_y, down.start * mm_y)
    axes.set_facecolor("black")
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="bilinear")
    # One pixel of background around it closes the outline of a structure that the picture's edge cuts.
    part = np.pad(inside[down, across], 1).astype(np.float64)
    x = (np.arange(across.start - 1, across.stop + 1) + 0.5) * mm_x
    y = (np.arange(down.start - 1, down.stop + 1) + 0.5) * mm_y
    axes.contour(x, y, part, levels=[0.5], colors=[colour], linewidths=0.9)
    middle = ((extent[0] + extent[1]) / 2, (extent[2] + extent[3]) / 2)
    axes.set_xlim(middle[0] - side_mm / 2, middle[0] + side_mm / 2)
    axes.set_ylim(middle[1] + side_mm / 2, middle[1] - side_mm / 2)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    _scale_bar(axes, side_mm)


def _scale_bar(axes: Axes, side_mm: float) -> None:
    length = max(each for each in (5, 10, 20, 50, 100, 200) if each <= max(5.0, side_mm / 3))
    edge = [withStroke(linewidth=1.8, foreground="black")]
    style: dict[str, Any] = {"color": "white", "transform": axes.transAxes, "path_effects": edge}
    axes.plot([0.95 - length / side_mm, 0.95], [0.05, 0.05], lw=1, solid_capstyle="butt", **style)
    axes.text(0.95, 0.08, f"{length} mm", fontsize=4.5, family=_FONT, ha="right", **style)
    axes.text(0.03, 0.5, "R", fontsize=5, family=_FONT, va="center", **style)


def _crop(indices: NDArray[np.intp], size: float, limit: int) -> slice:
    """The part of 0..`limit` around the middle of `indices` that is about `size` wide."""
    middle = (int(indices[0]) + int(indices[-1]) + 1) / 2
    return slice(max(0, math.floor(middle - size / 2)), min(limit, math.ceil(middle + size / 2)))


def _window_of(label: int) -> str:
    group = ORGANS[label].group if label in ORGANS else ""
    return {"lung": "lung", "bone": "bone"}.get(group, "soft tissue")


def _counts_by_hu(voxels_hu: NDArray[np.int16], labels: NDArray[np.uint8], label: int) -> tuple[int, NDArray[np.int64]]:
    """The lowest HU within a structure, and voxels for it and each HU above up to the highest."""
    counts = np.zeros(1 << 16, np.int64)
    for k in range(labels.shape[2]):
        inside = labels[:, :, k] == label
        if inside.any():
            counts += np.bincount(voxels_hu[:, :, k][inside].astype(np.int64) + 32768, minlength=1 << 16)
    present = np.flatnonzero(counts)
    if not present.size:
        return 0, counts[:0]
    return int(present[0]) - 32768, counts[present[0] : present[-1] + 1]


def _spread_text(organ: OrganVolume) -> str:
    spread = f"mean {_number(organ.mean_hu)} HU, SD {_number(organ.std_hu)}"
    return f"{volume_text(organ)}; {spread}; {_signed(organ.min_hu)} to {_signed(organ.max_hu)} HU"


def _number(value: float) -> str:
    """One decimal from 10, two below, thin spaces between thousands."""
    return f"{value:,.{1 if abs(value) >= 10 else 2}f}".replace(",", _THIN).replace("-", _MINUS)


def _signed(value: int) -> str:
    return f"{value:,d}".replace(",", _THIN).replace("-", _MINUS)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _theme(dark: bool) -> _Theme:
    return _DARK if dark else _LIGHT


def _figure(theme: _Theme, width_in: float, height_in: float) -> Figure:
    figure = Figure(figsize=(width_in, height_in), dpi=_DPI, facecolor=theme.panel)
    FigureCanvasAgg(figure)
    return figure


def _plot(theme: _Theme, title: str, note: str) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, as quiet as the page."""
    figure = _figure(theme, 4.8, 2.9)
    _heading(figure, theme, title, note)
    axes = figure.add_axes((0.125, 0.16, 0.84, 0.64), facecolor=theme.panel)
    axes.tick_params(colors=theme.muted, labelsize=6.5, length=2.5, width=0.6, labelfontfamily=_FONT)
    axes.grid(visible=True, axis="y", color=theme.line, linewidth=0.6)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(theme.line)
    return figure, axes


def _heading(figure: Figure, theme: _Theme, title: str, note: str) -> None:
    height = figure.get_figheight()
    figure.text(0.03, 1 - 0.1 / height, title, va="top", fontweight="bold", **_text(theme, 9))
    figure.text(0.03, 1 - 0.31 / height, note, va="top", **_text(theme, 6.5, muted=True))


def _text(theme: _Theme, size: float, *, muted: bool = False) -> dict[str, Any]:
    return {"color": theme.muted if muted else theme.text, "fontsize": size, "family": _FONT}


def _label(theme: _Theme) -> dict[str, Any]:
    return _text(theme, 7, muted=True)


def _png(figure: Figure, mark: str | None) -> bytes:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="rgba", dpi=_DPI)
    width, height = figure.canvas.get_width_height()
    picture = Image.frombytes("RGBA", (width, height), drawn.getvalue()).convert("RGB")
    if mark is not None:
        # Band and word lie over the edges: give them room of their own, so that they hide nothing.
        picture = ImageOps.expand(picture, _MARK_ROOM_PX, fill=to_hex(figure.get_facecolor()))
    stream = io.BytesIO()
    mark_picture(picture, mark).save(stream, "PNG", dpi=(_DPI, _DPI))
    return stream.getvalue()
