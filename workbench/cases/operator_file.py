"""The operator's YAML: what nobody can observe about a NIM, and what each may be used for.

services:
  vista3d:
    purposes: [segmentation]
    image: nvcr.io/nim/nvidia/vista3d:1.0.0
    gpu: one L40S, 48 GB
    container_settings:
      NIM_HTTP_MAX_WORKERS: 1
      NGC_API_KEY: set
    update_channel: pinned tag, reviewed each quarter
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from workbench.domain.errors import ConfigurationError
from workbench.domain.records import FIELDS, NOT_DECLARED, OBVIOUS, Operator, Purpose

SETTING = "IMAGING_OPERATOR_FILE"
_MOST_BYTES = 65_536
_MOST_CHARACTERS = 500
_DECLARABLE = tuple(name for name in FIELDS if name not in NOT_DECLARED)
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASS|AUTH|CRED|CERT|COOKIE", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"nvapi-\w|\bBearer\s+\S|://[^/\s@]*:[^/\s@]*@|-----BEGIN ", re.IGNORECASE)
_HARMLESS_SETTINGS = frozenset(
    {
        "CUDA_VISIBLE_DEVICES",
        "IMAGE_URI_ALLOW_REDIRECTS",
        "IMAGE_URI_HTTPS_ONLY",
        "NIM_ENABLE_AUTO_TOOL_CHOICE",
        "NIM_LOG_LEVEL",
        "NIM_MODEL_PROFILE",
        "NIM_SERVED_MODEL_NAME",
        "NIM_TOOL_CALL_PARSER",
        "SUPPORTED_IMAGE_EXT",
        "TRT_INFERENCE",
    }
)
"""Settings whose text says nothing about a machine, a network or a key; of others only numbers and switches show."""


def read_operator_file(path: Path | None) -> Operator:
    """What the file declares; nothing where no file is set.

    Raises:
        ConfigurationError: the file cannot be read, is no YAML, or names something unknown; also where a value looks
            like a key, which a record that visitors read must not hold.
    """
    if path is None:
        return Operator()
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _wrong("it has more than 64 kB")
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"it cannot be read ({type(error).__name__})") from error
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise _wrong(f"it is not YAML{where}") from error
    top = _mapping(content or {}, "the file")
    _refuse_unknown(top, ("services",), "the file")
    services = _mapping(top.get("services") or {}, "services")
    _refuse_unknown(services, OBVIOUS, "services")
    declared = {name: _mapping(each or {}, name) for name, each in services.items()}
    for name, each in declared.items():
        _refuse_unknown(each, ("purposes", *_DECLARABLE), name)
    return Operator(
        purposes={name: _purposes(each["purposes"], name) for name, each in declared.items() if "purposes" in each},
        facts={
            name: {
                field: _settings(value, name) if field == "container_settings" else _plain(value, f"{name}.{field}")
                for field, value in each.items()
                if field != "purposes" and value is not None
            }
            for name, each in declared.items()
        },
    )


def _purposes(value: Any, service: str) -> tuple[Purpose, ...]:
    """Each once, in the order of the noun; an empty list allows nothing."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise _wrong(f"{service}.purposes is not a list of words")
    _refuse_unknown(names, [each.value for each in Purpose], f"{service}.purposes")
    return tuple(each for each in Purpose if each.value in names)


def _settings(value: Any, service: str) -> dict[str, Any]:
    """Names with their values where these are harmless, else with the word `set`."""
    where = f"{service}.container_settings"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return {_short(each, where): "set" for each in value}
    return {_short(str(name), where): _harmless(str(name), each) for name, each in _mapping(value, where).items()}


def _harmless(name: str, value: Any) -> Any:
    if _SECRET_NAME.search(name) or value is None:
        return "set"
    if isinstance(value, bool | int | float):
        return value
    shown = str(value)[:100]
    return shown if name in _HARMLESS_SETTINGS and not _SECRET_VALUE.search(shown) else "set"


def _plain(value: Any, where: str) -> Any:
    """A number, a switch, a line of text, or a list of these."""
    if isinstance(value, list):
        return [_plain(each, where) for each in value[:50] if not isinstance(each, list)]
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        raise _wrong(f"{where} is not a word, a number or a list")
    return _short(str(value), where)


def _short(text: str, where: str) -> str:
    if _SECRET_VALUE.search(text):
        raise _wrong(f"{where} looks like a key or a password, and visitors may read the record")
    return " ".join(text.split())[:_MOST_CHARACTERS]


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise _wrong(f"{where} does not hold names and values")
    return value


def _refuse_unknown(names: Iterable[str], known: Iterable[str], where: str) -> None:
    words = list(known)
    for name in names:
        if name not in words:
            near = difflib.get_close_matches(name, words, n=1, cutoff=0.0)
            raise _wrong(f"{where} holds the unknown word “{name[:40]}”", hint=f"Did you mean {near[0]}?")


def _wrong(why: str, *, hint: str | None = None) -> ConfigurationError:
    return ConfigurationError(
        f"The operator's file does not fit: {why}.", hint=hint or f"Correct the file that {SETTING} names, or empty it."
    )
