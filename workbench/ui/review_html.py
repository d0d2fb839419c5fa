"""What the Segment tab shows of a case, as HTML."""

from __future__ import annotations

import json

from workbench.domain.case import Case, JobView, Source
from workbench.domain.organs import ORGANS
from workbench.domain.provenance import Origin, Provenance
from workbench.domain.segmentation import OrganVolume
from workbench.domain.volume import CtReport, Series
from workbench.imaging.colours import colour_of
from workbench.ui.words import THIN, esc, grouped, millilitres, remarks, times, trouble

FILES = (
    ("mask.nii.gz", "Mask", "NIfTI label map on the CT's own grid, with its label table"),
    ("volumes.csv", "Volumes CSV", "one row a structure, with its provenance"),
    ("volumes.json", "Volumes JSON", "everything measured, with its provenance"),
    ("view.png", "Picture", "the slice on screen as PNG"),
    ("image.nii.gz", "CT", "the CT as read here, without patient data"),
)

_WIDE = ' class="wb-wide-fact"'
_CUT = ' title="cut by the edge of the scan: the volume is a lower bound"'
_WIDE_FACTS = ("Spacing", "Field of view")
_COPY_LINK = '<button type="button" data-copy-link>Copy link to this view</button>'
NO_CASE = '<p class="wb-quiet">No CT is open. Drop one above, or open the demo case.</p>'
NO_VOLUMES = '<p class="wb-quiet">Open a CT first. What is found in it is measured here.</p>'
NO_ORGANS = (
    '<p class="wb-quiet">Nothing is segmented yet. Press <b>Segment</b>: every structure found gets a colour in the '
    "picture and a row here, with its volume in mL and its mean HU.</p>"
)


def report(case: Case) -> str:
    """The input report: what was read, what reading changed, what to know before trusting results."""
    facts = case.report
    if facts is None:
        return NO_CASE
    rows = "".join(
        f"<div{_WIDE if name in _WIDE_FACTS else ''}><dt>{esc(name)}</dt><dd>{value}</dd></div>"
        for name, value in _facts(facts)
    )
    others = [each for each in case.series if each.number != case.series_number]
    listed = f"<details><summary>{len(others)} other series in this upload</summary>{series_list(others)}</details>"
    is_read = "" if case.segmentation else " open"
    return (
        f'<details class="wb-case"{is_read}><summary class="wb-facts-title">{esc(_title(case, facts))}</summary>'
        f'<dl class="wb-facts">{rows}</dl></details>'
        f"{remarks(facts.notes, 'note')}{remarks(facts.warnings, 'warning')}{listed if others else ''}"
    )


def _title(case: Case, facts: CtReport) -> str:
    return facts.description or {Source.DEMO: "Phantom"}.get(case.source, "CT without a description")


def _facts(facts: CtReport) -> list[tuple[str, str]]:
    mm = f"{THIN}mm"
    return [
        ("Size", times(facts.size, 0)),
        ("Axes", esc(facts.orientation)),
        ("Range", f"{grouped(facts.hu_range[0])} to {grouped(facts.hu_range[1])}{THIN}HU"),
        ("Format", esc(facts.file_format)),
        ("Spacing", times(facts.spacing_mm, 2) + mm),
        ("Field of view", times(facts.field_of_view_mm, 0) + mm),
        ("Modality", esc(facts.modality)),
    ]


def series_list(series: list[Series] | tuple[Series, ...]) -> str:
    """The series of an upload; those that cannot be used with the reason."""
    rows = "".join(
        f"<li><b>{each.number}</b> {esc(each.description or 'no description')} "
        f'<span class="wb-quiet">{esc(_about(each))}</span>'
        + (f'<br><span class="wb-why">not usable: {esc(each.why_not)}</span>' if each.why_not else "")
        + "</li>"
        for each in series
    )
    return f'<ul class="wb-series">{rows}</ul>'


