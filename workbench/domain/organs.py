"""The 132 structures of the VISTA-3D dictionary: names, groups, and what may be asked for.

Facts come from `vista3d_labels.json` beside this file (the MONAI bundle `vista3d`, label dictionary and
inference configuration).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from workbench.domain.errors import UnknownOrgan

NOT_EVALUATED = 255
"""Mask value of a voxel that VISTA-3D did not evaluate (only in answers to points): never an organ."""

SIDES = ("left", "right")


@dataclass(frozen=True, kw_only=True)
class Organ:
    """One entry of the dictionary.

    `label` is the value in a mask; `in_everything` says whether a run without classes returns it; an unsupported
    one is refused as a prompt.
    """

    label: int
    name: str
    group: str
    supported: bool
    in_everything: bool

    @property
    def snake(self) -> str:
        """The spelling of the published guide: `left_kidney`."""
        return self.name.replace(" ", "_")

    @property
    def side(self) -> str | None:
        """`left`, `right`, or None for an unpaired structure."""
        first = self.name.split(" ", 1)[0]
        return first if first in SIDES else None

    @property
    def mirror(self) -> str | None:
        """Name of the same structure on the other side."""
        if self.side is None:
            return None
        return self.name.replace(self.side, SIDES[1 - SIDES.index(self.side)], 1)


def _load() -> dict[int, Organ]:
    raw = json.loads((resources.files("workbench.domain") / "vista3d_labels.json").read_text("utf-8"))
    return {
        each["id"]: Organ(
            label=each["id"],
            name=each["name"],
            group={"brain/head": "head"}.get(each["group"], each["group"]),
            supported=each["supported"],
            in_everything=each["in_everything"],
        )
        for each in raw
    }


ORGANS: Mapping[int, Organ] = MappingProxyType(_load())
"""Every structure by label, 1..132."""

EVERYTHING = tuple(label for label, organ in ORGANS.items() if organ.in_everything)
"""The 117 labels that a run without classes evaluates."""

PARTS: Mapping[int, tuple[int, ...]] = MappingProxyType(
    {
        2: (14, 5),
        20: (28, 29, 30, 31, 32),
        21: (*range(33, 57), *range(63, 98), 114, 120, 122),
    }
)
"""Superclasses (kidney, lung, bone) and the parts that the mask holds in their place."""

LABEL_BY_NAME: Mapping[str, int] = MappingProxyType({organ.name.lower(): label for label, organ in ORGANS.items()})


def spoken(name: str) -> str:
    """`left_kidney`, ` Left  Kidney ` and `left kidney` are one name."""
    return " ".join(name.replace("_", " ").lower().split())


def parse_organs(asked: Iterable[str | int]) -> tuple[int, ...]:
    """Labels of the structures asked for by name (either spelling) or id, in order, without repeats.

    Raises:
        UnknownOrgan: a name or id that VISTA-3D does not know, or does not accept; the nearest names are told.
    """
    return tuple(dict.fromkeys(_parse_one(each) for each in asked))


def _parse_one(asked: str | int) -> int:
    text = spoken(str(asked))
    label = int(text) if text.isdecimal() and len(text) < 9 else LABEL_BY_NAME.get(text)
    organ = ORGANS.get(label) if label is not None else None
    if organ is None:
        near = nearest_names(text)
        hint = f"Nearest: {', '.join(near)}." if near else "The list of structures on the Segment tab has every name."
        raise UnknownOrgan(f"VISTA-3D knows no structure “{str(asked)[:60]}”.", nearest=near, hint=hint)
    if not organ.supported:
        near = tuple(name for name in nearest_names(organ.name) if name != organ.name)
        raise UnknownOrgan(
            f"VISTA-3D lists “{organ.name}” and does not accept it as a request.",
            nearest=near,
            hint=f"Nearest: {', '.join(near)}." if near else None,
        )
    return organ.label


def nearest_names(text: str, count: int = 3) -> tuple[str, ...]:
    """Supported names that look most like `text`: those that hold its words first, then the closest spellings."""
    names = [organ.name for organ in ORGANS.values() if organ.supported]
    words = set(spoken(text).split())
    holding = [name for name in names if words and words & set(name.lower().split())]
    holding.sort(key=lambda name: -difflib.SequenceMatcher(None, text, name.lower()).ratio())
    close = difflib.get_close_matches(text, [name.lower() for name in names], n=count, cutoff=0.5)
    spelled = [ORGANS[LABEL_BY_NAME[name]].name for name in close]
    return tuple(dict.fromkeys([*spelled[:1], *holding, *spelled]))[:count]


def expand(labels: Iterable[int]) -> tuple[int, ...]:
    """Replace superclasses by their parts, as the model does before it runs; order kept, repeats dropped."""
    return tuple(dict.fromkeys(part for label in labels for part in PARTS.get(label, (label,))))
