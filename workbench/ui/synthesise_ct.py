"""The Synthesize tab: a request goes to MAISI, a synthetic CT and a measured verdict come back.

Form, progress and cancelling are scripts on REST (`assets/web/synthesise`); what is shown of a case is made here, as on
the Segment tab.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.domain.case import Case, CaseState, Visitor
from workbench.domain.errors import WorkbenchError
from workbench.ui import synthesise_form as form
from workbench.ui import synthesise_html as html
from workbench.ui.badge import badge_html
from workbench.ui.viewer import build_viewer
from workbench.ui.words import trouble
from workbench.usecases.workbench import Workbench

_LOAD = """
import(new URL("assets/web/synthesise/index.js", document.baseURI).href)
  .then((tab) => tab.startSynthesise(element, (asked) => trigger("look", asked)));
"""
_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def build_tab(workbench: Workbench) -> None:
    """Build the tab's components and wire them to the use cases."""
    with gr.Row(elem_id="syn-room", elem_classes=["wb-room", "syn-room"]):
        with gr.Column(elem_id="syn-request", elem_classes=["wb-inspector", "syn-request"], scale=0):
            gr.HTML(form.NARROW_SWITCH, padding=False)
            asked = gr.HTML(html_template=form.FORM, js_on_load=_LOAD, elem_id="syn-ask", padding=False)
        with gr.Column(elem_classes="wb-stage", scale=1):
            viewer = build_viewer("syn-viewer", empty_html=form.EMPTY, window_id="syn-window", opacity_id="syn-opacity")
        with gr.Column(elem_id="syn-result", elem_classes=["wb-inspector", "syn-result"], scale=0):
            gr.HTML(form.NARROW_SWITCH, padding=False)
            with gr.Column(elem_classes="wb-section"):
                about = gr.HTML(html.NO_CASE, elem_id="syn-about")
            gr.HTML(form.RESULT_SWITCH, padding=False, elem_id="syn-switch")
            with gr.Column(elem_classes=["wb-section", "wb-grows"], elem_id="syn-side-structures"):
                organs = gr.HTML(html.NO_ORGANS, elem_id="syn-organs")
                downloads = gr.HTML("", elem_id="syn-downloads")
            with gr.Column(elem_classes="wb-section", elem_id="syn-side-check"):
                checked = gr.HTML(html.NO_CASE, elem_id="syn-checked")
            with gr.Column(elem_classes="wb-section", elem_id="syn-side-gallery"):
                gallery = gr.HTML(html.NO_GALLERY, elem_id="syn-gallery")
    badge = gr.HTML(badge_html(None), elem_id="syn-badge", padding=False)

    def look(request: gr.Request, event: gr.EventData) -> dict[Any, Any]:
        """Show a case, and the gallery as it stands; without a case, what is open stays."""
        try:
            visitor = workbench.access.visitor(request.headers.get("authorization"), dict(request.cookies))
            shown = _Shown(workbench, visitor, str(event._data.get("case") or ""))
            told: dict[Any, Any] = {gallery: shown.gallery()}
            if shown.case is not None:
                told |= {
                    viewer: gr.update(value={"case": shown.case.id, "revision": shown.case.revision}),
                    about: shown.about(),
                    organs: html.organs(shown.case),
                    downloads: html.downloads(shown.case),
                    checked: html.check(shown.case),
                    badge: badge_html(shown.case),
                }
            elif event._data.get("clear"):
                told |= {
                    viewer: gr.update(value={"case": "", "revision": 0}),
                    about: html.NO_CASE,
                    organs: html.NO_ORGANS,
                    downloads: "",
                    checked: html.NO_CASE,
                    badge: badge_html(None),
                }
        except WorkbenchError as error:
            return {about: trouble("This cannot be shown", error.message, error.hint)}
        return told

    asked.look(
        look, None, [viewer, about, organs, downloads, checked, gallery, badge], concurrency_limit=None, **_PRIVATE
    )


class _Shown:
    """A case with the generation that it came from, and the visit's gallery."""

    def __init__(self, workbench: Workbench, visitor: Visitor, case_id: str) -> None:
        self._generations = workbench.synthesis.generations(visitor)
        self._alive = {case.id for each in self._generations for case in workbench.synthesis.cases(visitor, each)}
        case = workbench.review.case(visitor, case_id) if case_id else None
        is_there = case is not None and case.state is CaseState.READY and case.synthesis is not None
        self.case: Case | None = case if is_there else None

    def about(self) -> str:
        """What is open."""
        if self.case is None or self.case.synthesis is None:
            return html.NO_CASE
        wanted = self.case.synthesis.generation
        return html.about(self.case, next((each for each in self._generations if each.id == wanted), None))

    def gallery(self) -> str:
        """The visit's generations."""
        return html.gallery(self._generations, self._alive, self.case.id if self.case else "")
