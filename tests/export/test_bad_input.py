"""Nothing trains on silently wrong data: every such study is refused by name, and no run is begun."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from edge import cli
from edge.errors import DataError


@pytest.fixture
def study(learnable, tmp_path):
    return Path(shutil.copytree(learnable, tmp_path / "study"))


def edit(study, change):
    """Change the cells of the manifest's rows; the first row names the columns."""
    path = study / "manifest.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("\n".join(",".join(row) for row in change(rows)) + "\n")


def with_parts(study, part_of):
    edit(study, lambda rows: [[*rows[0], "part"], *([*row, part_of(row)] for row in rows[1:])])


def patient_in_two_parts(study):
    with_parts(study, lambda row: "test" if row[2] == "3-1.png" else "train")
    return "patient 'p3' stand in both train and test"


def no_malignant_in_a_part(study):
    parts = ("train", "validation", "test")
    with_parts(
        study, lambda row: parts[int(row[0][1:]) // 2 % 3] if row[1] == "benign" else parts[len(row[0]) % 2]
    )
    return "the test part of study .* has no malignant image"


def copy_of_another_label(study):
    picture = np.asarray(Image.open(study / "0-0.png"))
    Image.fromarray(np.ascontiguousarray(picture[:, ::-1])).save(study / "1-0.png")
    return r"0-0\.png' \(benign, patient 'p0'\).*1-0\.png' \(malignant, patient 'p1'\).*mirrored"


def two_labels_of_one_file(study):
    shutil.copy(study / "0-0.png", study / "1-0.png")
    return "same content, but are of the patients 'p0' and 'p1'"


def transparent(study):
    image = Image.open(study / "5-0.png").convert("RGBA")
    image.putpixel((3, 3), (0, 0, 0, 0))
    image.save(study / "5-0.png")
    return r"5-0\.png' has transparent pixels"


def sixteen_bits(study):
    Image.fromarray(np.asarray(Image.open(study / "5-0.png")).astype(np.uint16) * 257).save(study / "5-0.png")
    return r"5-0\.png' has pixels of type I;16, expected 8 bits"


def one_pixel(study):
    Image.new("L", (1, 1)).save(study / "5-0.png")
    return r"5-0\.png' has 1x1 pixels"


def frames_that_are_not_there(study):
    grey = np.asarray(Image.open(study / "5-0.png"))
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = UltrasoundMultiFrameImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = generate_uid()
    file.Rows, file.Columns = grey.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated = file.BitsStored = 8
    file.HighBit, file.PixelRepresentation, file.NumberOfFrames = 7, 0, 40
    file.PixelData = grey.tobytes()
    file.save_as(study / "lie.dcm", enforce_file_format=True)
    edit(study, lambda rows: [["lie.dcm" if cell == "5-0.png" else cell for cell in row] for row in rows])
    return r"lie\.dcm"


def nan_in_a_box(study):
    edit(study, lambda rows: [*rows[:7], [*rows[7][:3], "nan", *rows[7][4:]], *rows[8:]])
    return "line 8: lesion_x is 'nan'"


def nan_for_a_patient(study):
    edit(study, lambda rows: [*rows[:7], ["NaN", *rows[7][1:]], *rows[8:]])
    return "line 8: patient is 'NaN'"


def box_beyond_the_picture(study):
    edit(study, lambda rows: [*rows[:7], [*rows[7][:3], "90", *rows[7][4:]], *rows[8:]])
    return r"lesion box 90,20,56,56 leaves the image '.*3-0\.png' of 96x96"


def control_character_in_a_patient(study):
    edit(study, lambda rows: [*rows[:7], ['"p\n3"', *rows[7][1:]], *rows[8:]])
    return r"patient is 'p\\n3', which has signs that cannot be printed"


WRONG = [
    patient_in_two_parts,
    no_malignant_in_a_part,
    copy_of_another_label,
    two_labels_of_one_file,
    transparent,
    sixteen_bits,
    one_pixel,
    frames_that_are_not_there,
    nan_in_a_box,
    nan_for_a_patient,
    box_beyond_the_picture,
    control_character_in_a_patient,
]


@pytest.mark.parametrize("spoil", WRONG, ids=lambda spoil: spoil.__name__)
def test_a_wrong_study_is_refused_by_name_and_no_run_is_begun(study, tmp_path, spoil):
    message = spoil(study)
    with pytest.raises(DataError, match=message):
        cli.run(["train", str(study), "--out", str(tmp_path / "run"), "--epochs", "1"])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "spoil", [copy_of_another_label, transparent, nan_in_a_box], ids=lambda f: f.__name__
)
def test_a_wrong_study_is_neither_split_nor_cross_validated(study, tmp_path, spoil):
    message = spoil(study)
    with pytest.raises(DataError, match=message):
        cli.run(["study", "split", str(study), "--out", str(tmp_path / "split.csv")])
    with pytest.raises(DataError, match=message):
        cli.run(["crossval", str(study), "--out", str(tmp_path / "cv"), "--epochs", "1"])
    assert {path.name for path in tmp_path.iterdir()} == {"study"}
