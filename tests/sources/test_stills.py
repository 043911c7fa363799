"""A folder and a DICOM cine play like clips; files that lie give one error."""

import zlib
from contextlib import closing

import numpy as np
import pytest
from PIL import Image

from edge.contract.roi import Roi
from edge.errors import DataError, NoInputError, UsageError
from edge.sources.base import Pace, SourceEnded
from edge.sources.isolated import IsolatedSource, Patience
from edge.sources.open import open_source
from edge.sources.still import PICTURES
from edge.sources.stills import dicom_source, folder_source, parse_images
from tests.clips import tissue
from tests.patience import PATIENCE_S


def rest_of(source):
    found = []
    try:
        while True:
            found.append(source.read())
    except SourceEnded:
        return found


@pytest.fixture
def folder(tmp_path):
    for index in (10, 2, 1):
        Image.fromarray(tissue(index)).save(tmp_path / f"frame{index}.png")
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_images_come_in_the_order_of_their_numbers_at_the_rate_asked_for(folder):
    source = folder_source(f"images:{folder},fps=50", pace=Pace.MAX, repeat=False, first=0)
    assert (source.info.width, source.info.height, source.info.rate) == (128, 96, 50)
    frames = rest_of(source)
    assert all(np.array_equal(f.planes[0], tissue(i)) for f, i in zip(frames, (1, 2, 10), strict=True))
    assert [f.captured_ns for f in frames] == [0, 20_000_000, 40_000_000]


def test_repeating_and_beginning_later(folder):
    source = folder_source(f"images:{folder}", pace=Pace.MAX, repeat=True, first=0)
    assert [source.read().sequence for _ in range(7)] == list(range(7))
    later = folder_source(f"images:{folder}", pace=Pace.MAX, repeat=False, first=2)
    assert [f.sequence for f in rest_of(later)] == [2]


def test_folder_opens_through_its_own_process(folder):
    source = open_source(str(folder), pace=Pace.MAX, repeat=False)
    assert len(rest_of(source)) == 3


def test_folder_without_images_and_odd_rates(tmp_path):
    with pytest.raises(NoInputError, match="no PNG"):
        folder_source(f"images:{tmp_path}", pace=Pace.MAX, repeat=False, first=0)
    with pytest.raises(UsageError, match="fps="):
        parse_images("images:x,fps=soon")


def test_comma_in_a_folders_name_is_no_option():
    assert str(parse_images("images:a,b")[0]) == "a,b"


@pytest.fixture
def cine(tmp_path):
    pydicom = pytest.importorskip("pydicom")

    def write(*, declared=None, syntax="1.2.840.10008.1.2.1", pixels=None, **extra):
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
        dataset.SOPInstanceUID = "1.2.3"
        dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 96, 128, 1
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.NumberOfFrames = 5 if declared is None else declared
        dataset.PixelData = b"".join(tissue(i).tobytes() for i in range(5)) if pixels is None else pixels
        dataset["PixelData"].VR = "OB"
        for name, value in extra.items():
            setattr(dataset, name, value)
        path = tmp_path / "clip.dcm"
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


def test_cine_plays_its_frames_at_its_own_rate(cine):
    source = dicom_source(cine(FrameTime="20"), pace=Pace.MAX, repeat=False, first=0)
    assert source.info.rate == 50
    frames = rest_of(source)
    assert all(np.array_equal(f.planes[0], tissue(i)) for i, f in enumerate(frames))
    assert len(frames) == 5
    assert dicom_source(cine(CineRate="30"), pace=Pace.MAX, repeat=False, first=0).info.rate == 30


def test_single_picture_of_a_dicom_file_is_a_probe_held_still(cine):
    path = cine(declared=1, pixels=tissue(3).tobytes())
    frames = rest_of(dicom_source(path, pace=Pace.MAX, repeat=False, first=0))
    assert len(frames) == PICTURES
    changes = [int(np.abs(f.planes[0].astype(int) - tissue(3)).max()) for f in frames]
    assert set(changes) == {1}
    assert not np.array_equal(frames[0].planes[0], frames[1].planes[0])
    with closing(dicom_source(path, pace=Pace.LIVE, repeat=False, first=0)) as source:
        assert [source.read().sequence for _ in range(3)] == [0, 1, 2]


def region(left, top, right, bottom):
    import pydicom

    item = pydicom.Dataset()
    item.RegionSpatialFormat = item.RegionDataType = 1  # 2D, tissue
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
    return item


def test_field_that_a_cine_names_comes_with_it_through_its_process(cine):
    path = cine(SequenceOfUltrasoundRegions=[region(10, 20, 109, 89)])
    with closing(open_source(str(path), pace=Pace.MAX, repeat=False)) as source:
        assert source.info.field == Roi(10, 20, 100, 70)


def test_of_two_regions_side_by_side_none_is_the_field(cine):
    path = cine(SequenceOfUltrasoundRegions=[region(0, 20, 60, 89), region(64, 20, 124, 89)])
    assert dicom_source(path, pace=Pace.MAX, repeat=False, first=0).info.field is None


def test_a_region_that_is_the_whole_picture_with_its_text_is_no_field(cine):
    path = cine(SequenceOfUltrasoundRegions=[region(0, 0, 127, 94)])
    assert dicom_source(path, pace=Pace.MAX, repeat=False, first=0).info.field is None


@pytest.mark.parametrize("declared", [9, 2_000_000_000])
def test_number_of_frames_that_lies_is_one_error(cine, declared):
    with pytest.raises(DataError) as said:
        rest_of(dicom_source(cine(declared=declared), pace=Pace.MAX, repeat=False, first=0))
    assert "\n" not in str(said.value)


@pytest.mark.slow
def test_deflated_bomb_ends_its_process_with_one_error(cine, tmp_path):
    path = cine()
    data = path.read_bytes()
    meta_end = data.index(b"\x08\x00\x16\x00UI")  # the dataset after its header
    header = data[:meta_end].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    assert len(header) == meta_end + 2
    header = header.replace(b"UI\x14\x001.2.840.10008.1.2.1.99", b"UI\x16\x001.2.840.10008.1.2.1.99")
    length = int.from_bytes(header[140:144], "little") + 2
    header = header[:140] + length.to_bytes(4, "little") + header[144:]
    packer, bomb = zlib.compressobj(1, wbits=-15), tmp_path / "bomb.dcm"
    body = packer.compress(data[meta_end:])
    with bomb.open("wb") as file:
        file.write(header + body)
        for _ in range(16):  # 1 GiB of zeros
            file.write(packer.compress(bytes(1 << 26)))
        file.write(packer.flush())
    patient = Patience(PATIENCE_S, PATIENCE_S, endless=False)  # a gibibyte takes its time
    with pytest.raises(DataError) as said:
        IsolatedSource(str(bomb), pace=Pace.MAX, repeat=False, patience=patient, memory_bytes=3 << 29)
    assert "needs more than 1.5 GiB" in str(said.value)