def series_choice(each: Series) -> str:
    """One usable series as a line of the chooser."""
    return f"{each.number} · {each.description or 'no description'} · {_about(each)}"


def _about(each: Series) -> str:
    spacing = f", {times(each.spacing_mm, 2)}{THIN}mm" if each.spacing_mm else ""
    return f"{each.modality}, {' × '.join(map(str, each.size))}{spacing}, {each.slices} slices"


def choosing(case: Case) -> str:
    """What is shown while an upload waits for the choice of its series."""
    return (
        "<p>This upload holds several volumes. The likeliest is preselected; choose one and press <b>Open</b>.</p>"
        f"{series_list(case.series)}"
    )


def progress(job: JobView) -> str:
    """A running job: stage, share of it where known, time so far."""
    share = "" if job.fraction is None else f' value="{job.fraction:.3f}"'
    percent = "" if job.fraction is None else f", {job.fraction * 100:.0f}{THIN}%"
    return (
        f'<div class="wb-progress" role="status" data-stage="{esc(job.stage)}">'
        f'<progress max="1"{share} aria-label="{esc(job.stage)}"></progress>'
        f"<span>{esc(job.stage[:1].upper() + job.stage[1:])}{percent}</span>"
        f'<span class="wb-figure">{job.elapsed_s:.0f}{THIN}s</span></div>'
    )


def outcome(job: JobView) -> str:
    """How a job ended, where it did not end well."""
    if job.error is None:
        return ""
    if job.state.value == "cancelled":
        return '<p class="wb-quiet" role="status">Stopped. Nothing was changed; you can run it again.</p>'
    title = {"read": "The CT could not be opened", "segment": "The segmentation failed"}.get(job.kind, "It failed")
    return trouble(title, job.error, job.hint, trace=job.trace_id)


def finished(case: Case) -> str:
    """Told to a screen reader when a segmentation is there; the eye sees the table."""
    found = len(case.measurements.organs) if case.measurements else 0
    return f'<p class="wb-sr" role="status" data-revision="{case.revision}">Finished: {found} structures found.</p>'


def organs(case: Case, tab: str = "seg") -> str:
    """The volumes table, its elements named after the tab that it stands on."""
    measured, record = case.measurements, case.segmentation
    if measured is None or record is None:
        return NO_ORGANS if case.report else NO_VOLUMES
    said = remarks([*measured.warnings], "warning") + remarks([*record.warnings], "note")
    missing = _not_found(record.not_found)
    if not measured.organs:
        return f"{_made_by(record.provenance)}{said}{missing}"
    rows = "".join(_organ_row(each) for each in measured.organs)
    return (
        f"{_made_by(record.provenance)}"
        '<div class="wb-table-tools"><label class="wb-find"><span class="wb-sr">Find a structure</span>'
        '<input type="search" placeholder="Find a structure" data-find></label>'
        '<button type="button" data-show="all">All</button><button type="button" data-show="none">None</button></div>'
        '<div class="wb-table-scroll" tabindex="0"><table class="wb-table wb-organs-table" '
        f'id="{tab}-organs-table"><thead><tr>'
        '<th scope="col"><span class="wb-sr">Shown</span></th>'
        '<th scope="col" data-sort="name" aria-sort="none"><button type="button">Structure</button></th>'
        f'<th scope="col" data-sort="volume" aria-sort="descending"><button type="button">Volume{THIN}mL</button></th>'
        '<th scope="col" data-sort="hu" aria-sort="none"><button type="button">HU ± SD</button></th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
        f'<div id="{tab}-detail" class="wb-detail" hidden></div>'
        f"{missing}{said}"
    )


