"""What the Synthesize tab shows of generations, samples and their check, as HTML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from workbench.domain.agreement import Agreement, HuCheck
from workbench.domain.case import Case, JobState
from workbench.domain.generation import Generation
from workbench.domain.judgement import Judgement
from workbench.domain.organs import ORGANS
from workbench.domain.synthesis import Numbering, SynthesisRequest
from workbench.imaging.colours import colour_of
from workbench.imaging.overlay import SAID
from workbench.ui import review_html
from workbench.ui.badge import badge_html
from workbench.ui.words import THIN, esc, grouped, millilitres, remarks, times

NO_CASE = '<p class="wb-quiet">Nothing is open. What MAISI makes appears here.</p>'
NO_ORGANS = '<p class="wb-quiet">The structures of a synthetic CT are listed here, with volume and HU.</p>'
NO_GALLERY = '<p class="wb-quiet">Nothing was generated in this visit yet.</p>'
_NUMBERED: Mapping[str, str] = {
    Numbering.ORDER: "numbered by the order of the request",
    Numbering.GLOBAL_IDS: "numbered by MAISI's global ids",
    Numbering.EXACT: "known exactly",
}
_DIFFERENCE = '<th scope="col" title="VISTA-3D minus MAISI, in per cent of MAISI">Diff.</th>'
_STATES = {
    JobState.RUNNING: "Running",
    JobState.DONE: "Done",
    JobState.FAILED: "Failed",
    JobState.CANCELLED: "Cancelled",
}


def title(request: SynthesisRequest) -> str:
    """`2 chest and abdomen CTs`; of sizes alone, `1 CT with set sizes`."""
    count = request.num_output_samples
    kind = "CT" if count == 1 else "CTs"
    if request.controllable_anatomy_size:
        return f"{count} {kind} with set sizes"
    *first, last = request.body_region or ("",)
    where = f"{', '.join(first)} and {last}" if first else last
    return f"{count} {where} {kind}"


def grid_of(request: SynthesisRequest) -> str:
    """`256 × 256 × 128, 1.5 × 1.5 × 2.5 mm`."""
    spacing = " × ".join(f"{each:g}" for each in request.spacing_mm)
    return f"{times(request.output_size, 0)}, {spacing}{THIN}mm"


def about(case: Case, generation: Generation | None) -> str:
    """What is open: its marks, its grid, what was asked for, what to know."""
    made, facts = case.synthesis, case.report
    if made is None or facts is None:
        return NO_CASE
    others = generation.cases if generation else (case.id,)
    samples = "".join(
        f'<button type="button" data-open="{esc(each)}" aria-pressed="{str(each == case.id).lower()}">{number}</button>'
        for number, each in enumerate(others, 1)
    )
    switch = f'<span class="syn-samples" role="group" aria-label="Sample">Sample {samples}</span>'
    numbering = case.provenance.parameters.get("numbering") if case.provenance else None
    rows = [
        ("Grid", f"{times(facts.size, 0)}, {times(facts.spacing_mm, 2)}{THIN}mm"),
        ("Asked for", f"{esc(grid_of(made.request))}"),
        ("Labels", esc(_NUMBERED.get(str(numbering), "numbered in an unknown way"))),
    ]
    listed = "".join(f'<div class="wb-wide-fact"><dt>{name}</dt><dd>{value}</dd></div>' for name, value in rows)
    told = remarks(generation.told, "note") if generation else ""
    return (
        f'<div class="syn-about" data-case="{esc(case.id)}" data-generation="{esc(made.generation)}">'
        f'<p class="syn-title"><b>{esc(title(made.request))}</b>{switch if len(others) > 1 else ""}</p>'
        f'<div class="syn-mark">{badge_html(case)}</div><dl class="wb-facts">{listed}</dl>'
        f"{f'<details><summary>What was translated</summary>{told}</details>' if told else ''}</div>"
    )


def organs(case: Case) -> str:
    """The table of structures, as on the Segment tab."""
    return review_html.organs(case, "syn")


def downloads(case: Case) -> str:
    """Links to what can be taken away, and the way to the Segment tab."""
    links = review_html.downloads(case, may_link=False)
    return f'{links}<div class="wb-downloads"><a href="?case={esc(case.id)}">Open on the Segment tab</a></div>'


def gallery(generations: Sequence[Generation], alive: set[str], shown: str) -> str:
    """The visit's generations with the request beside each; `alive` are the cases still kept, `shown` the open one."""
    if not generations:
        return NO_GALLERY
    return f'<ul class="syn-gallery">{"".join(_generation(each, alive, shown) for each in generations)}</ul>'


