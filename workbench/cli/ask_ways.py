"""Two ways of asking about a picture: the workbench that runs on this machine, or one of this command's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, Protocol, cast

from workbench.api.ask_image import question_of
from workbench.api.ask_image_answers import event
from workbench.api.ask_image_schemas import AnalyzeBody, ExpertBody, ImageExportBody
from workbench.api.pictures import view_order
from workbench.cases.picture_work import lone_picture
from workbench.cli.in_process import OwnWorkbench
from workbench.cli.over_rest import OpenedWhenRead, OverRest, reachable
from workbench.domain.image_dialogue import ImageEvent
from workbench.domain.progress import Silent
from workbench.settings import Settings
from workbench.usecases.access import LOCAL
from workbench.usecases.answer_under_way import AnswerUnderWay
from workbench.usecases.export_ask import export_ask
from workbench.usecases.picture_order import Demo, OnDisk, OpenCase, PictureSource

_ROUTE = "/nim/vilam3"
_PICTURE_ONLY = ("window",)
"""Of a view's fields, those that hold for a picture file too."""

Event = tuple[str, dict[str, Any]]
Tell = Callable[..., None]


class AskingWay(Protocol):
    """How a question about a picture becomes the published events."""

    def about(self, files: Sequence[Path], view: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Make the picture; returns the fields that name it in a question. Without files it is the phantom's slice.

        `view` are the published fields of a view; `tell(stage, fraction)` is called while a CT is read.
        """

    def ask(self, body: dict[str, Any]) -> Iterator[Event]:
        """`begun`, `token` …, `done`; an error is raised."""

    def expert(self, body: dict[str, Any]) -> Iterator[Event]:
        """`working` …, `expert`, then as `ask`."""

    def export(self, exchanges: list[dict[str, Any]], form: str) -> str:
        """The talk as a file's text."""


def way_to_ask(settings: Settings, *, wants_mode: str | None) -> AbstractContextManager[AskingWay]:
    """The workbench that owns the data folder, where one runs; else one of this process. Enter it, then ask."""
    there = reachable(settings)
    return AskInProcess(settings) if there is None else AskOverRest(there, wants_mode=wants_mode)


class AskOverRest(OverRest):
    """Asks the running workbench, which owns the cases and pictures."""

    def about(self, files: Sequence[Path], view: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Send the files; a CT is read there first."""
        if not files:
            return view
        if lone_picture(files, progress=Silent()):
            tell("uploading", None)
            with files[0].open("rb") as file:
                fields = {name: view[name] for name in _PICTURE_ONLY if name in view}
                made = self.client.post("/pictures", data=fields, files={"file": (files[0].name, file)}, timeout=None)
            return {"picture_id": self.asked(made)["id"]}
        body = {name: value for name, value in view.items() if name != "series"}
        body["case_id"] = self._opened(files, view.get("series"), tell)
        return {"picture_id": self.asked(self.client.post("/pictures", json=body))["id"]}

    def ask(self, body: dict[str, Any]) -> Iterator[Event]:
        """Read server-sent events as they come."""
        yield from self.events(f"{_ROUTE}/analyze", body)

    def expert(self, body: dict[str, Any]) -> Iterator[Event]:
        """Read server-sent events as they come."""
        yield from self.events(f"{_ROUTE}/expert", body)

    def export(self, exchanges: list[dict[str, Any]], form: str) -> str:
        """By the running workbench, which holds the pictures."""
        answer = self.client.post(f"{_ROUTE}/export", json={"exchanges": exchanges, "format": form})
        if answer.is_error:
            self.asked(answer)
        return answer.text

    def _opened(self, files: Sequence[Path], series: int | None, tell: Tell) -> str:
        """Send a CT and follow its reading; the id of its case."""
        tell("uploading", None)
        sent = [("file", (path.name, cast(IO[bytes], OpenedWhenRead(path)))) for path in files]
        fields = {} if series is None else {"series": str(series)}
        job = self.asked(self.client.post("/cases", data=fields, files=sent, timeout=None))
        return self._follow(self.asked(self.client.get(f"/jobs/{job['job_id']}")), tell)


class AskInProcess(OwnWorkbench):
    """Questions about pictures in this process."""

    def about(self, files: Sequence[Path], view: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Read the files where they lie."""
        body = AnalyzeBody.model_validate({"question": "", **view})
        source: PictureSource = Demo() if not files else OnDisk(files=tuple(files))
        if body.case_id:
            source = OpenCase(case_id=body.case_id)
        facts = self._workbench.pictures.open_picture(
            LOCAL, source, view_order(body), series=body.series, progress=_Telling(tell)
        )
        return {"picture_id": facts.id}

    def ask(self, body: dict[str, Any]) -> Iterator[Event]:
        """The same events without a wire."""
        made = AnalyzeBody.model_validate(body)
        question = question_of(made, made.picture_id)
        yield from self._told(self._workbench.asking.ask(LOCAL, question, asks_consent=False))

    def expert(self, body: dict[str, Any]) -> Iterator[Event]:
        """The same events without a wire."""
        made = ExpertBody.model_validate(body)
        question = question_of(made, made.picture_id)
        yield from self._told(self._workbench.asking.run_expert(LOCAL, question, made.argument, asks_consent=False))

    def export(self, exchanges: list[dict[str, Any]], form: str) -> str:
        """With the pictures of this process."""
        body = ImageExportBody.model_validate({"exchanges": exchanges, "format": form})
        return export_ask(
            [each.model_dump(mode="json") for each in body.exchanges],
            form,
            at=self._workbench.clock.stamp(),
            picture=lambda picture_id: self._workbench.pictures.get(LOCAL, picture_id),
        )

    def _told(self, under_way: AnswerUnderWay[ImageEvent]) -> Iterator[Event]:
        try:
            for told in under_way:
                yield event(told, self._settings.nim_mode)
        finally:
            under_way.stop()


class _Telling:
    """The `Progress` that tells a bar."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def stage(self, name: str, fraction: float | None = None) -> None:
        self._tell(name, fraction)
