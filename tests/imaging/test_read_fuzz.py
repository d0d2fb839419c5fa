"""Whatever is done to a file, reading it ends with a volume or with an error fit to show."""

from __future__ import annotations

import contextlib
import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dicom_made import make_enhanced, make_series, read_upload
from workbench.domain.errors import NimReplyInvalid, WorkbenchError
from workbench.domain.volume import Grid
from workbench.imaging.read import ReadLimits, read_mask

VOXELS = np.random.default_rng(5).integers(-1000, 1500, (4, 5, 6)).astype(np.int16)
SMALL = ReadLimits(max_bytes=1 << 24, max_voxels=1 << 20)
CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12)
FUZZED = settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def nifti():
    return nib.Nifti1Image(VOXELS, np.diag([-1.0, -1, 2, 1])).to_bytes()


def by_simpleitk(folder, name):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(VOXELS), folder / name)
    return (folder / name).read_bytes()


def spoiled(whole, changes, kept, within):
    """`whole` with bytes changed at fractions of its first `within` bytes, cut to the fraction `kept`."""
    data = bytearray(whole)
    for where, value in changes:
        data[int(where * min(within, len(data)))] = value
    return bytes(data[: int(len(data) * kept)])


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    make_enhanced(folder / "enhanced", VOXELS, depths=[0, 2, 4, 6])
    return {
        "NIfTI": nifti(),
        "NIfTI gzip": gzip.compress(nifti()),
        "NRRD": by_simpleitk(folder, "a.nrrd"),
        "MetaImage": by_simpleitk(folder, "a.mha"),
        "enhanced DICOM": (folder / "enhanced").read_bytes(),
        "one DICOM": make_series(folder / "in", VOXELS)[0].read_bytes(),
    }


@pytest.mark.parametrize("kind", ["NIfTI", "NIfTI gzip", "NRRD", "MetaImage", "enhanced DICOM", "one DICOM"])
@FUZZED
@given(changes=CHANGES, kept=st.sampled_from([1.0, 1.0, 0.97, 0.5]), within=st.sampled_from([400, 10_000]))
def test_a_spoiled_file_is_read_or_refused(tmp_path, samples, kind, changes, kept, within):
    (tmp_path / "upload").write_bytes(spoiled(samples[kind], changes, kept, within))

    with contextlib.suppress(WorkbenchError):
        read_upload(tmp_path / "upload", tmp_path, limits=SMALL)


@FUZZED
@given(changes=CHANGES, kept=st.sampled_from([1.0, 0.97, 0.5]))
def test_a_series_with_one_spoiled_slice_is_read_or_refused(tmp_path, changes, kept):
    paths = make_series(tmp_path / "in", VOXELS)
    paths[1].write_bytes(spoiled(paths[1].read_bytes(), changes, kept, 2000))

    with contextlib.suppress(WorkbenchError):
        read_upload(paths, tmp_path, limits=SMALL)


@pytest.mark.parametrize("kind", ["NIfTI", "NIfTI gzip", "NRRD"])
@FUZZED
@given(changes=CHANGES, kept=st.sampled_from([1.0, 1.0, 0.97]))
def test_a_spoiled_mask_is_read_or_refused(tmp_path, samples, kind, changes, kept):
    data = spoiled(samples[kind], changes, kept, 400)

    with contextlib.suppress(NimReplyInvalid):
        read_mask(data, Grid(shape=(4, 5, 6), affine_ras_mm=np.eye(4)), scratch=tmp_path, max_voxels=1 << 20)
