"""Take a talk about pictures away: HTML with the pictures inside, Markdown or JSON, each answer with its origin."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from workbench.domain.errors import NotFound
from workbench.domain.picture import Picture
from workbench.usecases.export_chat import EXPORTS, NOTICE

__all__ = ["EXPORTS", "export_ask"]

TITLE = "Questions about pictures"
_ORIGINS = {"local": "own NIM", "cloud": "hosted catalogue"}
_WENT = {
    "inline": "went in the request",
    "asset": "was uploaded beside the request and deleted after it",
    "file": "went as a file",
    "not sent": "was not sent",
}
_KEPT_NO_MORE = "This picture is no longer kept."
# What Markdown would read as HTML, or as a picture or a link to be fetched.
_ACTIVE = re.compile(r"<(?=[A-Za-z/!?])|(?<=!)\[|(?<=\])\(")
# Colours and their contrast are those of the page: text 14.4 and 16.5 to 1, muted 6.3 and more, amber 5.9 and more.
_STYLE = (
    ":root{color-scheme:light dark;--page:#ffffff;--text:#15202b;--muted:#56616e;--line:#d5dbe2;--mark:#8a5a00}"
    "@media (prefers-color-scheme:dark){:root{--page:#161b22;--text:#e7ebf0;--muted:#9aa6b4;--line:#2b3440;"
    "--mark:#f0b429}}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:var(--text);"
    "background:var(--page)}h2{font-size:1.1rem;border-top:1px solid var(--line);padding-top:1rem;"
    "overflow-wrap:anywhere}p,li{overflow-wrap:anywhere}.said{white-space:pre-wrap}"
    ".mark{color:var(--mark);font-weight:600}.quiet{color:var(--muted);font-size:.9rem}figure{margin:1rem 0}"
    "img{display:block;max-width:100%;height:auto;background:#000}figcaption{color:var(--muted);font-size:.9rem;margin-top:.4rem;"
    "overflow-wrap:anywhere}pre{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid var(--line);padding:.8rem;"
    "font-size:.85rem}summary{color:var(--muted);cursor:pointer}"
)


def export_ask(exchanges: Sequence[Mapping[str, Any]], form: str, *, at: str, picture: Callable[[str], Picture]) -> str:
    """The talk as text in one of `EXPORTS`.

    Args:
        exchanges: `question` and `answer`, the answer in its published form, oldest first.
        form: `html`, `md` or `json`.
        at: when it is exported, ISO 8601.
        picture: a picture by its id; raises `NotFound` for one that is gone, of which the facts remain.
    """
    if form == "json":
        content = {"notice": NOTICE, "exported_at": at, "exchanges": list(exchanges)}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return _html(exchanges, at, picture) if form == "html" else _markdown(exchanges, at)


def _html(exchanges: Sequence[Mapping[str, Any]], at: str, picture: Callable[[str], Picture]) -> str:
    """One file without scripts; whatever a person or a model wrote is text in it.

    A picture stands once before the questions about it that follow each other.
    """
    body: list[str] = []
    before = ""
    for each in exchanges:
        answer = each["answer"]
        body.append(f"<h2>{_safe(each['question'])}</h2>")
        if answer["image"]["sha256"] != before:
            body.append(_figure(answer["image"]["picture_id"], answer["image"], picture))
            before = answer["image"]["sha256"]
        if answer["expert"]:
            body.append(f'<p class="quiet">{_safe(_call(answer["expert"]))}</p>')
            body.append(_figure(answer["expert"]["picture"]["id"], answer["expert"]["picture"], picture))
        body += [f'<p class="{"mark" if warns else "quiet"}">{_safe(note)}</p>' for note, warns in _notes(answer)]
        body.append(f'<p class="said">{_safe(answer["answer"])}</p>')
        body += [f'<p class="quiet">{_safe(text)}</p>' for text in _remarks(answer)]
        if answer["prompt"]:
            body.append(f"<details><summary>What was sent</summary><pre>{_safe(answer['prompt'])}</pre></details>")
        body.append(f"<details><summary>Where it comes from</summary><pre>{_safe(_origin(answer))}</pre></details>")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body><h1>{TITLE}</h1>"
        f'<p class="quiet">Exported {_safe(at)}. {NOTICE}</p>{"".join(body)}</body></html>\n'
    )


def _figure(picture_id: str, image: Mapping[str, Any], picture: Callable[[str], Picture]) -> str:
    caption = f"<figcaption>{_safe(_facts(image))}</figcaption>"
    try:
        found = picture(picture_id)
    except NotFound:
        return f"<figure><p>{_KEPT_NO_MORE}</p>{caption}</figure>"
    if found.facts.sha256 != image["sha256"]:
        return f"<figure><p>{_KEPT_NO_MORE}</p>{caption}</figure>"
    facts = found.facts
    data = base64.b64encode(found.encoded).decode("ascii")
    size = f'width="{facts.width_px}" height="{facts.height_px}"'
    shown = f'<img alt="{_safe(_what(image))}" {size} src="data:{_safe(facts.media_type)};base64,{data}">'
    return f"<figure>{shown}{caption}</figure>"


def _markdown(exchanges: Sequence[Mapping[str, Any]], at: str) -> str:
    """Without the pixels, which the digests name. Whatever a person or a model wrote is text in it."""
    lines = [f"# {TITLE}", "", f"Exported {at}. {NOTICE}", ""]
    for each in exchanges:
        answer = each["answer"]
        lines += [f"## {_plain(_line(each['question']))}", "", f"Picture: {_plain(_facts(answer['image']))}", ""]
        if answer["expert"]:
            expert = answer["expert"]
            lines += [_plain(_call(expert)), "", f"Shown to the model: {_plain(_facts(expert['picture']))}", ""]
        lines += [line for note, _ in _notes(answer) for line in (f"*{_plain(note)}*", "")]
        lines += [_plain(answer["answer"]), ""]
        lines += [f"- {_plain(text)}" for text in _remarks(answer)]
        for title, text in (("What was sent", answer["prompt"]), ("Where it comes from", _origin(answer))):
            if text:
                lines += ["", f"### {title}", "", *(f"    {line}" for line in text.splitlines())]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _notes(answer: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Where the answer comes from, told before the answer itself, and whether it is a warning."""
    made = answer["provenance"]
    is_mock = made["origin"] == "mock"
    origin = "MOCK" if is_mock else _ORIGINS.get(made["origin"], made["origin"])
    went = _WENT.get(answer["sent_as"], answer["sent_as"])
    yield f"Answered by {answer['model']} ({origin}), {made['created_at']}. The picture {went}.", is_mock
    if answer["is_mock"] and not is_mock:
        yield "MOCK: what it rests on is made up, in whole or in part.", True
    if answer["is_synthetic"]:
        yield "SYNTHETIC: a model drew the CT, no patient was scanned.", True
    if answer["fallback_reason"]:
        yield f"A mock stood in: {answer['fallback_reason']}", True
    if answer["finish"] in ("length", "cut"):
        whole = answer["finish"] == "length"
        yield "The answer was cut at its longest length." if whole else "The answer is not complete.", True


