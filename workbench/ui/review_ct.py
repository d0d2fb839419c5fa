"""The Segment tab: a CT goes in, coloured organs and their volumes come out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from workbench.domain.case import Case, CaseState, JobView, Visitor
from workbench.domain.errors import NotFound, WorkbenchError
from workbench.domain.organs import EVERYTHING, ORGANS
from workbench.ui import review_html
from workbench.ui.badge import badge_html
from workbench.ui.viewer import build_viewer
from workbench.ui.words import trouble
from workbench.usecases.workbench import Workbench

_LOOK_EVERY_S = 0.2
_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

_PRESETS: tuple[tuple[str, Callable[[int], bool]], ...] = (
    ("Organs", lambda label: ORGANS[label].group in ("organ", "digestive")),
    ("Chest", lambda label: ORGANS[label].group in ("lung", "cardiac")),
    ("Vessels", lambda label: ORGANS[label].group == "vessel"),
    ("Bones", lambda label: ORGANS[label].group == "bone"),
    ("Muscles", lambda label: ORGANS[label].group == "muscle"),
)

_EMPTY = """<div class="wb-empty"><h2>Open a CT to begin</h2>
<p>Drop a DICOM series (files, a folder or a zip) or a NIfTI, NRRD or MetaImage file here.</p>
<p>No CT at hand? The demo case is a made-up trunk whose organs have exactly known volumes.</p>
<p><button type="button" data-open-demo>Open the demo case</button></p>
<p class="wb-quiet">Names, ids and dates of patients are dropped while reading.
Research use. Not for clinical decisions.</p></div>"""

_NOT_YOURS = trouble(
    "This case cannot be opened",
    "It belongs to another visit, or it was deleted after being unused for long.",
    "Open the CT again here. A case opens only in the browser that made it.",
)

_DEMO = "demo"
_PLACE = ("plane", "slice", "window")
_ASKED_FOR = """() => {
  const asked = new URLSearchParams(location.search);
  return [JSON.stringify(Object.fromEntries(asked))];
}"""

_RUN_LABEL = """(chosen) => {
  const count = (chosen || []).length;
  return count === 0 ? 'Segment everything' : count === 1 ? 'Segment 1 structure' : `Segment ${count} structures`;
}"""


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """The components that handlers fill."""

    case_id: gr.State
    upload: gr.File
    folder: gr.UploadButton
    report: gr.HTML
    series: gr.Dropdown
    open_series: gr.Button
    run: gr.Button
    cancel: gr.Button
    progress: gr.HTML
    viewer: gr.HTML
    organs: gr.HTML
    downloads: gr.HTML
    badge: gr.HTML

    def all(self) -> list[Any]:
        return list(self.__dict__.values())


def build_tab(workbench: Workbench, page: gr.Blocks, badge: gr.HTML) -> None:
    """Build the tab's components and wire them to the use cases."""
    case_id = gr.State("")
    asked_for = gr.Textbox(visible=False)
    with gr.Row(elem_id="seg-room", elem_classes="wb-room"):
        with gr.Column(elem_classes="wb-stage", scale=1):
            viewer = build_viewer("seg-viewer", empty_html=_EMPTY)
        with gr.Column(elem_id="seg-inspector", elem_classes="wb-inspector", scale=0):
            with gr.Column(elem_classes="wb-section"):
                gr.HTML("<h2>Case</h2>", elem_classes="wb-heading")
                upload = gr.File(
                    file_count="multiple",
                    label="Drop a CT here, or click to choose files",
                    show_label=False,
                    height=48,
                    elem_id="seg-upload",
                )
                with gr.Row(elem_classes="wb-buttons"):
                    demo = gr.Button("Open the demo case", elem_id="seg-demo", size="sm")
                    folder = gr.UploadButton(
                        "Open a folder", file_count="directory", elem_id="seg-folder", size="sm", variant="secondary"
                    )
                report = gr.HTML(review_html.NO_CASE, elem_id="seg-report")
                series = gr.Dropdown(label="Series", visible=False, elem_id="seg-series")
                open_series = gr.Button("Open", visible=False, elem_id="seg-open-series", size="sm")
            with gr.Column(elem_classes="wb-section"):
                gr.HTML("<h2>Structures</h2>", elem_classes="wb-heading")
                with gr.Row(elem_classes="wb-buttons wb-presets"):
                    everything = gr.Button("Everything", size="sm", elem_id="seg-preset-everything")
                    presets = [gr.Button(name, size="sm", elem_id=f"seg-preset-{name.lower()}") for name, _ in _PRESETS]
                classes = gr.Dropdown(
                    choices=sorted(organ.name for organ in ORGANS.values() if organ.supported),
                    value=[],
                    multiselect=True,
                    filterable=True,
                    label=f"Empty: everything ({len(EVERYTHING)} structures). Type to search.",
                    elem_id="seg-classes",
                )
                with gr.Row(elem_classes="wb-buttons"):
                    run = gr.Button(
                        "Segment everything", variant="primary", elem_id="seg-run", interactive=False, size="sm"
                    )
                    cancel = gr.Button("Cancel", elem_id="seg-cancel", visible=False, size="sm", variant="stop")
                progress = gr.HTML("", elem_id="seg-progress")
            with gr.Column(elem_classes="wb-section wb-grows"):
                gr.HTML("<h2>Volumes</h2>", elem_classes="wb-heading")
                organs = gr.HTML(review_html.NO_VOLUMES, elem_id="seg-organs")
                downloads = gr.HTML("", elem_id="seg-downloads")
    parts = _Parts(
        case_id=case_id,
        upload=upload,
        folder=folder,
        report=report,
        series=series,
        open_series=open_series,
        run=run,
        cancel=cancel,
        progress=progress,
        viewer=viewer,
        organs=organs,
        downloads=downloads,
        badge=badge,
    )
    everything.click(None, None, classes, js="() => [[]]", **_PRIVATE)
    for button, (_, wanted) in zip(presets, _PRESETS, strict=True):
        names = [organ.name for organ in ORGANS.values() if organ.in_everything and wanted(organ.label)]
        button.click(None, None, classes, js=f"() => [{names!r}]", **_PRIVATE)
    classes.change(None, classes, run, js=_RUN_LABEL, **_PRIVATE)
    _wire(workbench, page, parts, demo, classes, asked_for)


