"""`workbench segment`: a CT on the command line, through a running workbench where there is one."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from workbench.cases.store import telling_disk_full
from workbench.cli.bar import Bar
from workbench.domain.errors import InvalidRequest, UnreadableImage
from workbench.domain.organs import parse_organs
from workbench.settings import Settings, load_settings

FILES = ("mask.nii.gz", "volumes.csv", "volumes.json")


class Way(Protocol):
    """How a CT becomes an answer: over REST, or in this process."""

    def segment(
        self, files: list[Path], classes: list[str] | None, series: int | None, tell: Callable[..., None]
    ) -> dict[str, Any]:
        """The published answer; `tell(stage, fraction)` is called while it runs."""

    def fetch(self, case_id: str, name: str, target: Path) -> None:
        """Write one of the case's files."""


def run(options: argparse.Namespace) -> int:
    """Segment, print the volumes, write the files asked for."""
    parse_organs(options.classes or [])
    files = _files(Path(options.ct))
    output = _output(options.output)
    settings = load_settings(data_dir=options.data_dir, nim_mode=options.mode)
    with _way(settings, wants_mode=options.mode) as way:
        bar = Bar(sys.stderr, quiet=options.json)
        try:
            answer = way.segment(files, options.classes, options.series, bar.tell)
        finally:
            bar.close()
        if output is not None:
            with telling_disk_full():
                for name in FILES:
                    way.fetch(answer["case_id"], name, output / name)
    sys.stdout.write(json.dumps(answer, indent=2) + "\n" if options.json else table(answer))
    return 0


def table(answer: dict[str, Any]) -> str:
    """The answer for people: who answered, a row a structure, what to know."""
    lines = []
    if answer["is_mock"]:
        because = f" ({answer['fallback_reason']})" if answer["fallback_reason"] else ""
        lines.append(f"MOCK: not a measurement of a patient{because}")
    width = max([len(row["name"]) for row in answer["organs"]] + [9])
    lines.append(f"{'structure':<{width}}  {'volume mL':>12}  {'mean HU':>8}  {'SD HU':>7}")
    for row in answer["organs"]:
        least = ">=" if row["touches_edge"] else ""
        volume = f"{least}{row['volume_ml']:.{1 if row['volume_ml'] >= 10 else 2}f}"
        lines.append(f"{row['name']:<{width}}  {volume:>12}  {row['mean_hu']:>8.0f}  {row['std_hu']:>7.0f}")
    if not answer["organs"]:
        lines.append("no structure was found")
    if answer["not_found"]:
        lines.append(f"not found: {', '.join(answer['not_found'])}")
    lines.extend(f"note: {text}" for text in answer["warnings"])
    return "\n".join(lines) + "\n"


def _output(named: str | None) -> Path | None:
    """The folder to write to, made before the work: a minute of computing must not end at a folder that cannot be."""
    if named is None:
        return None
    folder = Path(named)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise InvalidRequest(
            f"Nothing can be written to the folder “{folder.name}”: {error.strerror}.", hint="Give another with -o."
        ) from error


def _files(path: Path) -> list[Path]:
    found = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    if not found:
        raise UnreadableImage(
            f"There is no file at “{path.name or path}”.", hint="Give a CT file, or a folder of DICOM files."
        )
    return found


def _way(settings: Settings, *, wants_mode: str | None) -> Any:
    from workbench.cli.in_process import InProcess  # noqa: PLC0415 - each way brings its own libraries
    from workbench.cli.over_rest import OverRest, reachable  # noqa: PLC0415 - likewise

    there = reachable(settings)
    return OverRest(there, wants_mode=wants_mode) if there else InProcess(settings)
