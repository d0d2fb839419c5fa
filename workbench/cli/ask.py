"""`workbench ask`: questions about a picture or a slice of a CT on the command line, one or a line each as turns."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.cases.store import telling_disk_full
from workbench.cli.ask_ways import AskingWay, way_to_ask
from workbench.cli.bar import Bar
from workbench.cli.questions import questions, tell_error
from workbench.domain.errors import InvalidRequest, UnreadableImage, WorkbenchError
from workbench.settings import load_settings
from workbench.usecases.ask_image import refuse_question
from workbench.usecases.export_ask import EXPORTS

DEMO = "demo"
_CASE = "case:"
_OF_A_CT = {"plane", "slice", "overlay", "mosaic", "series"}
"""Of a view's fields, those that mean nothing for a picture file."""


def run(options: argparse.Namespace) -> int:
    """Answer every question; 1 where any of them failed, and the others are answered all the same."""
    form = _form(options.output)
    if options.question is not None:
        refuse_question(options.question)
    files, view = _files(options.image), _view(options)
    settings = load_settings(data_dir=options.data_dir, nim_mode=options.mode)
    with way_to_ask(settings, wants_mode=options.mode) as way:
        bar = Bar(sys.stderr, quiet=options.json)
        try:
            about = way.about(files, view, bar.tell)
        finally:
            bar.close()
        talk = _Talk(way, about, options, of_a_ct=sorted(view.keys() & _OF_A_CT))
        failed = False
        for question in questions(options.question):
            try:
                talk.ask(question)
            except WorkbenchError as error:
                if options.question is not None:
                    raise
                failed = True
                tell_error(error, question, as_json=options.json)
        if form is not None and talk.exchanges:
            _write(Path(options.output), way.export(talk.exchanges, form))
    return 1 if failed else 0