def _wire(
    workbench: Workbench,
    page: gr.Blocks,
    parts: _Parts,
    demo: gr.Button,
    classes: gr.Dropdown,
    asked_for: gr.Textbox,
) -> None:
    """Connect what a person does to the use cases."""
    show = _Shown(workbench, parts)

    async def take(
        files: Sequence[str] | str | None, open_now: str, request: gr.Request
    ) -> AsyncIterator[dict[Any, Any]]:
        """An upload arrived."""
        paths = [Path(each) for each in ([files] if isinstance(files, str) else files or [])]
        if not paths:
            yield {parts.progress: gr.skip()}
            return

        def taken(who: Visitor) -> tuple[Case, JobView]:
            return workbench.opening.take_files(who, paths, let_choose=True)

        async for view in show.opening(request, taken, open_now):
            yield view

    async def open_demo(open_now: str, request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        """The demo button."""
        async for view in show.opening(request, workbench.opening.open_demo, open_now):
            yield view

    async def choose(case_id: str, series: int, request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        """One of several series was chosen."""

        def chosen(who: Visitor) -> tuple[Case, JobView]:
            job = workbench.opening.choose_series(who, case_id, series)
            return workbench.review.case(who, case_id), job

        async for view in show.opening(request, chosen):
            yield view

    async def segment(case_id: str, names: list[str], request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        """Run."""
        try:
            who = show.visitor(request)
            job = workbench.review.segment(who, case_id, asked=names)
            async for view in show.following(who, case_id, job):
                yield view
        except WorkbenchError as error:
            yield {parts.progress: trouble("The segmentation did not start", error.message, error.hint)}

    async def restore(asked: str, request: gr.Request) -> AsyncIterator[dict[Any, Any]]:
        """The page was opened, perhaps on a case whose job still runs."""
        link: dict[str, str] = json.loads(asked)
        case_id = link.get("case", "")
        if not case_id and _DEMO in link:
            async for view in show.opening(request, workbench.opening.open_demo):
                yield view
            return
        if not case_id:
            yield {parts.progress: gr.skip()}
            return
        place = {name: link[name] for name in _PLACE if name in link}
        try:
            who = show.visitor(request)
            case = workbench.review.case(who, case_id)
            job = workbench.review.job_on(who, case)
            if job is not None and job.running:
                async for view in show.following(who, case_id, job, place=place):
                    yield view
            else:
                yield show.case(case, place)
        except NotFound:
            yield show.nothing() | {parts.report: _NOT_YOURS}
        except WorkbenchError as error:
            yield {parts.report: trouble("This case cannot be opened", error.message, error.hint)}

    def stop(case_id: str, request: gr.Request) -> None:
        """Cancel."""
        who = show.visitor(request)
        job = workbench.review.job_on(who, workbench.review.case(who, case_id))
        if job is not None:
            workbench.review.cancel(who, job.id)

    freely: dict[str, Any] = {"outputs": parts.all(), "concurrency_limit": None, **_PRIVATE}
    for control in (parts.upload, parts.folder):
        control.upload(take, [control, parts.case_id], **freely)
    demo.click(open_demo, parts.case_id, **freely)
    parts.open_series.click(choose, [parts.case_id, parts.series], **freely)
    parts.run.click(segment, [parts.case_id, classes], **freely)
    parts.cancel.click(stop, parts.case_id, None, queue=False, **_PRIVATE)
    page.load(restore, asked_for, js=_ASKED_FOR, **freely)


class _Shown:
    """Turns cases and jobs into what the components show."""

    def __init__(self, workbench: Workbench, parts: _Parts) -> None:
        self._workbench = workbench
        self._parts = parts

    def visitor(self, request: gr.Request) -> Visitor:
        return self._workbench.access.visitor(request.headers.get("authorization"), dict(request.cookies))

    async def opening(
        self, request: gr.Request, start: Callable[[Visitor], tuple[Case, JobView]], open_now: str = ""
    ) -> AsyncIterator[dict[Any, Any]]:
        """Start reading, follow it, show the case; the case `open_now` stays when it fails."""
        parts = self._parts
        try:
            who = self.visitor(request)
            yield {parts.progress: "", parts.upload: None}
            case, job = await asyncio.to_thread(start, who)
            async for view in self.following(who, case.id, job, open_before=open_now):
                yield view
        except WorkbenchError as error:
            yield {parts.report: trouble("The CT could not be opened", error.message, error.hint), parts.upload: None}

    async def following(
        self, who: Visitor, case_id: str, job: JobView, *, place: Mapping[str, str] | None = None, open_before: str = ""
    ) -> AsyncIterator[dict[Any, Any]]:
        """Show a job's progress until it ends, then what it made."""
        parts, review = self._parts, self._workbench.review
        reading = job.kind == "read"
        where = parts.report if reading else parts.progress
        if not reading:
            yield self.case(review.case(who, case_id), place)
        while job.running:
            yield {
                where: review_html.progress(job),
                parts.cancel: gr.update(visible=True),
                parts.run: gr.update(interactive=False),
                parts.case_id: case_id,
            }
            await asyncio.sleep(_LOOK_EVERY_S)
            job = review.job(who, job.id)
        said = review_html.outcome(job)
        done: dict[Any, Any] = {parts.cancel: gr.update(visible=False), parts.progress: ""}
        if reading and job.error is not None:
            yield self.before(who, open_before, said) | done
            return
        case = review.case(who, case_id)
        yield self.case(case) | done | ({} if reading else {parts.progress: said or review_html.finished(case)})

    def before(self, who: Visitor, case_id: str, said: str) -> dict[Any, Any]:
        """What was open before, under what there is to say about the CT that could not be read."""
        try:
            case = self._workbench.review.case(who, case_id) if case_id else None
        except NotFound:
            case = None
        if case is None or case.state is not CaseState.READY:
            return self.nothing() | {self._parts.report: said + review_html.NO_CASE}
        return self.case(case) | {self._parts.report: said + review_html.report(case)}

    def case(self, case: Case, place: Mapping[str, str] | None = None) -> dict[Any, Any]:
        """Everything of a case; the viewer opens it at `place`: plane, slice and window as a link names them."""
        parts = self._parts
        if case.state is not CaseState.READY:
            usable = [each for each in case.series if each.usable]
            likeliest = next((each.number for each in usable if each.likeliest), None)
            return self.nothing() | {
                parts.case_id: case.id,
                parts.report: review_html.choosing(case),
                parts.series: gr.update(
                    visible=True,
                    choices=[(review_html.series_choice(each), each.number) for each in usable],
                    value=likeliest or (usable[0].number if usable else None),
                ),
                parts.open_series: gr.update(visible=True),
            }
        return {
            parts.case_id: case.id,
            parts.report: review_html.report(case),
            parts.series: gr.update(visible=False),
            parts.open_series: gr.update(visible=False),
            parts.run: gr.update(interactive=True),
            parts.viewer: gr.update(value={"case": case.id, "revision": case.revision, **(place or {})}),
            parts.organs: review_html.organs(case),
            parts.downloads: review_html.downloads(case),
            parts.badge: badge_html(case),
        }

    def nothing(self) -> dict[Any, Any]:
        """No case."""
        parts = self._parts
        return {
            parts.case_id: "",
            parts.report: review_html.NO_CASE,
            parts.series: gr.update(visible=False),
            parts.open_series: gr.update(visible=False),
            parts.run: gr.update(interactive=False),
            parts.viewer: gr.update(value={"case": "", "revision": 0}),
            parts.organs: review_html.NO_VOLUMES,
            parts.downloads: "",
            parts.badge: badge_html(None),
        }
