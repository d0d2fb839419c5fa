"""Bad input: one clear paragraph, the right kind of error, and no trace left behind (`read_upload` checks that)."""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import struct
import zipfile

import nibabel as nib
import numpy as np
import pydicom
import pytest

from tests.data import real
from tests.dicom_made import LIMITS, make_enhanced, make_series, read_upload, survey_upload
from workbench.domain.errors import Cancelled, StorageFull, TooLarge, UnreadableImage, UnsupportedVolume
from workbench.imaging.read import ReadLimits

VOXELS = np.random.default_rng(5).integers(-1000, 1500, (20, 20, 20)).astype(np.int16)


def nifti_bytes(voxels=VOXELS, affine=None, **fields):
    affine = np.diag([-1.0, -1, 2, 1]) if affine is None else affine
    image = nib.Nifti1Image(voxels, affine)
    image.set_sform(affine, code=fields.pop("sform_code", 1))
    whole = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(whole[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    whole[:348] = header.binaryblock
    return bytes(whole)


def refused(tmp_path, content, error, match, limits=LIMITS):
    path = tmp_path / "upload.bin"
    path.write_bytes(content)
    with pytest.raises(error, match=match) as caught:
        read_upload(path, tmp_path, limits=limits)
    told = f"{caught.value.message} {caught.value.hint}"
    assert "\n" not in told
    assert str(tmp_path) not in told


# Files that are cut or damaged.


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_truncated_gzip_is_refused(tmp_path, share):
    whole = gzip.compress(nifti_bytes())

    refused(tmp_path, whole[: int(len(whole) * share)], UnreadableImage, "ends before its last voxel")


def test_a_gzip_without_its_checksum_is_refused(tmp_path):
    refused(tmp_path, gzip.compress(nifti_bytes())[:-8], UnreadableImage, "ends before its last voxel")


def test_a_gzip_with_a_changed_byte_is_refused(tmp_path):
    whole = bytearray(gzip.compress(nifti_bytes()))
    whole[-5] ^= 1

    refused(tmp_path, bytes(whole), UnreadableImage, "damaged")


def test_a_header_that_claims_more_voxels_than_there_are_is_refused(tmp_path):
    refused(tmp_path, nifti_bytes(dim=[3, 20, 20, 2000, 1, 1, 1, 1]), UnreadableImage, "promises 20 x 20 x 2000 voxels")


def test_a_header_that_claims_more_voxels_than_allowed_costs_nothing(tmp_path):
    refused(tmp_path, nifti_bytes(dim=[3, 30000, 30000, 30000, 1, 1, 1, 1]), TooLarge, "30000 x 30000 x 30000")


def test_a_file_that_ends_within_its_header_is_refused(tmp_path):
    refused(tmp_path, nifti_bytes()[:349], UnreadableImage, "ends before its last voxel")


@pytest.mark.parametrize("cut", [0.5, 0.95])
def test_a_truncated_dicom_file_is_refused(tmp_path, cut):
    paths = make_series(tmp_path / "in", VOXELS[:4])
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[: int(len(whole) * cut)])

    with pytest.raises(UnreadableImage, match="cut short"):
        read_upload(paths, tmp_path)


def test_a_dicom_file_cut_within_its_header_is_refused(tmp_path):
    (path, *_) = make_series(tmp_path / "in", VOXELS[:3])
    path.write_bytes(path.read_bytes()[:400])

    with pytest.raises(UnreadableImage, match="DICOM file is damaged"):
        read_upload(path, tmp_path)


def test_a_damaged_slice_is_left_out_of_its_series_with_a_warning(tmp_path):
    paths = make_series(tmp_path / "in", VOXELS[:5])
    paths[2].write_bytes(paths[2].read_bytes()[:400])

    ct = read_upload(paths, tmp_path)

    assert ct.report.warnings[0].startswith("1 DICOM file was damaged and left out")
    assert ct.report.notes[0].startswith("1 slice was missing")


@pytest.mark.parametrize("name", ["J2KR", "JLSL", "JPLL", "RLE"])
def test_truncated_compressed_pixels_are_refused(tmp_path, name):
    whole = real(f"dicom-tricky/nema-ct1_{name}.dcm").read_bytes()
    paths = []
    for k in range(3):
        image = pydicom.dcmread(io.BytesIO(whole))
        image.SOPInstanceUID = f"1.2.3.{k + 1}"
        image.ImagePositionPatient = [0, 0, 5.0 * k]
        image["PixelData"].is_undefined_length = True
        paths.append(tmp_path / str(k))
        image.save_as(paths[-1])
    paths[1].write_bytes(paths[1].read_bytes()[:-30000])

    with pytest.raises(UnreadableImage, match="cut short"):
        read_upload(paths, tmp_path)


def test_a_compressed_picture_larger_than_its_header_says_is_not_decoded(tmp_path):
    image = pydicom.dcmread(real("dicom-tricky/nema-ct1_J2KR.dcm"))
    siz = image.PixelData.find(b"\xff\x4f\xff\x51") + 8
    image.PixelData = image.PixelData[:siz] + struct.pack(">II", 60000, 60000) + image.PixelData[siz + 8 :]
    image["PixelData"].is_undefined_length = True
    paths = []
    for k in range(3):
        image.SOPInstanceUID, image.ImagePositionPatient = f"1.2.3.{k + 1}", [0, 0, 5.0 * k]
        paths.append(tmp_path / str(k))
        image.save_as(paths[-1])

    with pytest.raises(UnreadableImage, match="60000 x 60000 pixels"):
        read_upload(paths, tmp_path)


def test_enhanced_frames_that_are_announced_and_not_described_are_refused(tmp_path):
    make_enhanced(tmp_path / "e", VOXELS[:4], depths=[0, 2, 4, 6], NumberOfFrames=400)

    with pytest.raises(UnsupportedVolume, match="announces 400 frames and describes 4"):
        read_upload(tmp_path / "e", tmp_path)


# Files that are whole and no CT volume.


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "it is an empty file"),
        (b"This is a text file, renamed.\n" * 40, "it is plain text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "it is a picture"),
        (b"%PDF-1.7\n" + bytes(100), "it is a PDF"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "it is an archive that is not a zip"),
        (bytes(range(256)) * 20, "of no kind known here"),
        (gzip.compress(b"nothing of use"), "gzip-compressed data that hold no NIfTI"),
        (b"\x1f\x8b\x08\x00" + b"\xff" * 50, "a gzip file that is damaged"),
        (struct.pack("<i", 348) + bytes(344), "an Analyze 7.5 file"),
        (nifti_bytes(magic=b"ni1"), "half of a two-file NIfTI"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_what_is_no_image_is_named_for_what_it_is(tmp_path, content, match):
    refused(tmp_path, content, UnreadableImage, match)


def test_a_time_series_is_refused(tmp_path):
    refused(tmp_path, nifti_bytes(VOXELS[:8, :8, :8].reshape(8, 8, 4, 2)), UnsupportedVolume, "4 dimensions")


def test_a_single_picture_is_refused(tmp_path):
    refused(tmp_path, nifti_bytes(VOXELS[:, :, 0]), UnsupportedVolume, "single picture")


def test_two_slices_are_refused(tmp_path):
    refused(tmp_path, nifti_bytes(VOXELS[:, :, :2]), UnsupportedVolume, "at least 3 slices")


def test_colours_are_refused(tmp_path):
    rgb = np.zeros((8, 8, 8), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    refused(tmp_path, nifti_bytes(rgb), UnsupportedVolume, "colours")


def test_complex_numbers_are_refused(tmp_path):
    refused(tmp_path, nifti_bytes(np.zeros((8, 8, 8), np.complex64)), UnsupportedVolume, "complex")


def test_a_mask_is_refused(tmp_path):
    refused(tmp_path, nifti_bytes(np.zeros((8, 8, 8), np.uint8)), UnsupportedVolume, "mask")
    refused(tmp_path, nifti_bytes(intent_code=1002), UnsupportedVolume, "values are labels")


@pytest.mark.parametrize(
    "fields",
    [
        {"srow_x": [np.nan, 0, 0, 0]},
        {"srow_x": [0, 0, 0, 0]},
        {"srow_z": [0, 0, np.inf, 0]},
        {"sform_code": 0, "qform_code": 1, "pixdim": [1, 0, 1, 1, 0, 0, 0, 0]},
        {"sform_code": 0, "qform_code": 1, "pixdim": [1, np.nan, 1, 1, 0, 0, 0, 0]},
        {"sform_code": 0, "qform_code": 1, "quatern_b": 3.0},
    ],
    ids=["NaN", "singular", "infinite", "zero spacing", "NaN spacing", "no rotation"],
)
def test_unusable_geometry_is_refused(tmp_path, fields):
    content = nifti_bytes(**{"sform_code": 1, **fields})
    refused(tmp_path, content, UnsupportedVolume, "geometry is unusable")


def test_a_dicom_directory_without_its_images_is_refused(tmp_path):
    with zipfile.ZipFile(real("dicom-tricky/pydicom-dicomdir.zip")) as archive:
        (tmp_path / "DICOMDIR").write_bytes(archive.read("dicomdirtests/DICOMDIR"))

    with pytest.raises(UnreadableImage, match="none of the images that it lists"):
        read_upload(tmp_path / "DICOMDIR", tmp_path)


# Zips.


def zipped(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_an_ordinary_zip_is_read(tmp_path):
    (tmp_path / "a.zip").write_bytes(
        zipped(**{"x/ct.nii": nifti_bytes(), "x/readme.txt": b"hello", "__MACOSX/._x": b"?"})
    )

    np.testing.assert_array_equal(read_upload(tmp_path / "a.zip", tmp_path).volume.voxels_hu, VOXELS)


def test_an_empty_zip_is_refused(tmp_path):
    refused(tmp_path, zipped(), UnreadableImage, "empty")
    refused(tmp_path, zipped(**{"folder/": b""}), UnreadableImage, "empty")


def test_a_zip_of_other_things_is_refused(tmp_path):
    refused(tmp_path, zipped(a=b"text", b=b"more text"), UnreadableImage, "None of the 2 files")


@pytest.mark.parametrize("name", ["../out.nii", "/out.nii", "a/../../out.nii", "..\\out.nii", "C:\\out.nii"])
def test_a_path_that_leads_outside_the_zip_is_refused(tmp_path, name):
    refused(tmp_path, zipped(**{name: nifti_bytes()}), UnreadableImage, "outside its own folder")
    assert not list(tmp_path.rglob("out.nii"))


@pytest.mark.parametrize("inner", [zipped(a=b"b"), b"7z\xbc\xaf\x27\x1c" + bytes(40), b"Rar!\x1a\x07" + bytes(40)])
def test_an_archive_inside_the_zip_is_refused(tmp_path, inner):
    refused(tmp_path, zipped(**{"ct.nii": nifti_bytes(), "more.dat": inner}), UnreadableImage, "archive inside")


def test_an_encrypted_zip_is_refused(tmp_path):
    whole = bytearray(zipped(**{"ct.nii": nifti_bytes()}))
    whole[6] |= 1
    whole[whole.find(b"PK\x01\x02") + 8] |= 1

    refused(tmp_path, bytes(whole), UnreadableImage, "encrypted")


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        link = zipfile.ZipInfo("ct.nii")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/hostname")

    refused(tmp_path, packed.getvalue(), UnreadableImage, "symbolic link")


@pytest.mark.parametrize("share", [0.5, 0.98])
def test_a_truncated_zip_is_refused(tmp_path, share):
    whole = zipped(**{"ct.nii": nifti_bytes()})

    refused(tmp_path, whole[: int(len(whole) * share)], UnreadableImage, "damaged")


def test_a_zip_with_a_changed_byte_is_refused(tmp_path):
    whole = bytearray(zipped(**{"ct.nii": nifti_bytes()}))
    whole[len(whole) // 2] ^= 0xFF

    refused(tmp_path, bytes(whole), UnreadableImage, "damaged")


def test_a_zip_bomb_is_stopped_by_its_ratio(tmp_path):
    refused(tmp_path, zipped(a=bytes(100 << 20)), TooLarge, "more than 200 times its size")


def test_a_zip_is_stopped_at_the_limit_of_bytes_while_it_unpacks(tmp_path):
    few = ReadLimits(max_bytes=5_000_000, max_voxels=10**9)

    refused(tmp_path, zipped(a=os.urandom(3_000_000), b=os.urandom(3_000_000)), TooLarge, "more than 5.0 MB", few)


def test_a_zip_that_lies_about_its_sizes_is_counted_by_what_comes_out(tmp_path):
    whole = bytearray(zipped(a=bytes(8_000_000)))
    central = whole.find(b"PK\x01\x02")
    whole[central + 24 : central + 28] = struct.pack("<I", 10)
    few = ReadLimits(max_bytes=5_000_000, max_voxels=10**9)

    path = tmp_path / "upload.zip"
    path.write_bytes(bytes(whole))
    with pytest.raises((TooLarge, UnreadableImage)):
        read_upload(path, tmp_path, limits=few)


def test_too_many_files_are_refused(tmp_path):
    few = ReadLimits(max_bytes=10**9, max_voxels=10**9, max_files=5)

    refused(tmp_path, zipped(**{str(n): b"x" for n in range(6)}), TooLarge, "more than 5 files", few)


# The machine, and the person.


def test_a_full_disk_is_told_as_such(tmp_path, monkeypatch):
    def no_room(*_):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "voxels.npy"))

    monkeypatch.setattr(os, "posix_fallocate", no_room)

    refused(tmp_path, nifti_bytes(), StorageFull, "no room")


def test_room_for_the_whole_volume_is_taken_before_the_first_voxel_is_written(tmp_path):
    (tmp_path / "ct.nii").write_bytes(nifti_bytes())

    read_upload(tmp_path / "ct.nii", tmp_path)

    taken = (tmp_path / "voxels.npy").stat()
    assert taken.st_blocks * 512 >= VOXELS.nbytes
    assert stat.S_IMODE(taken.st_mode) == 0o600


def test_work_that_is_cancelled_leaves_nothing(tmp_path):
    class Impatient:
        def __init__(self, stage):
            self.last = stage

        def stage(self, name, fraction=None):
            if name == self.last:
                raise Cancelled("stopped")

    paths = make_series(tmp_path / "in", VOXELS[:6], depths=[0, 2, 4, 6, 10, 12])
    packed = tmp_path / "in.zip"
    packed.write_bytes(zipped(**{path.name: path.read_bytes() for path in paths}))
    for stage in ("Unpacking", "Reading headers", "Reading slices", "Straightening"):
        with pytest.raises(Cancelled):
            read_upload(packed, tmp_path, progress=Impatient(stage))


def test_several_series_of_which_none_is_usable_are_each_given_their_reason(tmp_path):
    one = make_series(tmp_path / "a", VOXELS[:3], series="1.2.1", modality="MR", sop_class="1.2.840.10008.5.1.4.1.1.4")
    two = make_series(tmp_path / "b", VOXELS[:1], series="1.2.2")

    with pytest.raises(UnsupportedVolume, match=r"None of the 2 series .*1: an MR image.*2: it has 1 slice"):
        read_upload([*one, *two], tmp_path)
    assert [each.likeliest for each in survey_upload([*one, *two], tmp_path)] == [False, False]
