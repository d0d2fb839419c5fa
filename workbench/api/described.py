"""What `/openapi.json` says beyond what FastAPI finds out: bodies that routes read themselves, and errors."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "An error (RFC 9457), with a cure in `hint` where there is one.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "hint": {"type": "string"},
        "trace_id": {"type": "string", "description": "stands in the log too"},
    },
}
_TOLD = {
    "description": "An error",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_LOCAL, _SHARED = "#/$defs/", "#/components/schemas/"
_NEVER_SENT = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI) -> None:
    """Let the app describe itself so; its description is made once, when it is first asked for."""
    found = app.openapi

    def described() -> dict[str, Any]:
        return app.openapi_schema if app.openapi_schema is not None else completed(found())

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def completed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, changed in place: every reference leads somewhere, and every route tells of its errors."""
    shared: dict[str, Any] = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in _NEVER_SENT:
        shared.pop(name, None)
    shared["Problem"] = _PROBLEM
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _TOLD
    # pydantic writes the parts of a model as if it were the whole document.
    shared.update(_lifted(schema["paths"]))
    _lead_to_shared(schema)
    return schema


def _lifted(node: Any) -> dict[str, Any]:
    """The parts of models that lie inside of a tree, taken out of it."""
    parts: dict[str, Any] = {}
    if isinstance(node, dict):
        parts.update(node.pop("$defs", {}))
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        parts.update(_lifted(each))
    return parts


def _lead_to_shared(node: Any) -> None:
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        node["$ref"] = node["$ref"].replace(_LOCAL, _SHARED)
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _lead_to_shared(each)
