"""What a question about a picture asks for, as far as a rule can tell: the things wanted, the structures named.

A rule, not a parser, and English only. What it does not understand is told as not understood.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache

from workbench.domain.dialogue import Turn
from workbench.domain.organs import ORGANS, PARTS
from workbench.language.followup import self_contained
from workbench.language.terms import analyse


class Want(StrEnum):
    """Something that a mask, a view or plain pixels can tell; `PRESENT` asks whether what is named is there."""

    STRUCTURES = "structures"
    PRESENT = "present"
    WHERE = "where"
    HOW_LARGE = "how large"
    VIEW = "view"
    PICTURE_SIZE = "picture size"
    BRIGHTNESS = "brightness"
    COLOUR = "colour"
    KIND = "kind"
    ORIGIN = "origin"


@dataclass(frozen=True, kw_only=True)
class Understood:
    """What is asked for. `labels` are the structures named, in the order of the dictionary.

    `needs_reading` says that the question is about more than names, places, sizes and pixels, or not understood.
    """

    wants: frozenset[Want]
    labels: tuple[int, ...]
    needs_reading: bool


_PICTURE = r"(?:the\s+|this\s+|that\s+)?(?:whole\s+)?(?:picture|image|photo|file|radiograph|x-?ray)"
_WANTS: Mapping[Want, re.Pattern[str]] = {
    want: re.compile(pattern, re.IGNORECASE | re.VERBOSE)
    for want, pattern in {
        Want.STRUCTURES: r"""
            \b(?:which|what|any|other|how\s+many|list|name)\b[^?.]{0,40}?
                \b(?:organs?|structures?|anatomy|anatomical|tissues?|vessels?|bones?|muscles?|labels?|body\s+parts?)\b
            | \bwhat\b[^?.]{0,30}?\b(?:see|visible|shown|show|shows|seen|depicted|displayed|contains?)\b
            | \bwhat(?:'s|’s|\s+is|\s+are|\s+else\s+is)\s+(?:there\s+)?(?:in|on)\b
            | \bdescribe\b | \b(?:largest|biggest|smallest)\b""",
        Want.PRESENT: r"""
            \b(?:visible|shown|seen|see|present|identify|recogni[sz]e|contains?)\b | \b(?:is|are)\s+there\b""",
        Want.WHERE: r"""
            \b(?:where|whereabouts|locat\w*|position\w*|quadrant|quarter|placed?|situated|lie|lies|lying)\b
            | \b(?:which|what)\s+(?:side|half|part|corner|region)\b
            | \bon\s+the\s+(?:left|right)\b | \b(?:left|right)\s+side\b""",
        Want.HOW_LARGE: r"""
            \bhow\s+(?:large|big|small|much|wide|long|thick|extended)\b
            | \b(?:sizes?|areas?|volumes?|extents?|dimensions?|measure\w*|diameters?|largest|biggest|smallest)\b
            | \b(?:cm|mm|ml|cm2|cm²|mm2|mm²|millilit\w+|centimet\w+|millimet\w+)\b""",
        Want.VIEW: r"""
            \b(?:which|what)\s+(?:is\s+the\s+)?(?:anatomical\s+)?(?:plane|slice|window\w*|orientation|view|section)\b
            | \b(?:slice\s+number|window(?:ing)?\s+(?:level|width|cent\w+|setting\w*)|orientation)\b
            | \b(?:what|which)\s+(?:\w+\s+){0,3}(?:plane|slice|window)\b
            | \b(?:axial|coronal|sagittal|transverse|mosaic)\b""",
        Want.PICTURE_SIZE: rf"""
            \b(?:pixels?|resolution|megapixels?|field\s+of\s+view|fov|kilobytes?|file\s+size)\b
            | \bhow\s+(?:large|big|small|wide|high|tall)\s+(?:is|are)\s+{_PICTURE}\b
            | \b(?:size|dimensions?|width|height|scale)\s+of\s+{_PICTURE}\b
            | \b(?:picture|image)(?:'s|’s)?\s+(?:size|dimensions?|width|height|scale)\b""",
        Want.BRIGHTNESS: r"""
            \b(?:bright\w*|dark\w*|intensit\w+|histogram|exposure|exposed)\b
            | \b(?:mean|average)\s+(?:gr[ae]y|value|pixel)\w*\b | \bgr[ae]y\s+(?:levels?|values?)\b""",
        Want.COLOUR: r"\b(?:colou?r\w*|gr[ae]y\s*scale|monochrome|black\s+and\s+white|legend|rgb|hue)\b",
        Want.KIND: rf"""
            \bmodalit\w+\b
            | \b(?:what|which)\s+(?:kind|type|sort)\s+of\s+(?:an?\s+)?(?:image|picture|scan|study|exam\w*)\b
            | \bis\s+(?:it|this|that|{_PICTURE})\s+(?:from\s+)?(?:an?\s+)?
                (?:ct|mri?|x-?ray|cxr|radiograph|ultrasound)\b
            | \b(?:ct|x-?ray)\s+or\s+(?:an?\s+)?(?:mri?|ct|x-?ray)\b""",
        Want.ORIGIN: r"""
            \b(?:mock|synthetic|phantom|fake|artificial|demonstration|demo)\b
            | \b(?:who|what|which\s+model)\s+are\s+you\b | \bis\s+(?:it|this|that)\s+(?:real|a\s+real)\b
            | \bwhich\s+(?:vision\s+)?model\b | \breal\s+(?:patient|person|scan|ct|image|picture|data)\b""",
    }.items()
}