def _remarks(answer: Mapping[str, Any]) -> Iterator[str]:
    """What follows an answer."""
    if answer["offer"]:
        yield answer["offer"]
    yield from answer["warnings"]
    yield from answer["notices"]


def _call(expert: Mapping[str, Any]) -> str:
    """What an expert was asked, and what it gave."""
    who = f"{expert['model']}{' (MOCK)' if expert['is_mock'] else ''}"
    colours = f"The colours are {expert['legend']}." if expert["legend"] else "Nothing is marked on this slice."
    missing = f" Not found: {', '.join(expert['not_found'])}." if expert["not_found"] else ""
    return f"After a yes, {who} was asked for {expert['argument']}. {colours}{missing}"


def _what(image: Mapping[str, Any]) -> str:
    """A picture in a few words."""
    marked = f"{image['mark']}, " if image["mark"] else ""
    if image["plane"] is None:
        return f"{marked}uploaded picture"
    if image["kind"] == "mosaic":
        return f"{marked}three planes"
    return f"{marked}{image['plane']} slice {image['slice']}"


def _facts(image: Mapping[str, Any]) -> str:
    """What pins an answer to its picture, in a line."""
    parts = [_what(image)]
    if image["kind"] == "mosaic" and image["slices"]:
        parts.append(", ".join(f"{plane} {number}" for plane, number in image["slices"].items()))
    if image["window"]:
        name = f" ({image['window']['name']})" if image["window"]["name"] else ""
        parts.append(f"window {image['window']['center']:g} / {image['window']['width']:g} HU{name}")
    if image["plane"] is not None:
        parts.append(f"overlay {'on' if image['overlay'] else 'off'}")
    parts.append(f"{image['width_px']} x {image['height_px']} pixels")
    parts.append(f"SHA-256 {image['sha256']}")
    return "; ".join(parts)


def _origin(answer: Mapping[str, Any]) -> str:
    return json.dumps(answer["provenance"], indent=2, ensure_ascii=False)


def _line(text: str) -> str:
    return " ".join(text.split())


def _plain(text: str) -> str:
    """Text that stays text where the Markdown is shown."""
    return _ACTIVE.sub(lambda found: "\\" + found[0], text)


def _safe(text: object) -> str:
    return html.escape(str(text), quote=True)
