"""NRRD and MetaImage headers: plain text before, or beside, the voxels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from workbench.domain.errors import UnreadableImage, UnsupportedVolume
from workbench.imaging.read.raster import Codec, Opener, Raster
from workbench.imaging.read.shapes import three_axes

Sibling = Callable[[PurePosixPath], Opener | None]
"""Finds the file of that name among the uploaded ones, None where it is not there."""

_MOST_HEADER = 1 << 20

# NRRD (http://teem.sourceforge.net/nrrd/format.html), section 5: type names and their synonyms.
_NRRD_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_NRRD_CODE = {name: code for code, names in _NRRD_TYPES.items() for name in names}
_NRRD_CODECS = {
    "raw": Codec.PLAIN,
    "gz": Codec.GZIP,
    "gzip": Codec.GZIP,
    "bz2": Codec.BZIP2,
    "bzip2": Codec.BZIP2,
}
# What each space's axes must be multiplied with to point right, anterior, superior.
_NRRD_SPACES = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}
_META_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf", re.IGNORECASE)


def read_nrrd(open_file: Opener, sibling: Sibling) -> Raster:
    """What an NRRD header says, attached (.nrrd) or detached (.nhdr with its data among the uploaded files).

    Raises:
        UnreadableImage: the header is damaged, or its data file is missing.
        UnsupportedVolume: 4-D, colour, or no orientation in the patient.
    """
    with open_file() as file:
        fields = _nrrd_fields(file)
        start = file.tell()
    shape, space_axes = _nrrd_shape(fields)
    dtype = _nrrd_dtype(fields)
    encoding = fields.get("encoding", "").lower()
    if encoding not in _NRRD_CODECS:
        raise UnsupportedVolume(
            f"The NRRD file is encoded as “{encoding[:20]}”, which is not read here.", hint="Save it raw or gzipped."
        )
    codec = _NRRD_CODECS[encoding]
    data, where = open_file, start
    if name := fields.get("data file", fields.get("datafile")):
        data, where = _beside(name, sibling), 0
    skip = _number(fields, "byte skip", 0)
    if _number(fields, "line skip", 0) != 0 or (skip == -1 and codec is not Codec.PLAIN):
        raise UnsupportedVolume("The NRRD file skips lines before its voxels, which is not read here.")
    if skip == -1:  # "the voxels are the last bytes of the file"
        with data() as file:
            where, skip = file.seek(0, 2) - int(np.prod(shape)) * dtype.itemsize, 0
    if where < 0 or skip < 0:
        raise UnreadableImage("The NRRD file is shorter than its header says.", hint="Copy or export the file again.")
    return Raster(
        open_file=data,
        file_format="NRRD" + (f", {codec}" if codec is not Codec.PLAIN else ""),
        shape=shape,
        dtype=dtype,
        affine_ras_mm=_nrrd_affine(fields, space_axes),
        codec=codec,
        start=where,
        skip=skip,
    )


def _nrrd_fields(file: BinaryIO) -> dict[str, str]:
    fields: dict[str, str] = {}
    file.readline(64)
    read = 0
    while line := file.readline(_MOST_HEADER):
        read += len(line)
        if read > _MOST_HEADER:
            break
        text = line.decode("latin-1").strip()
        if not text:
            return fields
        name, colon, value = text.partition(": ")
        if colon and not text.startswith("#") and ":=" not in name:
            fields[name.strip().lower()] = value.strip()
    if "data file" in fields or "datafile" in fields:  # a detached header may end with the file
        return fields
    raise UnreadableImage("The NRRD file ends within its header.", hint="Copy or export the file again.")


def _nrrd_shape(fields: Mapping[str, str]) -> tuple[tuple[int, int, int], list[str]]:
    shape = _wholes(fields.get("sizes", ""))
    if not shape or len(shape) != _number(fields, "dimension", len(shape)):
        raise UnreadableImage("The NRRD header is damaged: its sizes do not fit its dimension.")
    axes = re.findall(r"none|\([^)]*\)", fields.get("space directions", "").lower())
    if axes and len(axes) != len(shape):
        raise UnreadableImage("The NRRD header is damaged: its space directions do not fit its sizes.")
    if axes[:1] == ["none"] and len(shape) == 4:
        raise UnsupportedVolume(
            f"The file holds {shape[0]} numbers for each voxel (colours, vectors or several masks), not one volume.",
            hint="Save the CT itself as a volume with one number for each voxel.",
        )
    return three_axes(shape), axes[:3]


def _nrrd_dtype(fields: Mapping[str, str]) -> np.dtype[Any]:
    name = " ".join(fields.get("type", "").lower().split())
    if name not in _NRRD_CODE:
        raise UnsupportedVolume(f"The NRRD file stores its voxels as “{name[:30]}”, which is not read here.")
    dtype = np.dtype(_NRRD_CODE[name])
    endian = fields.get("endian", "").lower()
    if dtype.itemsize > 1 and endian not in ("little", "big"):
        raise UnreadableImage("The NRRD header does not say in which byte order its voxels are.")
    return dtype.newbyteorder(">" if endian == "big" else "<")


def _nrrd_affine(fields: Mapping[str, str], axes: list[str]) -> NDArray[np.float64]:
    signs = _NRRD_SPACES.get(fields.get("space", "").lower())
    if signs is None or not axes or "none" in axes:
        raise UnsupportedVolume(
            "The NRRD file does not say how it lies in the patient: it has no anatomical space, so left and right "
            "cannot be told apart.",
            hint="Save it again from a program that knows the orientation, such as 3D Slicer.",
        )
    units = set(re.findall(r'"([^"]*)"', fields.get("space units", "")))
    if units - {"mm", "millimeter", "millimetre", ""}:
        raise UnsupportedVolume("The NRRD file measures lengths in something other than millimetres.")
    columns = [_numbers(axis) for axis in axes]
    return _affine(columns, _numbers(fields.get("space origin", "")), signs)


def read_meta(open_file: Opener, sibling: Sibling) -> Raster:
    """What a MetaImage header says, with its voxels in the file (.mha) or beside it (.mhd).

    `TransformMatrix` holds the direction of each array axis as a row, in LPS (MetaIO documentation).

    Raises:
        UnreadableImage: the header is damaged, or its data file is missing.
        UnsupportedVolume: 4-D, colour, or no orientation in the patient.
    """
    with open_file() as file:
        fields = _meta_fields(file)
        start = file.tell()
    shape = three_axes(_wholes(fields.get("DimSize", "")))
    if _number(fields, "NDims", 3) != len(_numbers(fields["DimSize"])):
        raise UnreadableImage("The MetaImage header is damaged: its size does not fit its dimension.")
    if (channels := _number(fields, "ElementNumberOfChannels", 1)) != 1:
        raise UnsupportedVolume(
            f"The file holds {channels} numbers for each voxel (colours or vectors), not one volume."
        )
    dtype = _meta_dtype(fields)
    data, where = open_file, start
    if (name := fields["ElementDataFile"]).upper() != "LOCAL":
        data, where = _beside(name, sibling), 0
    codec = Codec.ZLIB if _true(fields.get("CompressedData")) else Codec.PLAIN
    skip = _number(fields, "HeaderSize", 0)
    if skip == -1:  # "the voxels are the last bytes of the file"
        with data() as file:
            where, skip = file.seek(0, 2) - int(np.prod(shape)) * dtype.itemsize, 0
    if where < 0 or skip < 0:
        raise UnreadableImage(
            "The MetaImage file is shorter than its header says.", hint="Copy or export the file again."
        )
    return Raster(
        open_file=data,
        file_format="MetaImage" + (", zlib" if codec is Codec.ZLIB else ""),
        shape=shape,
        dtype=dtype,
        affine_ras_mm=_meta_affine(fields),
        codec=codec,
        start=where + skip,
    )


def _meta_fields(file: BinaryIO) -> dict[str, str]:
    fields: dict[str, str] = {}
    read = 0
    while read < _MOST_HEADER and (line := file.readline(_MOST_HEADER)):
        read += len(line)
        name, equals, value = line.decode("latin-1").partition("=")
        if equals:
            fields[name.strip()] = value.strip()
        if name.strip() == "ElementDataFile":
            return fields
    raise UnreadableImage(
        "The MetaImage header does not say where its voxels are.", hint="Copy or export the file again."
    )


def _meta_dtype(fields: Mapping[str, str]) -> np.dtype[Any]:
    code = _META_TYPES.get(fields.get("ElementType", ""))
    if code is None:
        name = re.sub(r"\W", "", fields.get("ElementType", ""))[:30]
        raise UnsupportedVolume(f"The MetaImage file stores its voxels as “{name}”, which is not read here.")
    if "BinaryData" in fields and not _true(fields["BinaryData"]):
        raise UnsupportedVolume("The MetaImage file holds its voxels as text, which is not read here.")
    big = _true(fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB")))
    return np.dtype(code).newbyteorder(">" if big else "<")


def _meta_affine(fields: Mapping[str, str]) -> NDArray[np.float64]:
    matrix = next((fields[each] for each in ("TransformMatrix", "Orientation", "Rotation") if each in fields), None)
    origin = next((fields[each] for each in ("Offset", "Origin", "Position") if each in fields), None)
    steps = fields.get("ElementSpacing", fields.get("ElementSize"))
    if matrix is None or origin is None or steps is None:
        raise UnsupportedVolume(
            "The MetaImage file does not say how it lies in the patient: it lacks direction, position or spacing.",
            hint="Save it again from a program that knows the orientation, such as 3D Slicer.",
        )
    if fields.get("DistanceUnits", "mm").strip("?").lower() not in ("mm", ""):
        raise UnsupportedVolume("The MetaImage file measures lengths in something other than millimetres.")
    # A 4-D header whose last axis is 1 is read as 3-D: keep the 3 x 3 corner.
    given = _numbers(matrix)
    axes = round(len(given) ** 0.5)
    if axes * axes != len(given) or axes < 3 or len(_numbers(steps)) < 3:
        raise UnreadableImage("The MetaImage header is damaged: its direction matrix is not 3 x 3.")
    rows = np.array(given).reshape(axes, axes)[:3, :3]
    columns = [row * step for row, step in zip(rows, _numbers(steps), strict=False)]
    return _affine(columns, _numbers(origin)[:3], (-1, -1, 1))


def _affine(columns: Any, origin: list[float], signs: tuple[int, int, int]) -> NDArray[np.float64]:
    if len(columns) != 3 or len(origin) != 3 or any(len(column) != 3 for column in columns):
        raise UnsupportedVolume("The header gives no complete position and direction in three dimensions.")
    affine = np.eye(4)
    affine[:3, :3] = np.array(columns, dtype=np.float64).T
    affine[:3, 3] = origin
    return np.diag([*signs, 1]) @ affine


def _beside(name: str, sibling: Sibling) -> Opener:
    if name.upper().startswith("LIST") or "%" in name:
        raise UnsupportedVolume(
            "The header spreads its voxels over several files, which is not read here.",
            hint="Save the volume with its voxels in one file.",
        )
    path = PurePosixPath(name.replace("\\", "/"))
    opener = None if path.is_absolute() or ".." in path.parts else sibling(path)
    if opener is None:
        raise UnreadableImage(
            "The header says that the voxels are in another file, and that file is not in the upload.",
            hint="Upload the header and its data file (such as .mhd and .raw) together.",
        )
    return opener


def _numbers(text: str) -> list[float]:
    return [float(each) for each in _NUMBER.findall(text)]


def _wholes(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"-?\d{1,18}", text))


def _number(fields: Mapping[str, str], name: str, default: int) -> int:
    found = _numbers(fields.get(name, ""))
    return int(found[0]) if found and np.isfinite(found[0]) else default


def _true(text: str | None) -> bool:
    return (text or "").strip().lower() in ("true", "1", "t")