_UNDERSTOOD = """
    anatomical anatomy anterior area artificial average axial back background big biggest black blue body bone
    bottom bright brighter brightest brightness brown called center centimetre centre cm cm2 color colored colour
    coloured corner coronal count cover cross ct current cxr cyan dark darker darkest darkness demo demonstration
    depict describe description diameter dimension direction display draw drawn exactly extent fake field file find
    fov front generated gold gray green grey greyscale half head height high histogram hu identify image indigo
    inferior intensity kb kilobyte kind label large larger largest lateral left legend level lie lime list locate
    location long look low lower magenta mark marked mask mean measure measurement median megapixel middle midline
    millilitre millimetre ml mm mm2 mock modality model monochrome mosaic mr mri muscle name number orange organ
    orientation overlay part patient percent phantom photo picture pink pixel place plane point position posterior
    present purple quadrant quarter question radiograph ray real recognise red region resolution rgb right sagittal
    say scale scan section see segment segmentation segmented setting share show shown side single size slice small
    smaller smallest spacing square structure superior synthetic tall tell top transverse type upper value vessel
    view visible volume voxel white whole wide width window windowed windowing x xray yellow you
    """
"""Words of questions that can be answered without recognising anything; any other word is one that is not understood,
and the answer says so."""

_SIDES = "left right upper lower middle lobe"
_LEVEL = re.compile(r"(?:[tlcs]\d{1,2}|\d{1,3})\Z")
_WEIGHTINGS = frozenset({"t1", "t2"})
"""Words of MRI before they are vertebrae."""

_ALSO: Mapping[int, tuple[str, ...]] = {
    7: ("ivc", "vena cava"),
    8: ("adrenal", "suprarenal gland"),
    9: ("adrenal", "suprarenal gland"),
    10: ("gall bladder",),
    17: ("portal vein", "splenic vein"),
    19: ("small intestine",),
    57: ("windpipe",),
    60: ("iliac vein",),
    61: ("iliac vein",),
    62: ("large bowel", "large intestine"),
    91: ("left clavicle", "left collarbone"),
    92: ("right clavicle", "right collarbone"),
    98: ("gluteal",),
    99: ("gluteal",),
    100: ("gluteal",),
    101: ("gluteal",),
    102: ("gluteal",),
    103: ("gluteal",),
    106: ("psoas",),
    107: ("psoas",),
    115: ("cardiac",),
    125: ("svc", "vena cava"),
    126: ("thyroid",),
}
"""What people call a structure besides the name that the dictionary of VISTA-3D has for it."""