def _generation(each: Generation, alive: set[str], shown: str) -> str:
    pictures = "".join(
        _sample(case_id, number, case_id == shown) for number, case_id in enumerate(each.cases, 1) if case_id in alive
    )
    if each.cases and not pictures:
        pictures = '<p class="wb-quiet">Its volumes were deleted; the request is still here.</p>'
    names = ", ".join(each.request.names)
    sized = ", ".join(f"{name} {_size(size)}" for name, size in each.request.controllable_anatomy_size)
    trouble = ""
    if each.error and each.state is JobState.FAILED:
        cure = f" {esc(each.hint)}" if each.hint else ""
        trouble = f'<p class="syn-failed">{esc(each.error)}{cure}</p>'
    mark = each.provenance.mark if each.provenance else None
    took = f", {each.elapsed_s:.0f}{THIN}s" if each.elapsed_s is not None and each.state is JobState.DONE else ""
    return (
        f'<li data-generation="{esc(each.id)}" data-state="{each.state}" '
        f'data-request="{esc(json.dumps(each.request.to_json()))}">'
        f'<p class="syn-title"><b>{esc(title(each.request))}</b>'
        f'<span class="syn-state">{_STATES[each.state]}{took}</span></p>'
        f'<p class="wb-quiet">{esc(grid_of(each.request))}</p>'
        f'<p class="wb-quiet syn-names" title="{esc(sized or names)}">{esc(sized or names or "no anatomy")}</p>'
        f"{f'<p><b class=syn-word>{esc(mark)}</b></p>' if mark else ''}{trouble}"
        f'<div class="syn-pictures">{pictures}</div>'
        '<div class="wb-downloads"><button type="button" data-again>Run again</button>'
        '<button type="button" data-vary>Change it</button>'
        f'<button type="button" data-erase>{"Stop and delete" if each.running else "Delete"}</button></div></li>'
    )


def _sample(case_id: str, number: int, is_shown: bool) -> str:
    where = f"cases/{esc(case_id)}/view.png?plane=axial&amp;px=256"
    return (
        f'<button type="button" class="syn-picture" data-open="{esc(case_id)}" aria-pressed="{str(is_shown).lower()}" '
        f'title="Open sample {number}"><img src="{where}" alt="Sample {number}, its middle axial slice" loading="lazy">'
        "</button>"
    )


def _size(size: float) -> str:
    return "left out" if size == -1 else f"{size:g}"


def check(case: Case) -> str:
    """The measured verdict: HU against bands, labels against VISTA-3D, and how to see the difference."""
    if case.synthesis is None:
        return NO_CASE
    judged = case.judgement
    again = "Check it again" if judged else "Check it"
    button = (
        f'<div class="syn-buttons"><button type="button" class="syn-main" id="syn-check" data-check="{esc(case.id)}">'
        f"{again}</button></div>"
    )
    explained = (
        '<p class="wb-quiet">Measures the median HU of each organ against a published band, then has VISTA-3D segment '
        "the CT and compares that with the labels that came with it. Its labels are not shown to VISTA-3D.</p>"
    )
    if judged is None:
        return f"{explained}{button}<div id='syn-check-progress'></div>"
    return (
        f"{_verdict(judged)}{_hu_table(judged.hu)}{_agreement_table(judged)}"
        f"{remarks(_said(judged), 'note')}{button}<div id='syn-check-progress'></div>"
    )


def _verdict(judged: Judgement) -> str:
    kind, word = ("wb-made wb-made-mock", "<b>MOCK.</b> ") if judged.is_mock else ("wb-made", "")
    return (
        f'<p id="syn-judgement" class="{kind}" data-number="{judged.number}" '
        f'data-mock="{str(judged.is_mock).lower()}">{word}{esc(judged.verdict)}</p>'
    )