def _made_by(made: Provenance) -> str:
    if made.origin is Origin.MOCK:
        drawn = " No patient was scanned: the CT is synthetic." if made.is_synthetic else ""
        why = f" {esc(made.stands_in_because)}" if made.stands_in_because else ""
        return f'<p class="wb-made wb-made-mock"><b>MOCK.</b> Not a measurement of a patient.{drawn}{why}</p>'
    took = f", {made.elapsed_s:.1f}{THIN}s" if made.elapsed_s is not None else ""
    mock = " The volume is a made-up phantom." if made.is_mock else ""
    if made.is_synthetic:
        mock = " The CT is synthetic and made by a mock." if made.is_mock else " The CT is synthetic: no patient."
    return f'<p class="wb-made">{esc(made.model)} {esc(made.version)}, your own NIM{took}.{mock}</p>'


def _organ_row(organ: OrganVolume) -> str:
    detail = {
        "voxels": organ.voxel_count,
        "min_hu": organ.min_hu,
        "max_hu": organ.max_hu,
        "centroid_ras_mm": [round(each, 1) for each in organ.centroid_ras_mm],
        "extent_mm": [round(each, 1) for each in organ.extent_mm],
        "flags": list(organ.flags),
        "touches_edge": organ.touches_edge,
    }
    marks = "".join(
        f'<span class="wb-flag" title="{esc(flag)}">{esc(_short_flag(flag))}</span>' for flag in organ.flags
    )
    volume = millilitres(organ.volume_ml)
    if organ.touches_edge:
        volume = f'<span class="wb-least">at least</span> {volume}'
    group = ORGANS[organ.label].group if organ.label in ORGANS else "other"
    return (
        f'<tr data-label="{organ.label}" data-name="{esc(organ.name)}" data-volume="{organ.volume_ml!r}" '
        f'data-hu="{organ.mean_hu!r}" data-detail="{esc(json.dumps(detail))}" data-group="{esc(group)}">'
        f'<td><input type="checkbox" checked aria-label="show {esc(organ.name)}"></td>'
        f'<th scope="row"><span class="wb-name"><span class="wb-swatch" data-colour="{colour_of(organ.label)}" '
        f'data-safe="{colour_of(organ.label, safe=True)}" style="background:{colour_of(organ.label)}"></span>'
        f'<button type="button" class="wb-jump" title="{esc(organ.name)}: go to its largest slice">'
        f"{esc(organ.name)}</button>"
        f"{marks}</span></th>"
        f'<td class="wb-figure"{_CUT if organ.touches_edge else ""}>{volume}</td>'
        f'<td class="wb-figure">{grouped(organ.mean_hu)} ± {grouped(organ.std_hu)}</td></tr>'
    )


def _short_flag(flag: str) -> str:
    return "outside" if flag.startswith("outside") else "check"


def _not_found(labels: tuple[int, ...]) -> str:
    if not labels:
        return ""
    names = ", ".join(ORGANS[label].name for label in labels)
    return (
        f'<details class="wb-missing"{" open" if len(labels) <= 6 else ""}>'
        f"<summary>Asked for and not found: {len(labels)}</summary>{esc(names)}</details>"
    )


def downloads(case: Case, *, may_link: bool = True) -> str:
    """Links to what can be taken away; `may_link` offers a link to the view, which the address bar must follow."""
    if case.report is None:
        return ""
    links = "".join(
        f'<a href="cases/{esc(case.id)}/{name}" download data-file="{name}" title="{esc(about)}">{esc(title)}</a>'
        for name, title, about in FILES
        if case.segmentation or name in ("view.png", "image.nii.gz")
    )
    figures = ""
    if case.measurements and case.measurements.organs:
        figures = (
            '<button type="button" data-figure="contact">Contact sheet</button>'
            '<button type="button" data-figure="ranges">Volumes against references</button>'
        )
    return (
        f'<div class="wb-downloads" data-case="{esc(case.id)}"><span class="wb-quiet">Download</span>{links}</div>'
        f'<div class="wb-downloads" data-case="{esc(case.id)}">{figures}'
        f"{_COPY_LINK if may_link else ''}</div>"
    )
