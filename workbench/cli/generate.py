"""`workbench generate`: synthetic CTs on the command line, through a running workbench where there is one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from workbench.cases.store import telling_disk_full
from workbench.cli.bar import Bar
from workbench.cli.segment import table
from workbench.cli.ways import output_folder, way_to
from workbench.domain.errors import InvalidRequest
from workbench.domain.synthesis import Forecast, RulesBroken, SynthesisRequest
from workbench.domain.synthesis_forecast import forecast
from workbench.domain.synthesis_guide import ReadRequest, read_request
from workbench.domain.synthesis_rules import advice, require_allowed
from workbench.settings import load_settings

FILES = ("image.nii.gz", "mask.nii.gz", "volumes.csv", "volumes.json")
REQUEST_FILE = "request.json"
_MOST_BYTES = 1_000_000


def run(options: argparse.Namespace) -> int:
    """Generate, print the volumes, write the files asked for; nothing is sent of a request that breaks a rule."""
    fields = _fields(options)
    asked = _allowed(fields)
    if options.dry_run:
        sys.stdout.write(_json(_foreseen(asked)) if options.json else _told(asked))
        return 0
    output = output_folder(options.output)
    settings = load_settings(data_dir=options.data_dir, nim_mode=options.mode)
    with way_to(settings, wants_mode=options.mode) as way:
        bar = Bar(sys.stderr, quiet=options.json)
        try:
            answer = way.generate(fields, bar.tell)
        finally:
            bar.close()
        if output is not None:
            with telling_disk_full():
                _write(way, answer, output)
    sys.stdout.write(_json(answer) if options.json else tables(answer))
    return 0


def tables(answer: dict[str, Any]) -> str:
    """The answer for people: a table a sample, what to know once."""
    samples = answer["cases"]
    parts = []
    for number, sample in enumerate(samples, 1):
        size, spacing = (" x ".join(f"{each:g}" for each in sample[name]) for name in ("size", "spacing_mm"))
        parts.append(f"sample {number} of {len(samples)}: {size} voxels of {spacing} mm, case {sample['case_id']}\n")
        parts.append(
            table(
                {
                    "is_mock": answer["is_mock"],
                    "is_synthetic": True,
                    "fallback_reason": answer["fallback_reason"],
                    "organs": sample["organs"],
                    "not_found": sample["not_found"],
                    "warnings": answer["warnings"] if number == len(samples) else [],
                }
            )
        )
    return "".join(parts)


def _fields(options: argparse.Namespace) -> dict[str, Any]:
    """The request as REST takes it: a file's fields, replaced by the options given."""
    fields = _of_file(Path(options.request)) if options.request else {}
    given = {
        "body_region": options.region,
        "output_size": options.size,
        "spacing": options.spacing,
        "anatomy_list": options.anatomy,
        "controllable_anatomy_size": ",".join(options.organ_size) if options.organ_size else None,
        "num_output_samples": options.samples,
    }
    return fields | {name: value for name, value in given.items() if value is not None}


def _of_file(path: Path) -> dict[str, Any]:
    wrong = InvalidRequest(
        f"“{path.name}” holds no request.", hint="Give the request.json of an earlier run, or use the options."
    )
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise wrong
        fields = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise wrong from error
    if not isinstance(fields, dict):
        raise wrong
    return fields


def _allowed(fields: dict[str, Any]) -> ReadRequest:
    """The request as understood.

    Raises:
        InvalidRequest: it breaks rules; every one of them is told in one line, with the nearest allowed request.
    """
    try:
        asked = read_request(fields)
        require_allowed(asked.request)
    except RulesBroken as broken:
        told = " ".join(each.message for each in broken.rules)
        near = broken.nearest
        hint = f"Nearest allowed: {_options(near)}" if near else " ".join(each.nearest for each in broken.rules)
        raise InvalidRequest(told, hint=hint) from broken
    return asked


def _options(request: SynthesisRequest) -> str:
    """A request as one would type it."""
    size, spacing = ("x".join(f"{each:g}" for each in values) for values in (request.output_size, request.spacing_mm))
    parts = [f"--size {size} --spacing {spacing} --samples {request.num_output_samples}"]
    if request.controllable_anatomy_size:
        rows = " ".join(f"{name.replace(' ', '_')}={each:g}" for name, each in request.controllable_anatomy_size)
        parts.append(f"--organ-size {rows}")
    else:
        parts.append(f"--region {' '.join(request.body_region)}")
        if request.anatomy_list:
            parts.append(f"--anatomy {' '.join(name.replace(' ', '_') for name in request.anatomy_list)}")
    return " ".join(parts)


def _foreseen(asked: ReadRequest) -> dict[str, Any]:
    costs = forecast(asked.request)
    return {
        "request": asked.request.to_json(),
        "warnings": list(asked.warnings),
        "advice": [each.to_json() for each in advice(asked.request)],
        "forecast": {
            "memory_low_gb": costs.memory_low_gb,
            "memory_high_gb": costs.memory_high_gb,
            "memory_size": list(costs.memory_size),
            "memory_source": costs.memory_source,
            "seconds": round(costs.seconds, 1),
            "seconds_gpu": costs.seconds_gpu,
            "field_of_view_mm": list(costs.field_of_view_mm),
            "result_mb": round(costs.result_mb, 1),
        },
    }


def _told(asked: ReadRequest) -> str:
    """What a dry run says to people."""
    costs = forecast(asked.request)
    lines = [f"MAISI would take this request: {_options(asked.request)}", *_costs(costs)]
    lines += [f"note: {text}" for text in asked.warnings]
    lines += [f"advice: {each.message} {each.nearest}".rstrip() for each in advice(asked.request)]
    return "\n".join(lines) + "\n"


def _costs(costs: Forecast) -> list[str]:
    view = " x ".join(f"{each:g}" for each in costs.field_of_view_mm)
    exact = "" if costs.memory_is_exact else f", published for {'x'.join(map(str, costs.memory_size))}"
    low, high = costs.memory_low_gb, costs.memory_high_gb
    memory = f"{low:g} GB" if low == high else f"{low:g} to {high:g} GB"
    return [
        f"field of view: {view} mm",
        f"GPU memory: {memory}{exact} ({costs.memory_source})",
        f"time: about {costs.seconds:.0f} s on an {costs.seconds_gpu} ({costs.seconds_source})",
        f"on disk: {costs.result_mb:.0f} MB",
    ]


def _write(way: Any, answer: dict[str, Any], output: Path) -> None:
    """`request.json`, and the files of each sample in a folder of its own."""
    (output / REQUEST_FILE).write_text(_json(answer["request"]), "utf-8")
    for number, sample in enumerate(answer["cases"], 1):
        folder = output / f"sample-{number}"
        folder.mkdir(exist_ok=True)
        for name in FILES:
            way.fetch(sample["case_id"], name, folder / name)


def _json(content: Any) -> str:
    return json.dumps(content, indent=2) + "\n"