_SPINE = frozenset({*range(33, 57), 127, 131})


def understand(question: str, history: Sequence[Turn], shown: Mapping[int, str]) -> Understood:
    """What a question asks for; `shown` are the names, by label, of the structures in the picture.

    A question that leans on the one before it (“and how large is it?”) takes the structures named there.
    """
    labels = named(question, shown) or named(self_contained(question, history), shown)
    wants = frozenset(want for want, pattern in _WANTS.items() if pattern.search(question))
    if Want.PICTURE_SIZE in wants and not labels:
        wants -= {Want.HOW_LARGE}
    if not wants and labels:
        wants = frozenset({Want.PRESENT})
    return Understood(wants=wants, labels=labels, needs_reading=not wants or _is_foreign(question, labels, shown))


def named(question: str, shown: Mapping[int, str]) -> tuple[int, ...]:
    """The labels of the structures that a question names: “lungs” are the five lobes, “left kidney” is one.

    Lesions count only where the mask shows them: nothing may be told of one that it does not show.
    """
    asked = set(analyse(question))
    sides = set(analyse(_SIDES))
    by_core: dict[frozenset[str], list[tuple[frozenset[str], int]]] = defaultdict(list)
    for label, names in _names(tuple(shown.items())).items():
        if label in ORGANS and ORGANS[label].group == "lesion" and label not in shown:
            continue
        for terms in names:
            core = frozenset(term for term in terms if term not in sides and not _LEVEL.match(term))
            if core and core <= asked:
                by_core[core].append((terms - core, label))
    found: set[int] = set()
    for core, candidates in by_core.items():
        if any(core < other for other in by_core):
            continue
        most = max(len(qualifiers & asked) for qualifiers, _ in candidates)
        found.update(label for qualifiers, label in candidates if len(qualifiers & asked) == most)
    found |= _levels(asked)
    return tuple(sorted({part for label in found for part in PARTS.get(label, (label,))}))


def _levels(asked: set[str]) -> set[int]:
    """Vertebrae named by their level alone, or all of them by “spine”."""
    found = {_by_level()[term] for term in asked & _by_level().keys() - _WEIGHTINGS}
    return found or (set(_SPINE) if asked & set(analyse("spine")) else set())


@cache
def _by_level() -> Mapping[str, int]:
    """Vertebrae by their level: `l3`."""
    return {analyse(ORGANS[label].name)[-1]: label for label in _SPINE}


@lru_cache(maxsize=64)
def _names(shown: tuple[tuple[int, str], ...]) -> Mapping[int, tuple[frozenset[str], ...]]:
    """The terms of every name of every structure that can be asked for."""
    known = {label: organ.name for label, organ in ORGANS.items()} | dict(shown)
    return {
        label: tuple(frozenset(analyse(each)) for each in (name, *_ALSO.get(label, ())))
        for label, name in known.items()
    }


def _name(label: int, shown: Mapping[int, str]) -> str:
    return shown.get(label) or ORGANS[label].name


def _is_foreign(question: str, labels: Sequence[int], shown: Mapping[int, str]) -> bool:
    """Whether a question has words that are neither names of structures nor of what can be told."""
    names = [name for label in labels for name in (_name(label, shown), *_ALSO.get(label, ()))]
    names += [ORGANS[whole].name for whole, parts in PARTS.items() if set(parts) & set(labels)]
    known = _vocabulary() | {term for name in names for term in analyse(name)}
    if _SPINE & set(labels):
        known |= set(analyse("spine spinal column"))
    return any(term not in known and not term.replace(".", "").isdecimal() for term in analyse(question))


@cache
def _vocabulary() -> frozenset[str]:
    return frozenset(term for word in _UNDERSTOOD.split() for term in analyse(word))
