"""Every rule a MAISI request must keep, told before anything is sent, and the nearest request that keeps them.

The rules are those of the NIM's page and, where it is stricter, of the MONAI bundle that the NIM is built from
(`SOURCES` in `maisi`). Each change repairs its own rule whole, so that a few rounds of changes end at an allowed
request.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

from workbench.domain.maisi import (
    ANATOMIES,
    CONTROLLABLE,
    LIMITS,
    PRESETS,
    REGION_BY_NAME,
    REGIONS,
    anatomy_name,
    common_anatomies,
    least_slab_mm,
    nearest_anatomies,
    regions_of,
    span,
)
from workbench.domain.synthesis import BrokenRule, RulesBroken, SynthesisRequest

T = TypeVar("T")
_ROUNDS = 30
_MOST_NAMED = 8


def check(request: SynthesisRequest) -> tuple[BrokenRule, ...]:
    """The rules that the request breaks, those that MAISI would refuse first, then advice (`blocks` False)."""
    found = list(
        chain(_samples(request), _size(request), _spacing(request), _view(request), _choices(request), _slab(request))
    )
    return tuple(sorted(found, key=lambda each: not each.blocks))


def blocking(request: SynthesisRequest) -> tuple[BrokenRule, ...]:
    """Only the rules that MAISI would refuse."""
    return tuple(each for each in check(request) if each.blocks)


def advice(request: SynthesisRequest) -> tuple[BrokenRule, ...]:
    """Only what MAISI takes, and a person may not have meant."""
    return tuple(each for each in check(request) if not each.blocks)


def require_allowed(request: SynthesisRequest) -> None:
    """Pass a request that MAISI takes.

    Raises:
        RulesBroken: it would be refused.
    """
    if rules := blocking(request):
        raise RulesBroken(rules, nearest=nearest_allowed(request))


def nearest_allowed(request: SynthesisRequest) -> SynthesisRequest:
    """The request with the least changed that MAISI takes; advice is left to the person."""
    for _ in range(_ROUNDS):
        rules = blocking(request)
        if not rules:
            return request
        request = request.with_(**rules[0].change)
    raise AssertionError("every change repairs its rule, so the rounds suffice")


def _samples(request: SynthesisRequest) -> Iterator[BrokenRule]:
    low, high = LIMITS.samples
    count = request.num_output_samples
    if not low <= count <= high:
        nearest = min(max(count, low), high)
        yield BrokenRule(
            field="num_output_samples",
            rule="samples",
            message=f"{count:,} samples were asked for; {low} to {high} can be made at once.",
            nearest=f"Ask for {nearest}.",
            change={"num_output_samples": nearest},
        )


def _size(request: SynthesisRequest) -> Iterator[BrokenRule]:
    x, y, z = request.output_size
    if x != y:
        side = _closest(max(x, y), LIMITS.x_y)
        yield BrokenRule(
            field="output_size",
            rule="size x = y",
            message=f"The size is {x} by {y} voxels across; MAISI makes square slices only.",
            nearest=f"Set both to {side}.",
            change={"output_size": (side, side, z)},
        )
    elif x not in LIMITS.x_y:
        side = _closest(x, LIMITS.x_y)
        yield BrokenRule(
            field="output_size",
            rule="size x, y",
            message=f"A slice cannot be {x:,} voxels wide; MAISI makes {_one_of(LIMITS.x_y)}.",
            nearest=f"Set both to {side}.",
            change={"output_size": (side, side, z)},
        )
    if z not in LIMITS.z:
        slices = _closest(z, LIMITS.z)
        yield BrokenRule(
            field="output_size",
            rule="size z",
            message=f"MAISI cannot make {z:,} slices; it makes {_one_of(LIMITS.z)}.",
            nearest=f"Set {slices} slices.",
            change={"output_size": (x, y, slices)},
        )


def _spacing(request: SynthesisRequest) -> Iterator[BrokenRule]:
    x, y, z = request.spacing_mm
    if x != y:
        # NaN is no larger than anything, so the larger is looked for among numbers.
        step = _clamped(max((each for each in (x, y) if math.isfinite(each)), default=math.nan), across=True)
        yield BrokenRule(
            field="spacing",
            rule="spacing x = y",
            message=f"The spacing is {x:g} by {y:g} mm across; the model takes square pixels only.",
            nearest=f"Set both to {step:g} mm.",
            change={"spacing_mm": (step, step, z)},
        )
    elif (step := _clamped(x, across=True)) != x:
        page = ""
        if LIMITS.spacing_high_x_y < x <= LIMITS.spacing_page_high:
            page = f" NVIDIA's page says up to {LIMITS.spacing_page_high:g}; the model inside refuses it."
        yield BrokenRule(
            field="spacing",
            rule="spacing x, y",
            message=f"A pixel of {x:g} mm is outside {LIMITS.spacing_low:g} to {LIMITS.spacing_high_x_y:g} mm.{page}",
            nearest=f"Set both to {step:g} mm.",
            change={"spacing_mm": (step, step, z)},
        )
    if (step := _clamped(z, across=False)) != z:
        yield BrokenRule(
            field="spacing",
            rule="spacing z",
            message=f"A slice step of {z:g} mm is outside {LIMITS.spacing_low:g} to {LIMITS.spacing_high_z:g} mm.",
            nearest=f"Set {step:g} mm.",
            change={"spacing_mm": (x, y, step)},
        )


def _view(request: SynthesisRequest) -> Iterator[BrokenRule]:
    if not _is_measurable(request):
        return
    x = request.output_size[0]
    view = request.field_of_view_mm[0]
    if view < LIMITS.view_least:
        yield _wider(
            request,
            "field of view",
            f"{x} voxels of {request.spacing_mm[0]:g} mm show {view:g} mm across; MAISI refuses less than "
            f"{LIMITS.view_least:g} mm.",
            LIMITS.view_least,
        )
        return
    regions = {region.name for region in _known_regions(request)}
    recommended = (request.output_size, request.spacing_mm) in [(each.output_size, each.spacing_mm) for each in PRESETS]
    if view < LIMITS.view_advised and regions != {"head"} and not recommended:
        yield _wider(
            request,
            "field of view advised",
            f"{view:g} mm across may cut the body off; at least {LIMITS.view_advised:g} mm are advised for anything "
            "but the head.",
            LIMITS.view_advised,
            blocks=False,
        )


def _wider(request: SynthesisRequest, rule: str, message: str, view_mm: float, blocks: bool = True) -> BrokenRule:
    step = math.ceil(1000 * view_mm / request.output_size[0]) / 1000
    return BrokenRule(
        field="spacing",
        rule=rule,
        message=message,
        nearest=f"Set the spacing across to {step:g} mm.",
        change={"spacing_mm": (step, step, request.spacing_mm[2])},
        blocks=blocks,
    )


def _choices(request: SynthesisRequest) -> Iterator[BrokenRule]:
    yield from _regions(request)
    if request.controllable_anatomy_size:
        yield from _controllable(request)
    else:
        yield from _anatomy(request)


def _regions(request: SynthesisRequest) -> Iterator[BrokenRule]:
    asked = request.body_region
    names = ", ".join(region.name for region in REGIONS)
    if unknown := [name for name in asked if name not in REGION_BY_NAME]:
        known = tuple(name for name in asked if name in REGION_BY_NAME)
        near = _nearest_regions(request, known)
        yield BrokenRule(
            field="body_region",
            rule="region known",
            message=f"MAISI knows no region {_quoted(unknown)}; it knows {names}.",
            nearest=f"Choose {' and '.join(near)}.",
            change={"body_region": near},
        )
    elif not asked and not request.controllable_anatomy_size:
        near = _nearest_regions(request, ())
        yield BrokenRule(
            field="body_region",
            rule="region given",
            message="No region of the body was chosen.",
            nearest=f"Choose {' and '.join(near)}.",
            change={"body_region": near},
        )
    elif twice := _repeated([REGION_BY_NAME[name].name for name in asked]):
        once = _first_of_each((REGION_BY_NAME[name].name, name) for name in asked)
        yield BrokenRule(
            field="body_region",
            rule="region repeats",
            message=f"The region {_quoted(twice)} is chosen more than once; chest and thorax are one, as are pelvis "
            "and lower.",
            nearest=f"Choose {' and '.join(once)}.",
            change={"body_region": once},
        )


def _anatomy(request: SynthesisRequest) -> Iterator[BrokenRule]:
    asked = request.anatomy_list
    if not asked:
        yield BrokenRule(
            field="anatomy_list",
            rule="anatomy given",
            message="No anatomy was chosen: MAISI then answers with an image whose mask is empty.",
            nearest="Choose those of the region.",
            change={"anatomy_list": common_anatomies(request.body_region)},
            blocks=False,
        )
    if unknown := [name for name in asked if name not in ANATOMIES]:
        suggestions = tuple(dict.fromkeys(chain.from_iterable(map(_near, unknown))))
        yield BrokenRule(
            field="anatomy_list",
            rule="anatomy known",
            message=f"MAISI knows no anatomy {_quoted(unknown)}.",
            nearest=f"Nearest: {', '.join(suggestions)}." if suggestions else "Leave it out.",
            change={"anatomy_list": _replaced(asked, ANATOMIES)},
            suggestions=suggestions,
        )
    if twice := _repeated(asked):
        yield BrokenRule(
            field="anatomy_list",
            rule="anatomy repeats",
            message=f"{_quoted(twice)} is in the list more than once, so the mask could not be numbered.",
            nearest="Keep each once.",
            change={"anatomy_list": tuple(dict.fromkeys(asked))},
        )
    yield from _elsewhere(request)


def _elsewhere(request: SynthesisRequest) -> Iterator[BrokenRule]:
    """Anatomies that lie in none of the regions chosen."""
    held = {region.name for region in _known_regions(request)}
    known = dict.fromkeys(name for name in request.anatomy_list if name in ANATOMIES)
    away = [name for name in known if not held & set(ANATOMIES[name].regions)]
    if not held or not away:
        return
    inside = tuple(name for name in request.anatomy_list if name not in away)
    change: dict[str, Any] = {"anatomy_list": inside}
    nearest = f"Leave out {_quoted(away)}."
    if not inside:
        where = regions_of(away)
        change, nearest = {"body_region": where}, f"Choose {' and '.join(where)}."
    yield BrokenRule(
        field="anatomy_list",
        rule="anatomy in region",
        message=f"{_quoted(away)} {'lies' if len(away) == 1 else 'lie'} outside {_joined(held)}.",
        nearest=nearest,
        change=change,
    )


def _controllable(request: SynthesisRequest) -> Iterator[BrokenRule]:
    rows = request.controllable_anatomy_size
    names = [name for name, _ in rows]
    if request.anatomy_list:
        yield BrokenRule(
            field="controllable_anatomy_size",
            rule="sizes override",
            message="Sizes of organs override the regions and the anatomy list: both are ignored.",
            nearest="Empty the anatomy list, or the sizes.",
            change={"anatomy_list": ()},
            blocks=False,
        )
    if unknown := [name for name in names if name not in CONTROLLABLE]:
        suggestions = tuple(
            dict.fromkeys(chain.from_iterable(nearest_anatomies(name, CONTROLLABLE) for name in unknown))
        )
        kept = tuple((name, size) for name, size in rows if name in CONTROLLABLE)
        yield BrokenRule(
            field="controllable_anatomy_size",
            rule="size of known",
            message=f"The size of {_quoted(unknown)} cannot be set; it can for {', '.join(CONTROLLABLE)}.",
            nearest=f"Nearest: {', '.join(suggestions)}." if suggestions else "Leave it out.",
            # Without a row left, what the person asked for is the anatomy itself.
            change={"controllable_anatomy_size": kept}
            if kept or request.anatomy_list
            else {"controllable_anatomy_size": (), "anatomy_list": _replaced(names, ANATOMIES)},
            suggestions=suggestions,
        )
    if twice := _repeated(names):
        once = _first_of_each((name, (name, size)) for name, size in rows)
        yield _rows("size repeats", f"The size of {_quoted(twice)} is set more than once.", "Keep the first.", once)
    if len(rows) > LIMITS.controllable_most:
        yield _rows(
            "size rows",
            f"{len(rows)} sizes are set; at most {LIMITS.controllable_most} can be.",
            f"Keep the first {LIMITS.controllable_most}.",
            rows[: LIMITS.controllable_most],
        )
    tumours = [name for name in dict.fromkeys(names) if name in ANATOMIES and ANATOMIES[name].is_tumour]
    if len(tumours) > LIMITS.tumours_most:
        yield _rows(
            "one tumour",
            f"{' and '.join(tumours)} are asked for; one CT can hold one kind of tumour.",
            f"Keep the {tumours[0]}.",
            tuple(each for each in rows if each[0] not in tumours[1:]),
        )
    if wrong := [each for each in rows if not _is_size(each[1])]:
        told = ", ".join(f"{name} {size:g}" for name, size in wrong[:_MOST_NAMED])
        yield _rows(
            "size range",
            f"A size runs from 0 to 1, or is -1 to leave the organ out: {told}.",
            "Set the nearest.",
            tuple((name, _clamped_size(size)) for name, size in rows),
        )


def _rows(rule: str, message: str, nearest: str, rows: tuple[tuple[str, float], ...]) -> BrokenRule:
    return BrokenRule(
        field="controllable_anatomy_size",
        rule=rule,
        message=message,
        nearest=nearest,
        change={"controllable_anatomy_size": rows},
    )


def _slab(request: SynthesisRequest) -> Iterator[BrokenRule]:
    """Whether the regions fit between the first and the last slice."""
    if request.controllable_anatomy_size or not _is_measurable(request):
        return
    long = request.field_of_view_mm[2]
    least = least_slab_mm(request.body_region)
    if not long < least:
        return
    held = span(request.body_region)
    step = math.ceil(1000 * least / max(request.output_size[2], 1)) / 1000
    change: dict[str, Any] = {"spacing_mm": (*request.spacing_mm[:2], step)}
    nearest = f"Set the slice step to {step:g} mm."
    if step > LIMITS.spacing_high_z:
        change, nearest = {"body_region": (held[0].name,)}, f"Choose the {held[0].name} alone."
    yield BrokenRule(
        field="body_region",
        rule="slab",
        message=f"{request.output_size[2]} slices of {request.spacing_mm[2]:g} mm are {long:g} mm long; from "
        f"{held[0].name} to {held[-1].name} takes at least {least:g} mm.",
        nearest=nearest,
        change=change,
    )


def _is_measurable(request: SynthesisRequest) -> bool:
    """Whether size and spacing are allowed themselves; until they are, the field of view says nothing."""
    return not any(True for _ in chain(_size(request), _spacing(request)))


def _known_regions(request: SynthesisRequest) -> list[Any]:
    return [REGION_BY_NAME[name] for name in request.body_region if name in REGION_BY_NAME]


def _nearest_regions(request: SynthesisRequest, known: tuple[str, ...]) -> tuple[str, ...]:
    """The regions chosen that exist; without any, those in which the anatomies lie; without those, the abdomen."""
    return known or regions_of([name for name in request.names if name in ANATOMIES]) or ("abdomen",)


def _near(name: str) -> tuple[str, ...]:
    meant = anatomy_name(name)
    return (meant,) if meant else nearest_anatomies(name)


def _replaced(names: Sequence[str], known: Any) -> tuple[str, ...]:
    """The names, an unknown one replaced by the nearest, or left out where none is near."""
    best = ((name,) if name in known else _near(name)[:1] for name in names)
    return tuple(dict.fromkeys(chain.from_iterable(best)))


def _closest(value: int, allowed: Sequence[int]) -> int:
    return min(allowed, key=lambda each: (abs(each - value), each))


def _clamped(step: float, *, across: bool) -> float:
    if math.isnan(step):
        return 1.5
    return min(max(step, LIMITS.spacing_low), LIMITS.spacing_high_x_y if across else LIMITS.spacing_high_z)


def _is_size(size: float) -> bool:
    return 0.0 <= size <= 1.0 or size == -1.0


def _clamped_size(size: float) -> float:
    if _is_size(size):
        return size
    if math.isnan(size):
        return 0.5
    return -1.0 if size <= -0.5 else min(max(size, 0.0), 1.0)


def _first_of_each(pairs: Iterable[tuple[str, T]]) -> tuple[T, ...]:
    """The first value of each key, in order."""
    first: dict[str, T] = {}
    for key, value in pairs:
        first.setdefault(key, value)
    return tuple(first.values())


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _one_of(values: Sequence[int]) -> str:
    *first, last = map(str, values)
    return f"{', '.join(first)} or {last}"


def _joined(regions: set[str]) -> str:
    return " and ".join(region.name for region in REGIONS if region.name in regions)


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f"“{name[:60]}”" for name in names[:_MOST_NAMED])
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} more"
