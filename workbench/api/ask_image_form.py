"""A question about a picture that comes as a form, in the shape of the JSON body."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from workbench.api.ask_image_schemas import AnalyzeBody
from workbench.api.form import Form
from workbench.domain.case import Case
from workbench.domain.errors import InvalidRequest

_OBJECTS = ("history", "sampling", "slices")
_FLAGS = ("overlay", "mosaic", "safe", "stream")
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def body_of_form(form: Form[Case]) -> AnalyzeBody:
    """The form's fields: objects and lists as JSON, labels repeated or separated by commas, flags as words.

    Raises:
        InvalidRequest: a field does not fit; it is named.
    """
    fields: dict[str, Any] = {name: form.text(name) for name in AnalyzeBody.model_fields if form.text(name)}
    labels = [part.strip() for text in form.all("labels") for part in text.split(",") if part.strip()]
    if labels:
        fields["labels"] = labels
    for name in _FLAGS:
        if name in fields:
            fields[name] = _flag(name, fields[name])
    for name in _OBJECTS:
        if name in fields:
            fields[name] = _object(name, fields[name])
    if fields.get("window", "").lstrip().startswith("{"):
        fields["window"] = _object("window", fields["window"])
    try:
        return AnalyzeBody.model_validate({"question": "", **fields})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise _unfit(".".join(str(part) for part in first["loc"]), first["msg"]) from error


def _flag(name: str, text: str) -> bool:
    word = text.strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise _unfit(name, "true or false is taken")
    return word in _TRUE


def _object(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unfit(name, "it is no JSON") from error


def _unfit(field: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {why}.", hint="See /docs for the fields of this route.")
