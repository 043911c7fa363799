"""DICOM pictures are read as the scanner shows them, with the field that it names, or refused by name."""

import os
from pathlib import Path

import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.errors import DataError
from edge.study.dicom import describe, read_dicom
from edge.study.images import read_image
from edge.study.read import read_study

pydicom = pytest.importorskip("pydicom")

REAL = Path(os.environ.get("SONOCART_DATA", "../shared/data")) / "dicom"


def write(path, pixels, kind="MONOCHROME2", bits=8, frames=None, region=None, **extra):
    """A DICOM ultrasound file whose header may lie."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.UltrasoundMultiFrameImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    dataset = pydicom.dataset.FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    colour = kind not in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    dataset.SamplesPerPixel = 3 if colour else 1
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = kind
    dataset.BitsAllocated = pixels.dtype.itemsize * 8
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    if frames is not None:
        dataset.NumberOfFrames = frames
    if region is not None:
        item = pydicom.Dataset()
        item.RegionSpatialFormat, item.RegionDataType = 1, 1
        item.RegionLocationMinX0, item.RegionLocationMinY0 = region[:2]
        item.RegionLocationMaxX1, item.RegionLocationMaxY1 = region[2:]
        item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
        item.PhysicalDeltaX = item.PhysicalDeltaY = 0.005
        dataset.SequenceOfUltrasoundRegions = [item]
    for name, value in extra.items():
        setattr(dataset, name, value)
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def grey():
    return np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)


def test_grey_and_inverted_grey(tmp_path, grey):
    assert np.array_equal(read_image(write(tmp_path / "a.dcm", grey)), grey)
    assert np.array_equal(read_image(write(tmp_path / "b.dcm", grey, "MONOCHROME1")), 255 - grey)


def test_a_file_without_suffix_is_known_by_its_first_bytes(tmp_path, grey):
    assert np.array_equal(read_image(write(tmp_path / "IM0001", grey)), grey)


def test_one_frame_of_several(tmp_path, grey):
    clip = np.stack([grey, 255 - grey])
    path = write(tmp_path / "a.dcm", clip, frames=2)
    assert np.array_equal(read_dicom(path, 1), 255 - grey)
    with pytest.raises(DataError, match="no frame 2"):
        read_dicom(path, 2)


def test_a_file_that_lies_about_its_frames_is_refused(tmp_path, grey):
    path = write(tmp_path / "a.dcm", grey[None], frames=5)
    for frame in (0, 3):
        with pytest.raises(DataError, match=r"a\.dcm"):
            read_dicom(path, frame)


def test_sixteen_bits_need_a_display_window(tmp_path, grey):
    deep = grey.astype(np.uint16) * 16
    with pytest.raises(DataError, match="display window"):
        read_dicom(write(tmp_path / "a.dcm", deep, bits=12), 0)
    path = write(tmp_path / "b.dcm", deep, bits=12, WindowCenter=2048, WindowWidth=4096)
    assert np.abs(read_dicom(path, 0).astype(int) - grey).max() <= 1


def ramp(dtype=np.uint16, low=0, high=4095):
    return np.linspace(low, high, 64 * 64).astype(dtype).reshape(64, 64)


def lut(bits, first, values, dtype=np.uint16):
    item = pydicom.Dataset()
    item.LUTDescriptor = [len(values), first, bits]
    item.add_new("LUTData", "OW", np.asarray(values, dtype).tobytes())
    return pydicom.Sequence([item])


def expect_ramp(picture):
    """From black to white over the whole picture, evenly."""
    assert np.abs(picture.ravel().astype(int) - np.linspace(0, 255, 64 * 64)).max() <= 1


def test_signed_values_fill_the_window(tmp_path):
    window = {"WindowCenter": 0, "WindowWidth": 4096, "PixelRepresentation": 1}
    path = write(tmp_path / "a.dcm", ramp(np.int16, -2048, 2047), bits=12, **window)
    expect_ramp(read_dicom(path, 0))


@pytest.mark.parametrize(("slope", "intercept"), [(0.0625, 0), (1, -1024), (10, 3)])
def test_a_window_over_rescaled_values_reaches_black_and_white(tmp_path, slope, intercept):
    low, high = intercept, 4095 * slope + intercept
    window = {"WindowCenter": (low + high) / 2, "WindowWidth": high - low, "VOILUTFunction": "LINEAR_EXACT"}
    rescale = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    expect_ramp(read_dicom(write(tmp_path / "a.dcm", ramp(), bits=12, **window, **rescale), 0))


@pytest.mark.parametrize(
    ("bits", "dtype"),
    [(8, np.uint8), (8, np.uint16), (10, np.uint16), (12, np.uint16), (16, np.uint16)],
)
def test_a_lookup_table_has_its_own_number_of_bits(tmp_path, bits, dtype):
    table = lut(bits, 0, np.linspace(0, 2**bits - 1, 4096).astype(int), dtype)
    expect_ramp(read_dicom(write(tmp_path / "a.dcm", ramp(), bits=12, VOILUTSequence=table), 0))


def test_a_lookup_table_begins_at_its_first_value_and_goes_before_a_window(tmp_path):
    table = lut(8, 1000, [0, 100, 200])
    extra = {"VOILUTSequence": table, "WindowCenter": 1, "WindowWidth": 1}
    stored = np.full((16, 16), 1001, np.uint16)
    stored[0, 0], stored[0, 1] = 3, 4000
    picture = read_dicom(write(tmp_path / "a.dcm", stored, bits=12, **extra), 0)
    assert picture[0, :3].tolist() == [0, 200, 100]


@pytest.mark.parametrize(
    ("function", "expected"),
    [  # PS3.3 C.11.2.1.2 and C.11.2.1.3 at centre 100, width 40
        ("LINEAR", [0, 0, 65.4, 130.8, 255]),
        ("LINEAR_EXACT", [0, 0, 63.75, 127.5, 255]),
        ("SIGMOID", [0, 30.4, 68.6, 127.5, 255]),
    ],
)
def test_a_windows_function_is_the_standards(tmp_path, function, expected):
    stored = np.zeros((16, 16), np.uint8)
    stored[0, :5] = 0, 80, 90, 100, 255
    window = {"WindowCenter": 100, "WindowWidth": 40, "VOILUTFunction": function}
    picture = read_dicom(write(tmp_path / "a.dcm", stored, **window), 0)
    assert np.abs(picture[0, :5] - np.array(expected)).max() <= 0.51


def test_the_narrowest_window_is_a_step_and_a_narrower_one_is_refused(tmp_path):
    stored = np.zeros((16, 16), np.uint8)
    stored[0, :3] = 99, 100, 101
    path = write(tmp_path / "a.dcm", stored, WindowCenter=100, WindowWidth=1)
    assert read_dicom(path, 0)[0, :3].tolist() == [0, 255, 255]
    with pytest.raises(DataError, match=r"window is 0 wide"):
        read_dicom(write(tmp_path / "b.dcm", stored, WindowCenter=100, WindowWidth=0), 0)


def test_field_and_scale_come_from_the_ultrasound_region(tmp_path, grey):
    about = describe(write(tmp_path / "a.dcm", grey, region=(5, 6, 44, 35)))
    assert about.field == Roi(5, 6, 40, 30)
    assert about.px_per_mm == pytest.approx(20)
    assert describe(write(tmp_path / "b.dcm", grey, region=(0, 0, 60, 40))).field == Roi(0, 0, 60, 40)


def test_a_region_outside_the_picture_is_noted_and_not_used(tmp_path, grey):
    about = describe(write(tmp_path / "a.dcm", grey, region=(5, 6, 300, 200)))
    assert about.field is None
    assert "leaves its picture of 60x40" in about.notes[0]


def test_a_study_of_dicom_files_gets_its_fields(tmp_path, grey):
    for label in ("benign", "malignant"):
        (tmp_path / label).mkdir()
        write(tmp_path / label / "a.dcm", grey, region=(5, 6, 44, 35))
    study = read_study(tmp_path)
    assert all(case.field == Roi(5, 6, 40, 30) for case in study.cases)


@pytest.mark.parametrize("content", [b"", b"x" * 500, b"\0" * 128 + b"DICM"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    (tmp_path / "a.dcm").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.dcm"):
        read_image(tmp_path / "a.dcm")


def test_cut_off_pixels_are_refused(tmp_path, grey):
    path = write(tmp_path / "a.dcm", grey)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"a\.dcm"):
        read_image(path)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"real data is not at {REAL}")
@pytest.mark.parametrize(
    ("name", "shape", "field"),
    [
        ("US1_J2KR.dcm", (480, 640, 3), None),
        ("gdcm-US-ALOKA-16.dcm", (480, 640, 3), Roi(32, 24, 304, 392)),
        ("sonoque_anechoic-3mm-3mm.dcm", (1455, 2083, 3), Roi(0, 0, 2083, 1455)),
    ],
)
def test_real_files_of_three_scanners(name, shape, field):
    picture = read_image(REAL / name)
    assert picture.shape == shape
    assert picture.std() > 20
    assert describe(REAL / name).field == field


@pytest.mark.skipif(not REAL.is_dir(), reason=f"real data is not at {REAL}")
def test_a_palette_of_sixteen_bits_gives_the_scanners_colours():
    picture = read_image(REAL / "gdcm-US-ALOKA-16.dcm").astype(int)
    green = (picture[..., 1] > 200) & (picture[..., 0] < 60) & (picture[..., 2] < 60)
    grey = np.ptp(picture, axis=2) == 0
    assert green.sum() > 50  # the depth marks
    assert grey.mean() > 0.7  # tissue
