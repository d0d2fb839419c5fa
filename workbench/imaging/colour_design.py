"""How the structure colours were chosen: a hue family per group, neighbours in the body far apart.

Colours are picked in OKLCH and compared by distance in OKLab times 100 (Björn Ottosson, “A perceptual color space
for image processing”, 2020); about 2 is just noticeable. Colour-vision deficiencies are simulated with the matrices of
Machado, Oliveira and Fernandes (2009) at full severity. `python -m workbench.imaging.colour_design` writes the tables
anew to standard output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workbench.domain.organs import LABEL_BY_NAME, ORGANS, Organ

APART = 10.0
"""Least distance between neighbours in the body, for every eye that a table is made for."""
PAIR_APART = 0.09
"""Least difference in OKLCH lightness between the left and the right of a pair."""

Colour = tuple[float, float, float]

VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
_LMS = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip

# Hue ranges in degrees, chroma, lightness of each family.
_FAMILY: dict[str, tuple[tuple[tuple[int, int], ...], tuple[float, ...], tuple[float, float]]] = {
    "organ": (((42, 72), (288, 312)), (0.10, 0.14, 0.17), (0.56, 0.86)),
    "artery": (((18, 32),), (0.14, 0.18, 0.22), (0.50, 0.78)),
    "vein": (((248, 272),), (0.10, 0.14, 0.18), (0.44, 0.80)),
    "bone": (((78, 104),), (0.03, 0.06, 0.10, 0.13), (0.58, 0.96)),
    "muscle": (((28, 48),), (0.05, 0.08), (0.38, 0.72)),
    "cardiac": (((352, 364),), (0.12, 0.17), (0.55, 0.78)),
    "lung": (((196, 232),), (0.06, 0.10, 0.12), (0.48, 0.90)),
    "head": (((276, 292),), (0.08, 0.12), (0.60, 0.78)),
    "digestive": (((128, 164),), (0.09, 0.13, 0.17), (0.46, 0.88)),
    "lesion": (((326, 342),), (0.24, 0.26, 0.28), (0.62, 0.76)),
    "other": (((110, 118),), (0.10, 0.14), (0.80, 0.92)),
}


def table(*, safe: bool) -> dict[int, str]:
    """The colour of every label; the same on every run."""
    eyes = list(VISION) if safe else ["usual"]
    units = list(_units())
    chosen: dict[int, str] = {}
    for _ in range(4):
        for unit in units:
            for label in unit:
                chosen.pop(label, None)
            chosen.update(_best(unit, chosen, eyes, safe=safe))
    return dict(sorted(chosen.items()))


def neighbours() -> frozenset[tuple[int, int]]:
    """Pairs of labels (smaller first) that touch, or nearly, in the body."""
    return frozenset((min(a, b), max(a, b)) for a, b in _touching())


def twin_of(organ: Organ) -> int | None:
    """Label of the same structure on the other side; the left atrial appendage has none in the dictionary."""
    return LABEL_BY_NAME.get(organ.mirror.lower()) if organ.mirror is not None else None


def distance(one: str, other: str, vision: str = "usual") -> float:
    """Distance of two `#rrggbb` in OKLab times 100, as an eye of this kind sees them."""
    return float(np.linalg.norm(_seen(one, vision) - _seen(other, vision))) * 100


def oklch(colour: str) -> Colour:
    """Lightness 0..1, chroma and hue in degrees of `#rrggbb`."""
    light, a, b = _seen(colour, "usual").tolist()
    return light, float(np.hypot(a, b)), float(np.degrees(np.arctan2(b, a)) % 360)


def _units() -> Iterator[tuple[int, ...]]:
    """Left and right together, everything else alone; the crowded first."""
    crowd = [label for pair in neighbours() for label in pair]
    for organ in sorted(ORGANS.values(), key=lambda each: (-crowd.count(each.label), each.label)):
        twin = twin_of(organ)
        if twin is None:
            yield (organ.label,)
        elif organ.side == "left":
            yield organ.label, twin


def _best(unit: tuple[int, ...], chosen: dict[int, str], eyes: list[str], *, safe: bool) -> dict[int, str]:
    """The candidate of this unit farthest from its chosen neighbours, then from its whole group."""
    near = [[chosen[n] for n in _near()[label] if n in chosen] for label in unit]
    kin = [chosen[k] for k in chosen if ORGANS[k].group == ORGANS[unit[0]].group]
    best: tuple[float, float, int] | None = None
    answer: dict[int, str] = {}
    for order, colours in enumerate(_candidates(_family(ORGANS[unit[0]]), len(unit), safe)):
        if any(colour in chosen.values() for colour in colours):
            continue
        apart = min((_least(c, around, eyes) for c, around in zip(colours, near, strict=True)), default=99.0)
        if len(colours) == 2:
            apart = min(apart, *(distance(colours[0], colours[1], eye) for eye in eyes))
        rank = (min(apart, APART * 1.6), min(_least(c, kin, eyes[:1]) for c in colours), -order)
        if best is None or rank > best:
            best, answer = rank, dict(zip(unit, colours, strict=True))
    return answer


def _least(colour: str, others: list[str], eyes: list[str]) -> float:
    if not others:
        return 99.0
    gaps = [
        np.linalg.norm(np.array([_seen(each, eye) for each in others]) - _seen(colour, eye), axis=1).min()
        for eye in eyes
    ]
    return float(min(gaps)) * 100


def _family(organ: Organ) -> str:
    if organ.group != "vessel":
        return organ.group
    return "artery" if any(word in organ.name for word in ("artery", "aorta", "trunk")) else "vein"


@cache
def _candidates(family: str, count: int, safe: bool) -> tuple[tuple[str, ...], ...]:
    spans, chromas, (low, high) = _FAMILY[family]
    if safe:  # hue says little to these eyes: lightness gets more room
        low, high = (low, high) if family == "lesion" else (0.36, 0.95)
        spans = (*spans, (85, 100), (250, 265)) if family != "lesion" else spans
    hues = [hue for first, last in spans for hue in np.linspace(first, last, 5).tolist()]
    lights = np.linspace(low, high, 10).tolist()
    singles = [(light, chroma, hue) for hue in hues for chroma in chromas for light in lights]
    if count == 1:
        return tuple((hexa,) for each in singles if (hexa := _hex(each)) is not None)
    pairs = []
    for light, chroma, hue in singles:
        for other in lights:
            one, two = _hex((light, chroma, hue)), _hex((other, chroma, hue))
            if abs(light - other) >= PAIR_APART + 0.01 and one is not None and two is not None:
                pairs.append((one, two))
    return tuple(pairs)


def _hex(colour: Colour) -> str | None:
    """`#rrggbb` of an OKLCH colour, None where a screen cannot show it."""
    light, chroma, hue = colour[0], colour[1], np.radians(colour[2])
    lab = np.array([light, chroma * np.cos(hue), chroma * np.sin(hue)])
    linear = np.linalg.inv(_LMS) @ (np.linalg.inv(_LAB) @ lab) ** 3
    if linear.min() < -0.002 or linear.max() > 1.002:
        return None
    clipped = np.clip(linear, 0, 1)
    srgb = np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return "#" + bytes(np.round(srgb * 255).astype(np.uint8)).hex()


@cache
def _seen(colour: str, vision: str) -> NDArray[np.float64]:
    srgb = np.frombuffer(bytes.fromhex(colour[1:]), dtype=np.uint8) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return np.asarray(_LAB @ np.cbrt(_LMS @ np.clip(VISION[vision] @ linear, 0, 1)))


@cache
def _near() -> dict[int, list[int]]:
    near: dict[int, list[int]] = {label: [] for label in ORGANS}
    for a, b in sorted(neighbours()):
        near[a].append(b)
        near[b].append(a)
    return near


_SPINE = (56, 55, 54, 53, 52, 51, 50, *range(49, 32, -1), 127, 97)
_AROUND: dict[str, str] = {
    "liver": "gallbladder, stomach, right kidney, duodenum, inferior vena cava, right lung lower lobe, heart, colon, "
    "portal vein and splenic vein, hepatic vessel, hepatic tumor, liver tumor, right adrenal gland, pancreas",
    "spleen": "stomach, left kidney, pancreas, colon, left lung lower lobe, left adrenal gland",
    "pancreas": "duodenum, stomach, portal vein and splenic vein, aorta, inferior vena cava, left kidney, small bowel, "
    "pancreatic tumor, left adrenal gland",
    "stomach": "duodenum, esophagus, colon, small bowel, left kidney",
    "duodenum": "right kidney, inferior vena cava, aorta, small bowel, colon, gallbladder",
    "right kidney": "right adrenal gland, right iliopsoas, colon, right kidney cyst, kidney mass, inferior vena cava",
    "left kidney": "left adrenal gland, left iliopsoas, colon, left kidney cyst, kidney mass, aorta, small bowel",
    "gallbladder": "colon",
    "aorta": "inferior vena cava, esophagus, left iliac artery, right iliac artery, brachiocephalic trunk, heart, "
    "left common carotid artery, left subclavian artery, trachea, pulmonary vein, superior vena cava, "
    "left brachiocephalic vein, portal vein and splenic vein, left lung lower lobe, left lung upper lobe",
    "inferior vena cava": "left iliac vena, right iliac vena, heart, right adrenal gland, portal vein and splenic vein",
    "heart": "left atrial appendage, superior vena cava, pulmonary vein, esophagus, left lung upper lobe, "
    "left lung lower lobe, right lung middle lobe, right lung lower lobe, right lung upper lobe, sternum",
    "superior vena cava": "left brachiocephalic vein, right brachiocephalic vein, right lung upper lobe, trachea",
    "trachea": "esophagus, airway, thyroid gland, brachiocephalic trunk, left common carotid artery",
    "brachiocephalic trunk": "right common carotid artery, right subclavian artery, left common carotid artery, "
    "left brachiocephalic vein, right brachiocephalic vein",
    "left lung upper lobe": "left lung lower lobe, lung tumor, airway",
    "right lung upper lobe": "right lung middle lobe, right lung lower lobe, lung tumor, airway",
    "right lung lower lobe": "right lung middle lobe, lung tumor, airway",
    "bladder": "prostate or uterus, prostate, rectum, small bowel, colon",
    "rectum": "prostate or uterus, prostate, colon, sacrum, small bowel",
    "colon": "small bowel, colon cancer primaries, left iliopsoas, right iliopsoas",
    "left iliac artery": "left iliac vena, left iliopsoas",
    "right iliac artery": "right iliac vena, right iliopsoas",
    "left gluteus maximus": "left gluteus medius, left hip, sacrum",
    "right gluteus maximus": "right gluteus medius, right hip, sacrum",
    "left gluteus medius": "left gluteus minimus, left hip",
    "right gluteus medius": "right gluteus minimus, right hip",
    "left gluteus minimus": "left hip",
    "right gluteus minimus": "right hip",
    "left hip": "left femur, sacrum, left iliopsoas",
    "right hip": "right femur, sacrum, right iliopsoas",
    "left scapula": "left humerus, left clavicula",
    "right scapula": "right humerus, right clavicula",
    "sternum": "left clavicula, right clavicula, costal cartilages, left rib 1, right rib 1",
    "skull": "brain, vertebrae C1",
    "bone lesion": "sacrum, left hip, right hip, sternum, vertebrae L1",
    "hepatic tumor": "hepatic vessel",
    "left autochthon": "right autochthon, left rib 12, spinal cord",
}


def _touching() -> Iterator[tuple[int, int]]:
    for name, around in _AROUND.items():
        for other in around.split(", "):
            yield LABEL_BY_NAME[name], LABEL_BY_NAME[other.lower()]
    yield from pairwise(_SPINE)
    cord, left_back, right_back = 121, 104, 105
    for vertebra in _SPINE[:-1]:
        yield from ((vertebra, cord), (vertebra, left_back), (vertebra, right_back))
    for vertebra, left, right in zip(range(49, 37, -1), range(63, 75), range(75, 87), strict=True):
        yield from ((vertebra, left), (vertebra, right))
    for ribs in (range(63, 75), range(75, 87)):
        yield from pairwise(ribs)
        yield from ((rib, 114) for rib in list(ribs)[:10])
    for organ in ORGANS.values():
        twin = twin_of(organ)
        if twin is not None and organ.label < twin:
            yield organ.label, twin


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"usual": table(safe=False), "safe": table(safe=True)}, indent=1) + "\n")
