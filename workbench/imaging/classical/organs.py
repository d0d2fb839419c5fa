"""Organs as smooth shapes, placed by landmarks and Hounsfield values. What the scan does not show stays empty."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workbench.domain.organs import LABEL_BY_NAME
from workbench.imaging.classical.frame import Frame, Mask, box_of, largest, pieces
from workbench.imaging.classical.landmarks import Landmarks
from workbench.imaging.classical.levels import levels
from workbench.imaging.classical.vessels import arch_and_ascending, follow_aorta, lit_blood

_RECESS_MM = 75.0
"""How far the dome of the diaphragm usually stands above the lowest point of the lung."""

SOFT_HU = (-10.0, 260.0)


@dataclass(frozen=True, eq=False)
class Trunk:
    """Coarse coordinates in mm that organs are placed by: from the spine and from the domes of the diaphragm."""

    frame: Frame
    marks: Landmarks

    @cached_property
    def left(self) -> NDArray[np.float64]:
        """Distance to the left of the spine, shape (x, 1, z)."""
        offset = np.arange(self.marks.body.shape[0])[:, None] - self._line(0)[None, :]
        return np.asarray(offset * self.frame.mm[0])[:, None, :]

    @cached_property
    def back(self) -> NDArray[np.float64]:
        """Distance behind the middle of the vertebral bodies, shape (1, y, z)."""
        offset = np.arange(self.marks.body.shape[1])[:, None] - self._line(1)[None, :]
        return np.asarray(offset * self.frame.mm[1])[None]

    def _line(self, axis: int) -> NDArray[np.float64]:
        line = (self.marks.spine.x, self.marks.spine.y)[axis]
        seen = np.flatnonzero(np.isfinite(line))
        return np.interp(np.arange(len(line)), seen, line[seen])

    def up(self, dome: float) -> NDArray[np.float64]:
        """Distance above a coarse slice in mm, shape (1, 1, z)."""
        return np.asarray((np.arange(self.marks.body.shape[2]) - dome) * self.frame.mm[2])[None, None]

    @cached_property
    def solid_bone(self) -> Mask:
        """Bone with its marrow: spine and what bone encloses on a slice. Kidneys beside the spine are not bone."""
        near = (np.abs(self.left) < 30) & (self.back > -48)
        column = self.frame.closed(self.marks.bone & near, 7.0)
        for k in range(column.shape[2]):
            column[:, :, k] = ndimage.binary_fill_holes(column[:, :, k])
        beside = (np.abs(self.left) >= 30) & (np.abs(self.left) < 85) & (self.back < 25)
        return np.asarray(column | (self.marks.bone & ~beside))

    @cached_property
    def soft(self) -> Mask:
        """Soft tissue inside the body that is neither lung, airway nor bone."""
        free = self.marks.body & ~self.solid_bone
        for lung in self.marks.lungs.values():
            free &= ~lung
        tissue = (self.frame.smooth > SOFT_HU[0]) & (self.frame.smooth < SOFT_HU[1])
        return np.asarray(free & (tissue | self.marks.blood))

    def dome(self, side: str) -> float | None:
        """Coarse slice of the highest tissue under a lung; None where the scan does not reach the diaphragm."""
        lung = self.marks.lungs.get(side)
        if lung is None:
            return None
        floor = np.where(lung.any(axis=2), lung.argmax(axis=2), -1)
        inner = floor[ndimage.binary_erosion(floor >= 0, iterations=self.frame.voxels(12.0, 0))]
        inner = inner[inner > 0]
        low = float(np.flatnonzero(lung.any(axis=(0, 1)))[0])
        if inner.size < 12:
            # Only the recess behind the liver is in the picture: the dome stands above it, perhaps above the scan.
            cut_above = lung[:, :, -1].any() and low > 0
            return low + _RECESS_MM / float(self.frame.mm[2]) if cut_above else None
        return float(np.quantile(inner, 0.85))


def place_organs(frame: Frame, marks: Landmarks) -> dict[int, Mask]:
    """Organs of chest and abdomen that the landmarks allow, in the order in which later ones give way."""
    if not marks.spine.seen.any():
        return {}
    trunk = Trunk(frame, marks)
    if not marks.lungs and not _is_upper_abdomen(trunk):
        return {}
    named: dict[str, Mask] = {}
    taken = np.zeros_like(marks.body)

    def take(name: str, mask: Mask | None) -> None:
        nonlocal taken
        if mask is not None and mask.any():
            named[name] = mask & ~taken
            taken = taken | mask

    right, left = trunk.dome("right"), trunk.dome("left")
    if not marks.lungs:
        right = left = float(marks.body.shape[2])
    lit = lit_blood(frame, marks, trunk.solid_bone & ~marks.blood)
    descending = follow_aorta(frame, marks, lit, trunk.left, trunk.back)
    if descending is None:
        take("aorta", _above_bifurcation(frame, marks, _aorta(trunk)))
    else:
        aorta = frame.opened(descending & trunk.soft, 4.0)
        upper = arch_and_ascending(frame, marks, lit, descending, trunk.left)
        take("aorta", _above_bifurcation(frame, marks, aorta) | upper)
    if right is not None or left is not None:
        dome = right if right is not None else left
        assert dome is not None  # noqa: S101 - one of the two is known here; said for the type checker
        liver_hu = _mode_hu(frame, _liver_seed(trunk, dome) & trunk.soft, 25.0, 190.0) or 90.0
        for side, sign in (("left", 1.0), ("right", -1.0)):
            take(f"{side} kidney", _kidney(trunk, dome, sign, max(125.0, liver_hu + 30.0)))
        take("spleen", _spleen(trunk, left if left is not None else dome, taken))
        take("liver", _liver(trunk, right if right is not None else dome, taken))
        take("stomach", _stomach(trunk, left if left is not None else dome, taken))
        take("inferior vena cava", _beside_spine(trunk, -17.0, -46.0, 11.0, dome, taken))
        take("pancreas", _pancreas(trunk, dome, taken))
    take("heart", _heart(trunk, taken))
    take("esophagus", _esophagus(trunk, taken))
    return {LABEL_BY_NAME[name]: mask for name, mask in named.items()}


def _above_bifurcation(frame: Frame, marks: Landmarks, aorta: Mask) -> Mask:
    """The aorta divides in front of the fourth lumbar vertebra."""
    for name, low, high in levels(frame, marks):
        if name == "L4":
            aorta = aorta.copy()
            aorta[:, :, : max(0, round((low + high) / 2))] = False
    return aorta


def _mode_hu(frame: Frame, region: Mask, low: float, high: float) -> float | None:
    """The commonest value in a region; None where too little of it lies in the range."""
    values = frame.smooth[region]
    values = values[(values > low) & (values < high)]
    if values.size * frame.millilitres < 8.0:
        return None
    counts, edges = np.histogram(values, bins=np.arange(low, high + 4, 4.0))
    best = int(ndimage.gaussian_filter1d(counts.astype(float), 1.0).argmax())
    return float(edges[best] + 2.0)


def _even(trunk: Trunk, window: Mask, seed: Mask, spread: float, open_mm: float, limits: tuple[float, float]) -> Mask:
    """The organ of even brightness that holds the seed: its commonest value give or take, opened, in one piece."""
    nothing = np.zeros_like(trunk.marks.body)
    hu = _mode_hu(trunk.frame, seed & trunk.soft, *limits)
    if hu is None:
        return nothing
    alike = trunk.soft & window & (np.abs(trunk.frame.smooth - hu) < spread)
    core = trunk.frame.shrunk(alike, open_mm)
    labelled, sizes = pieces(core)
    hits = np.bincount(labelled[seed], minlength=len(sizes))
    hits[0] = 0
    if hits.max() == 0:
        return nothing
    organ = trunk.frame.grown(labelled == hits.argmax(), open_mm + 1.0) & window & trunk.soft
    return trunk.frame.closed(organ, 6.0) & window & trunk.marks.body & ~trunk.solid_bone & _not_lung(trunk)


def _not_lung(trunk: Trunk) -> Mask:
    free = np.ones_like(trunk.marks.body)
    for lung in trunk.marks.lungs.values():
        free &= ~lung
    return free


def _inside_wall(trunk: Trunk) -> Mask:
    """The body without skin and the muscles of its wall."""
    return trunk.frame.shrunk(trunk.marks.body, 16.0)


def _liver(trunk: Trunk, dome: float, taken: Mask) -> Mask:
    up = trunk.up(dome)
    window = (trunk.left < 75) & (up < 12) & (up > -190) & ~taken & _inside_wall(trunk) & (trunk.back < 25)
    seed = window & _liver_seed(trunk, dome)
    return _even(trunk, window, seed, 30.0, 6.5, (25.0, 190.0))


def _liver_seed(trunk: Trunk, dome: float) -> Mask:
    up = trunk.up(dome)
    return (trunk.left < -45) & (up < -8) & (up > -85) & (trunk.back < -10) & _inside_wall(trunk)


def _is_upper_abdomen(trunk: Trunk) -> bool:
    """Whether, without any lung to go by, one large even organ fills the right of the body and not the left."""
    dome = float(trunk.marks.body.shape[2])
    organ = _liver(trunk, dome, np.zeros_like(trunk.marks.body))
    depth_mm = organ.any(axis=(0, 1)).sum() * float(trunk.frame.mm[2])
    if depth_mm < 15:
        return False
    area_cm2 = organ.sum() * trunk.frame.millilitres / (depth_mm / 10.0)
    x, y, z = np.nonzero(organ)
    away_mm = float((trunk.left[x, 0, z]).mean())
    ahead_mm = float((trunk.back[0, y, z]).mean())
    return area_cm2 > 55 and away_mm < -30 and ahead_mm < -25


def _spleen(trunk: Trunk, dome: float, taken: Mask) -> Mask:
    up = trunk.up(dome)
    window = (trunk.left > 30) & (up < 8) & (up > -150) & ~taken & _inside_wall(trunk) & (trunk.back > -100)
    seed = window & (trunk.left > 60) & (trunk.back > -65) & (up > -90)
    organ = _even(trunk, window, seed, 28.0, 5.5, (30.0, 220.0))
    return organ if organ.sum() * trunk.frame.millilitres < 900 else np.zeros_like(organ)


def _kidney(trunk: Trunk, dome: float, sign: float, brighter_than: float) -> Mask:
    """The brightest organ beside the lumbar spine; without contrast it is not told from its neighbours."""
    up = trunk.up(dome)
    window = (sign * trunk.left > 18) & (sign * trunk.left < 95) & (up < -35) & (up > -230) & (trunk.back > -75)
    window = window & (trunk.back < 35) & trunk.marks.body & ~trunk.solid_bone & _not_lung(trunk)
    bright = window & (trunk.frame.smooth > brighter_than) & (trunk.frame.smooth < 420)
    core = trunk.frame.opened(bright, 4.0)
    piece = largest(core)
    volume = piece.sum() * trunk.frame.millilitres
    box = box_of(piece)
    if box is None or not 25 < volume < 400:
        return np.zeros_like(piece)
    organ = trunk.frame.closed(piece, 10.0) & trunk.marks.body & ~trunk.solid_bone
    return np.asarray(organ & (trunk.frame.smooth > -30))


def _stomach(trunk: Trunk, dome: float, taken: Mask) -> Mask:
    """Gas and what lies under it in the left upper abdomen, in front of the spleen."""
    up = trunk.up(dome)
    window = (trunk.left > -20) & (trunk.left < 120) & (up < 5) & (up > -130) & (trunk.back < -15) & _inside_wall(trunk)
    window = window & trunk.marks.body & ~taken & _not_lung(trunk)
    gas = trunk.frame.opened(window & (trunk.frame.hu < -350), 3.0)
    pocket = largest(gas)
    if pocket.sum() * trunk.frame.millilitres >= 5:
        near = trunk.frame.grown(pocket, 32.0) & window
        below = near & (trunk.frame.smooth > -40) & (trunk.frame.smooth < 75)
        organ = trunk.frame.opened(pocket | below, 5.0)
        return largest(trunk.frame.closed(organ, 6.0) & window)
    seed = window & (trunk.left > 25) & (trunk.left < 80) & (up < -25) & (up > -80)
    organ = _even(trunk, window, seed, 22.0, 6.0, (-5.0, 70.0))
    return organ if organ.sum() * trunk.frame.millilitres < 1200 else np.zeros_like(organ)


def _beside_spine(trunk: Trunk, left: float, back: float, radius: float, dome: float, taken: Mask) -> Mask:
    """A vessel of fixed place along the spine below the diaphragm, over 160 mm."""
    tube = np.hypot(trunk.left - left, trunk.back - back) < radius
    along = (trunk.up(dome) < 5) & (trunk.up(dome) > -160) & trunk.marks.spine.seen[None, None]
    return np.asarray(trunk.frame.opened(tube & along & trunk.soft & ~taken, 3.5))


def _pancreas(trunk: Trunk, dome: float, taken: Mask) -> Mask:
    up = trunk.up(dome) + 95.0 - 0.28 * trunk.left
    arch = trunk.back + 66.0 - 0.006 * (trunk.left - 10.0) ** 2
    shape = ((trunk.left - 12.0) / 58.0) ** 2 + (arch / 13.0) ** 2 + (up / 17.0) ** 2 < 1
    organ = trunk.frame.opened(shape & trunk.soft & ~taken & (trunk.frame.smooth < 150), 3.5)
    return largest(organ)


def _aorta(trunk: Trunk) -> Mask:
    """A disc followed along the left front of the spine: where it is brighter than what surrounds it."""
    seen = trunk.marks.spine.seen
    radius = 10.5
    step = trunk.frame.mm
    size = [max(3, round(2 * radius * 0.8 / float(step[axis]))) for axis in (0, 1)]
    inner = ndimage.uniform_filter(trunk.frame.smooth, [*size, trunk.frame.voxels(9.0, 2)])
    wide = ndimage.uniform_filter(trunk.frame.smooth, [round(each * 2.2) for each in size] + [1])
    contrast = np.where(trunk.soft, inner - 0.6 * wide, -1e6)
    places = []
    for k in np.flatnonzero(seen):
        x, y = trunk.left[:, 0, k][:, None], trunk.back[0, :, k][None]
        area = (x > -12) & (x < 42) & (y > -72) & (y < -16)
        score = np.where(area, contrast[:, :, k] - 0.9 * np.abs(x - 12) - 0.7 * np.abs(y + 44), -1e6)
        at = np.unravel_index(int(score.argmax()), score.shape)
        places.append((x[at[0], 0], y[0, at[1]]))
    span = min(trunk.frame.voxels(50.0, 2) | 1, len(places) | 1)
    line = ndimage.median_filter(np.array(places), (span, 1), mode="nearest")
    line = ndimage.uniform_filter1d(line, span, axis=0, mode="nearest")
    tube = np.zeros_like(trunk.marks.body)
    for (x0, y0), k in zip(line, np.flatnonzero(seen), strict=True):
        tube[:, :, k] = np.hypot(trunk.left[:, 0, k][:, None] - x0, trunk.back[0, :, k][None] - y0) < radius + 3.0
    lit = tube & trunk.soft
    return trunk.frame.opened(lit, 5.0)


def _heart(trunk: Trunk, taken: Mask) -> Mask:
    """Soft tissue in front of the spine with lung on both sides, from the diaphragm up to 115 mm."""
    lungs = trunk.marks.lungs
    nothing = np.zeros_like(trunk.marks.body)
    if len(lungs) < 2:
        return nothing
    between = np.maximum.accumulate(lungs["right"], axis=0) & np.maximum.accumulate(lungs["left"][::-1], axis=0)[::-1]
    both = np.flatnonzero(between.any(axis=(0, 1)))
    if both.size == 0:
        return nothing
    between = ndimage.binary_closing(between, structure=np.ones((1, 5, 1)))
    domes = [dome for dome in (trunk.dome("right"), trunk.dome("left")) if dome is not None]
    floor = min(domes) - 12.0 / float(trunk.frame.mm[2]) if domes else float(both[0])
    up = trunk.up(floor)
    region = between & (up > 0) & (up < 118) & (trunk.back < -38) & trunk.soft & ~taken & (trunk.frame.smooth > 5)
    organ = largest(trunk.frame.opened(region, 11.0))
    return organ if organ.sum() * trunk.frame.millilitres > 40 else nothing


def _esophagus(trunk: Trunk, taken: Mask) -> Mask:
    """A thin tube behind heart and trachea, where there is lung beside it."""
    chest = np.zeros(trunk.marks.body.shape[2], dtype=np.bool_)
    for lung in trunk.marks.lungs.values():
        chest |= lung.any(axis=(0, 1))
    tube = np.hypot((trunk.left - 2.0) / 1.3, trunk.back + 42.0) < 6.5
    return np.asarray(tube & chest[None, None] & trunk.soft & ~taken & trunk.marks.spine.seen[None, None])
