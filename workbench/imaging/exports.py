"""Tables and label lists to take away. Each says where its numbers come from, and MOCK or SYNTHETIC where they are.

Texts hold no patient data. A CSV has one line a structure and the origin in every line, so that a line copied into
another sheet still says it; the JSON holds the whole provenance.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.domain.organs import ORGANS
from workbench.domain.provenance import Provenance
from workbench.domain.segmentation import Measurements, OrganVolume
from workbench.domain.volume import CtReport
from workbench.imaging.colours import colour_of

NOTICE = "Research use. Not for clinical decisions."

UNITS: Mapping[str, str] = {
    "volume_ml": "mL; a lower bound where touches_edge is true",
    "mean_hu": "HU",
    "std_hu": "HU, population standard deviation",
    "min_hu": "HU",
    "max_hu": "HU",
    "centroid_ras_mm": "mm, patient right, anterior, superior positive",
    "extent_mm": "mm, right-left, anterior-posterior, superior-inferior",
    "largest_slice": "display slice from 1 (axial: inferior, coronal: anterior, sagittal: right)",
}

_NOT_FOUND = "asked for, not found"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def volumes_csv(
    measurements: Measurements,
    *,
    segmentation_provenance: Provenance,
    report: CtReport,
    not_found: Iterable[int] = (),
) -> str:
    """One line a structure, RFC 4180 (comma, CRLF), ASCII, units in the column names.

    pandas reads it without options, Excel and LibreOffice on opening. A text that a spreadsheet could take for a
    formula begins with an apostrophe. Labels in `not_found` follow with 0 mL and no HU.
    """
    shared = _shared_columns(measurements, segmentation_provenance, report)
    rows = [{**_row(organ), **shared} for organ in measurements.organs]
    rows += [{**_row_not_found(label), **shared} for label in not_found]
    columns = list({**_COLUMNS, **shared})
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def volumes_json(
    measurements: Measurements,
    *,
    segmentation_provenance: Provenance,
    report: CtReport,
    not_found: Iterable[int] = (),
) -> str:
    """Everything measured at full precision, with units, the input report and the whole provenance."""
    content = {
        "notice": NOTICE,
        "is_mock": measurements.is_mock or segmentation_provenance.is_mock,
        "is_synthetic": measurements.is_synthetic or segmentation_provenance.is_synthetic,
        "units": dict(UNITS),
        "ct": report.to_json(),
        "organs": [organ.to_json() for organ in measurements.organs],
        "not_found": [ORGANS[label].snake for label in not_found],
        "warnings": list(measurements.warnings),
        "segmentation_provenance": segmentation_provenance.to_json(),
        "provenance": measurements.provenance.to_json(),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def label_table(labels: Iterable[int], *, safe_colours: bool = False) -> str:
    """Names and colours of label values as an ITK-SNAP label description, which 3D Slicer and others read too.

    Columns (ITK-SNAP, “Segmentation label descriptions”): index, red, green, blue (0..255), opacity (0..1), visible,
    visible in 3-D, name in quotes.
    """
    lines = ['    0     0    0    0        0  0  0    "Clear Label"']
    for label in sorted(set(labels)):
        red, green, blue = bytes.fromhex(colour_of(label, safe=safe_colours).removeprefix("#"))
        name = ORGANS[label].name if label in ORGANS else f"label {label}"
        lines.append(f'{label:5d} {red:5d}{green:5d}{blue:5d}        1  1  1    "{name}"')
    return "\n".join(lines) + "\n"


_COLUMNS: Mapping[str, None] = dict.fromkeys(
    (
        "structure",
        "label",
        "group",
        "side",
        "volume_ml",
        "touches_edge",
        "voxel_count",
        "mean_hu",
        "std_hu",
        "min_hu",
        "max_hu",
        "centroid_right_mm",
        "centroid_anterior_mm",
        "centroid_superior_mm",
        "extent_right_left_mm",
        "extent_anterior_posterior_mm",
        "extent_superior_inferior_mm",
        "largest_axial_slice",
        "largest_coronal_slice",
        "largest_sagittal_slice",
        "remarks",
    )
)


def _row(organ: OrganVolume) -> dict[str, Any]:
    right, anterior, superior = (round(each, 2) for each in organ.centroid_ras_mm)
    wide, deep, tall = (round(each, 2) for each in organ.extent_mm)
    return {
        **_name(organ.label, organ.name),
        "volume_ml": round(organ.volume_ml, 4),
        "touches_edge": organ.touches_edge,
        "voxel_count": organ.voxel_count,
        "mean_hu": round(organ.mean_hu, 3),
        "std_hu": round(organ.std_hu, 3),
        "min_hu": organ.min_hu,
        "max_hu": organ.max_hu,
        "centroid_right_mm": right,
        "centroid_anterior_mm": anterior,
        "centroid_superior_mm": superior,
        "extent_right_left_mm": wide,
        "extent_anterior_posterior_mm": deep,
        "extent_superior_inferior_mm": tall,
        **{f"largest_{plane}_slice": number for plane, number in organ.largest_slice.items()},
        "remarks": "; ".join(organ.flags),
    }


def _row_not_found(label: int) -> dict[str, Any]:
    name = _name(label, ORGANS[label].name)
    return {**name, "volume_ml": 0.0, "touches_edge": False, "voxel_count": 0, "remarks": _NOT_FOUND}


def _name(label: int, name: str) -> dict[str, Any]:
    organ = ORGANS.get(label)
    return {
        "structure": name,
        "label": label,
        "group": organ.group if organ else "",
        "side": (organ.side or "") if organ else "",
    }


def _shared_columns(measurements: Measurements, segmented: Provenance, report: CtReport) -> dict[str, Any]:
    size, spacing = report.size, report.spacing_mm
    return {
        "is_mock": measurements.is_mock or segmented.is_mock,
        "is_synthetic": measurements.is_synthetic or segmented.is_synthetic,
        "origin": str(segmented.origin),
        "model": segmented.model,
        "model_version": segmented.version,
        "segmented_at": segmented.created_at,
        "measured_by": f"{measurements.provenance.model} {measurements.provenance.version}",
        "measured_at": measurements.provenance.created_at,
        "ct_size": " x ".join(map(str, size)),
        "ct_spacing_mm": " x ".join(f"{each:.4g}" for each in spacing),
        "notice": NOTICE,
    }


def csv_cell(value: object) -> object:
    """A table's cell: plain ASCII (Excel needs no byte order mark), booleans as pandas and spreadsheets know them."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if not isinstance(value, str):
        return value
    text = value.replace("–", "-").encode("ascii", "replace").decode("ascii")
    # A leading apostrophe makes a spreadsheet show text as text (OWASP, “CSV Injection”).
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
