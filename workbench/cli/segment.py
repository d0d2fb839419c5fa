"""`workbench segment`: a CT on the command line, through a running workbench where there is one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from workbench.cases.store import telling_disk_full
from workbench.cli.bar import Bar
from workbench.cli.ways import output_folder, way_to
from workbench.domain.errors import UnreadableImage
from workbench.domain.organs import parse_organs
from workbench.settings import load_settings

FILES = ("mask.nii.gz", "volumes.csv", "volumes.json")


def run(options: argparse.Namespace) -> int:
    """Segment, print the volumes, write the files asked for."""
    parse_organs(options.classes or [])
    files = _files(Path(options.ct))
    output = output_folder(options.output)
    settings = load_settings(data_dir=options.data_dir, nim_mode=options.mode)
    with way_to(settings, wants_mode=options.mode) as way:
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
    if answer["is_synthetic"]:
        lines.append("SYNTHETIC: a model drew the CT, no patient was scanned")
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


def _files(path: Path) -> list[Path]:
    found = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    if not found:
        raise UnreadableImage(
            f"There is no file at “{path.name or path}”.", hint="Give a CT file, or a folder of DICOM files."
        )
    return found