class _Talk:
    """Questions about one picture, each with what was said before."""

    def __init__(
        self, way: AskingWay, about: dict[str, Any], options: argparse.Namespace, *, of_a_ct: list[str]
    ) -> None:
        """`of_a_ct` are the options given that only hold for a CT."""
        self._way = way
        self._of_a_ct = of_a_ct
        self._about = about
        self._as_json: bool = options.json
        self._modality: str | None = options.modality
        self._expert: str | None = options.expert
        self._turns: list[dict[str, str]] = []
        self.exchanges: list[dict[str, Any]] = []

    def ask(self, question: str) -> None:
        """Ask, print as it comes; where the model calls for an expert and the person says yes, run it and go on."""
        answer = self._answered(question, self._way.ask(self._body(question) | self._about))
        self._about = {"picture_id": answer["image"]["picture_id"]}
        if answer["image"]["plane"] is None and self._of_a_ct:
            sys.stderr.write(f"workbench: IMAGE is a picture, so --{', --'.join(self._of_a_ct)} changed nothing\n")
            self._of_a_ct = []
        done: set[str] = set()
        while answer["can_run"] and answer["trigger"]["argument"] not in done and self._agrees(answer["offer"]):
            argument = answer["trigger"]["argument"]
            done.add(argument)
            body = self._body(question) | self._about | {"argument": argument}
            answer = self._answered(question, self._way.expert(body))
        said = {"role": "user", "text": question}, {"role": "assistant", "text": answer["answer"]}
        self._turns += [each for each in said if each["text"].strip()]

    def _body(self, question: str) -> dict[str, Any]:
        # A talk keeps its last turns: the service takes 200 of them.
        return {"question": question, "modality": self._modality, "history": self._turns[-100:]}

    def _answered(self, question: str, events: Iterator[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        bar = Bar(sys.stderr, quiet=self._as_json)
        for name, content in events:
            if name == "working":
                bar.tell(content["stage"], content["fraction"])
            elif name == "done":
                answer = content
            elif not self._as_json:
                if name == "expert":
                    bar.close()
                sys.stdout.write(_said(name, content))
                sys.stdout.flush()
        self.exchanges.append({"question": question, "answer": answer})
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n" if self._as_json else "\n" + notes(answer))
        sys.stdout.flush()
        return answer

    def _agrees(self, offer: str) -> bool:
        """Whether the person says yes; nobody at a terminal is no yes."""
        if self._expert is not None:
            return self._expert == "yes"
        if self._as_json or not sys.stdin.isatty():
            return False
        sys.stderr.write(f"{offer} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def _said(name: str, content: dict[str, Any]) -> str:
    if name == "token":
        return str(content["text"])
    if name == "expert":
        mark = "MOCK: " if content["is_mock"] else ""
        found = content["legend"] or "nothing is marked on this slice"
        return f"{mark}{content['model']}, {content['argument']}: {found}\n"
    return _who(content) if name == "begun" else ""


def _who(begun: dict[str, Any]) -> str:
    """Who answers, told before the first word."""
    because = f" ({begun['fallback_reason']})" if begun["fallback_reason"] else ""
    if begun["provenance"]["origin"] == "mock":
        return f"MOCK: pixel statistics and the mask, no vision model{because}\n"
    if begun["is_mock"]:
        return f"MOCK: {begun['model']} answers; what it is shown is made up, in whole or in part{because}\n"
    where = "the hosted catalogue" if begun["provenance"]["origin"] == "cloud" else "your own NIM"
    return f"{begun['model']} answers ({where})\n"


def notes(answer: dict[str, Any]) -> str:
    """What follows an answer: what it calls for, what it rests on, and what to know."""
    lines = [f"! {text}" for text in answer["warnings"]]
    if answer["finish"] == "cut":
        lines.append("! the answer broke off before its end")
    if answer["finish"] == "length":
        lines.append("! the answer reached its longest length")
    if answer["is_synthetic"]:
        lines.append("SYNTHETIC: a model drew the CT, no patient was scanned")
    if answer["offer"]:
        lines.append(answer["offer"])
    lines.append(f"picture: {_picture(answer['image'])}, {answer['sent_as']}")
    lines += [f"note: {each}" for each in (*answer["image"]["notes"], *answer["notices"])]
    return "".join(f"{line}\n" for line in lines)


def _picture(image: dict[str, Any]) -> str:
    size = f"{image['width_px']} x {image['height_px']} px, sha256 {image['sha256'][:12]}"
    if image["plane"] is None:
        return size
    window = image["window"]
    return f"{image['plane']} {image['slice']}, window {window['center']:g} / {window['width']:g} HU, {size}"


def _files(image: str) -> list[Path]:
    """The files named; none for the phantom and for a case that is open already."""
    if image == DEMO or image.startswith(_CASE):
        return []
    path = Path(image)
    found = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    if not found:
        raise UnreadableImage(
            f"There is no file at “{path.name or path}”.",
            hint="Give a picture (PNG, JPEG, DICOM), a CT file, a folder of DICOM files, or the word demo.",
        )
    return found


def _view(options: argparse.Namespace) -> dict[str, Any]:
    """The published fields of the view asked for; those not given are left out."""
    fields = {
        "case_id": options.image.removeprefix(_CASE) if options.image.startswith(_CASE) else None,
        "plane": options.plane,
        "slice": options.slice,
        "window": options.window,
        "overlay": options.overlay or None,
        "mosaic": options.mosaic or None,
        "series": options.series,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _form(output: str | None) -> str | None:
    """The export's format, by the file's ending."""
    if output is None:
        return None
    form = Path(output).suffix.removeprefix(".").lower()
    if form not in EXPORTS:
        raise InvalidRequest(
            f"“{Path(output).name}” has no ending that says its format.", hint=f"Use one of .{', .'.join(EXPORTS)}."
        )
    if not Path(output).absolute().parent.is_dir():
        raise InvalidRequest(f"There is no folder to write “{Path(output).name}” to.", hint="Make it first.")
    return form


def _write(path: Path, text: str) -> None:
    try:
        with telling_disk_full():
            path.write_text(text, "utf-8")
    except OSError as error:
        raise InvalidRequest(
            f"“{path.name}” cannot be written: {error.strerror}.", hint="Give another file with -o."
        ) from error
