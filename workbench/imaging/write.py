"""Clean gzipped NIfTI files: nothing in them but voxels, geometry and where they come from."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from workbench.domain.volume import Grid, Volume
from workbench.imaging.read.limits import storing

_SCANNER = 1
"""Code "scanner-based anatomical coordinates" of qform and sform (nifti1.h)."""
_COMMENT = 6
"""Header extension code "comment": plain text (nifti1.h)."""
_MOST_IN_NIFTI_1 = 32_767
_MOST_DESCRIPTION = 79
_BLOCK_VOXELS = 1 << 21


def write_volume_nifti(volume: Volume, path: Path, *, description: str) -> None:
    """Write `volume` to `path` as int16 `.nii.gz`, level 1, with sform and qform.

    The same volume and description give the same bytes. A sheared affine is exact in the sform; the qform, which
    cannot hold shear, is the closest rotation. The file appears under its name only when whole.

    Args:
        volume: written as it is, in its own axis order.
        path: replaced if it is there; mode 0600.
        description: at most 79 bytes of ASCII; says what the file is, and MOCK or SYNTHETIC where it is that.

    Raises:
        StorageFull: no room on the disk.
    """
    _write(volume.voxels_hu, volume.grid, path, _header(volume.grid, np.dtype("<i2"), description))


def write_mask_nifti(
    labels: NDArray[np.uint8],
    grid: Grid,
    path: Path,
    *,
    description: str,
    label_names: Mapping[int, str],
    extension_json: str,
) -> None:
    """Write a label map to `path` as uint8 `.nii.gz` with its label table in a header extension.

    The extension (code 6, comment) is JSON: `{"labels": {"1": "liver", ...}, "provenance": ...}`, the latter from
    `extension_json`. See `write_volume_nifti` for the rest.

    Raises:
        StorageFull: no room on the disk.
        ValueError: the labels do not lie on the grid.
    """
    if labels.shape != grid.shape:
        raise ValueError(f"labels {labels.shape} do not lie on the grid {grid.shape}")
    header = _header(grid, np.dtype("u1"), description)
    header.set_intent("label")
    names = {str(label): label_names[label] for label in sorted(label_names)}
    text = json.dumps({"labels": names, "provenance": json.loads(extension_json)}, ensure_ascii=False)
    header.extensions.append(nib.nifti1.Nifti1Extension(_COMMENT, text.encode()))
    _write(labels, grid, path, header)


def _header(grid: Grid, dtype: np.dtype[Any], description: str) -> Any:
    text = description.encode("ascii", "replace")
    if len(text) > _MOST_DESCRIPTION:
        raise ValueError(f"a NIfTI description has at most {_MOST_DESCRIPTION} bytes, not {len(text)}")
    kind: Any = nib.Nifti1Header if max(grid.shape) <= _MOST_IN_NIFTI_1 else nib.Nifti2Header
    header: Any = kind(endianness="<")
    header.set_data_dtype(dtype)
    header.set_data_shape(grid.shape)
    header.set_xyzt_units("mm")
    header.set_qform(grid.affine_ras_mm, code=_SCANNER)
    header.set_sform(grid.affine_ras_mm, code=_SCANNER)
    header["descrip"] = text
    return header


def _write(voxels: NDArray[Any], grid: Grid, path: Path, header: Any) -> None:
    head = io.BytesIO()
    header.write_to(head)
    head.write(b"\0" * (header.get_data_offset() - head.tell()))
    flat = voxels.reshape(-1, order="F")
    part = path.with_name(path.name + ".part")
    try:
        with storing("the NIfTI file"), part.open("wb") as file:
            part.chmod(0o600)
            # wbits 31 makes a gzip stream without a name or a time in it.
            packer = zlib.compressobj(level=1, wbits=31)
            file.write(packer.compress(head.getvalue()))
            for start in range(0, flat.size, _BLOCK_VOXELS):
                block = np.ascontiguousarray(flat[start : start + _BLOCK_VOXELS], dtype=header.get_data_dtype())
                file.write(packer.compress(block.data))
            file.write(packer.flush())
            file.flush()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