def _said(judged: Judgement) -> list[str]:
    said = list(judged.warnings)
    if judged.not_asked:
        names = ", ".join(ORGANS[label].name for label in judged.not_asked)
        said.append(f"VISTA-3D takes no request for {names}, so these were not compared.")
    if judged.second is None:
        said.append("VISTA-3D gave no labels, so only HU were checked.")
    return said


def _hu_table(rows: Sequence[HuCheck]) -> str:
    if not rows:
        return '<p class="wb-quiet">No structure of this CT has a published HU band.</p>'
    cells = "".join(
        f'<tr data-name="{esc(each.name)}" data-within="{str(each.is_within).lower()}">'
        f'<th scope="row">{esc(each.name)}</th><td class="wb-figure">{grouped(each.median_hu)}</td>'
        f'<td class="wb-figure">{grouped(each.low_hu)} to {grouped(each.high_hu)}</td>'
        f'<td><span class="syn-within">{"inside" if each.is_within else "outside"}</span></td></tr>'
        for each in rows
    )
    cited = "".join(
        f'<li><a href="{esc(url)}" rel="noreferrer" target="_blank">{esc(cite)}</a></li>'
        for cite, url in dict.fromkeys((each.cite, each.source_url) for each in rows)
    )
    return (
        '<h3>Median HU</h3><div class="wb-table-scroll"><table class="wb-table" id="syn-hu"><thead><tr>'
        '<th scope="col">Structure</th><th scope="col">HU</th><th scope="col">Band</th><th scope="col"></th>'
        f'</tr></thead><tbody>{cells}</tbody></table></div><ul class="syn-cites">{cited}</ul>'
    )


def _agreement_table(judged: Judgement) -> str:
    if not judged.agreements:
        return ""
    rows = "".join(_agreement(each) for each in sorted(judged.agreements, key=lambda each: -each.dice))
    legend = "".join(
        f'<li><span class="wb-swatch" data-colour="{each.colour}" data-safe="{each.safe_colour}" '
        f'style="background:{each.colour}"></span>{esc(each.name)}</li>'
        for each in SAID
    )
    return (
        "<h3>Labels against VISTA-3D</h3>"
        f'<ul class="syn-legend" aria-label="Colours of the comparison">{legend}</ul>'
        '<div class="wb-table-scroll syn-tall" tabindex="0"><table class="wb-table" id="syn-agreement"><thead><tr>'
        '<th scope="col">Structure</th><th scope="col">Dice</th>'
        f'<th scope="col">MAISI{THIN}mL</th><th scope="col">VISTA{THIN}mL</th>{_DIFFERENCE}'
        f'</tr></thead><tbody><tr data-overlay="0"><th scope="row"><button type="button" class="wb-jump">All of them'
        f"</button></th><td></td><td></td><td></td><td></td></tr>{rows}</tbody></table></div>"
    )


def _agreement(each: Agreement) -> str:
    share = each.difference_percent
    percent = "new" if share is None else f"{'+' if share > 0 else ''}{grouped(share)}{THIN}%"
    sign = "+" if each.difference_ml > 0 else ""
    return (
        f'<tr data-overlay="{each.label}" data-name="{esc(each.name)}" data-dice="{each.dice!r}" '
        f'data-first="{each.first_ml!r}" data-second="{each.second_ml!r}">'
        '<th scope="row"><span class="wb-name"><span class="wb-swatch" '
        f'data-colour="{colour_of(each.label)}" data-safe="{colour_of(each.label, safe=True)}" '
        f'style="background:{colour_of(each.label)}"></span><button type="button" class="wb-jump" '
        f'title="{esc(each.name)}: show the comparison">{esc(each.name)}</button></span></th>'
        f'<td class="wb-figure">{each.dice:.3f}</td><td class="wb-figure">{millilitres(each.first_ml)}</td>'
        f'<td class="wb-figure">{millilitres(each.second_ml)}</td>'
        f'<td class="wb-figure" title="{sign}{millilitres(each.difference_ml)} mL">{percent}</td></tr>'
    )
