from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    ComprehensiveSRStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from edge.contract.roi import Roi
from edge.errors import CannotCreateError, DataError
from edge.outputs.dicom.exam import Clip, Exam, Pixels, Still, Uncut
from edge.outputs.dicom.order import Order, Subject
from edge.outputs.dicom.write import write_exam

ORDER = Order(
    "MRN-7",
    "Müller^Eva",
    birth_date="19700102",
    sex="F",
    accession_number="ACC-1",
    procedure_id="RP-1",
    procedure_description="US parotid",
    step_id="SPS-1",
    referring_physician="Arzt^Anna",
)
CLEAN = ("clean-still.dcm", "clean-clip.dcm")
NAMES = (*CLEAN, "annotated-still.dcm", "annotated-clip.dcm", "report.dcm")
FIELD, PANEL = Roi(40, 30, 200, 150), Roi(250, 10, 60, 100)


def written(exam: Exam, folder: Path) -> dict[str, Dataset]:
    return {path.name: pydicom.dcmread(path) for path in write_exam(exam, folder).files}


def elements(dataset: Dataset) -> list[Any]:
    return list(dataset.iterall())


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dciodvfy: apt-get install dicom3tools")
@pytest.mark.parametrize("identity", [Subject("S-001"), ORDER, Order("1")], ids=["subject", "order", "bare"])
@pytest.mark.parametrize("parts", ["all", "images", "no box"])
def test_an_independent_validator_finds_no_error(
    tmp_path: Path, exam: Exam, identity: Order | Subject, parts: str
) -> None:
    assert exam.finding is not None
    if parts == "images":
        exam = replace(exam, finding=None)
    if parts == "no box":
        exam = replace(exam, finding=msgspec.structs.replace(exam.finding, box=None), pixel_mm=None)
    for path in write_exam(replace(exam, identity=identity), tmp_path / "study").files:
        done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        assert "Error" not in done.stderr + done.stdout, path.name
        assert done.returncode == 0


def test_one_study_holds_every_picture_and_the_report(tmp_path: Path, exam: Exam) -> None:
    objects = written(exam, tmp_path / "study")
    assert tuple(objects) == NAMES
    assert [dataset.SOPClassUID for dataset in objects.values()] == [
        UltrasoundImageStorage,
        UltrasoundMultiFrameImageStorage,
        SecondaryCaptureImageStorage,
        UltrasoundMultiFrameImageStorage,
        ComprehensiveSRStorage,
    ]
    assert len({dataset.StudyInstanceUID for dataset in objects.values()}) == 1
    assert len({dataset.SeriesInstanceUID for dataset in objects.values()}) == 3
    assert len({dataset.SOPInstanceUID for dataset in objects.values()}) == 5
    assert all(dataset.SOPInstanceUID.startswith("2.25.") for dataset in objects.values())


def test_writing_again_gives_the_same_bytes(tmp_path: Path, exam: Exam) -> None:
    for identity in (Subject("S-001"), ORDER):
        first = write_exam(replace(exam, identity=identity), tmp_path / f"first-{type(identity)}")
        second = write_exam(replace(exam, identity=identity), tmp_path / f"second-{type(identity)}")
        for one, two in zip(first.files, second.files, strict=True):
            assert one.read_bytes() == two.read_bytes(), one.name


def test_other_pixels_are_another_object(tmp_path: Path, exam: Exam) -> None:
    assert exam.still is not None
    changed = exam.still.pixels.copy()
    changed[100, 100] ^= 1
    one = written(replace(exam, identity=ORDER), tmp_path / "one")
    two = written(replace(exam, identity=ORDER, still=Still(changed)), tmp_path / "two")
    assert one["clean-still.dcm"].SOPInstanceUID != two["clean-still.dcm"].SOPInstanceUID
    assert one["report.dcm"].SOPInstanceUID != two["report.dcm"].SOPInstanceUID
    assert one["clean-still.dcm"].StudyInstanceUID == two["clean-still.dcm"].StudyInstanceUID


def test_the_still_is_lossless_inside_the_field_and_black_outside(tmp_path: Path, exam: Exam) -> None:
    objects = written(exam, tmp_path / "study")
    assert exam.still is not None
    inside = np.s_[FIELD.y : FIELD.bottom, FIELD.x : FIELD.right]
    kept = objects["clean-still.dcm"].pixel_array
    assert np.array_equal(kept[inside], exam.still.pixels[inside])
    kept = kept.copy()
    kept[inside] = 0
    assert not kept.any()
    assert objects["clean-still.dcm"].LossyImageCompression == "00"


def test_an_annotated_picture_keeps_field_and_panel_only(tmp_path: Path, exam: Exam) -> None:
    kept = written(exam, tmp_path / "study")["annotated-still.dcm"].pixel_array
    expected = np.zeros(kept.shape, bool)
    for roi in (FIELD, PANEL):
        expected[roi.y : roi.bottom, roi.x : roi.right] = True
    assert np.array_equal(kept != 0, expected)


def test_no_frame_of_a_clip_shows_anything_outside_the_field(tmp_path: Path, exam: Exam) -> None:
    objects = written(exam, tmp_path / "study")
    frames = objects["clean-clip.dcm"].pixel_array
    assert frames.shape == (3, 241, 321, 3)
    # JPEG works in blocks of 16x8 pixels: next to the field's edge black is nearly black, further out it is 0
    assert frames[:, : FIELD.y - 16].max() <= 2
    assert frames[:, FIELD.bottom + 16 :].max() <= 2
    assert frames[:, :, FIELD.right + 16 :].max() <= 2
    dataset = objects["clean-clip.dcm"]
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    assert (dataset.NumberOfFrames, float(dataset.FrameTime), dataset.CineRate) == (3, 40.0, 25)


def test_frames_of_a_clip_keep_their_order_and_colours(tmp_path: Path, exam: Exam) -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    flat = [np.full((64, 64, 3), colour, np.uint8) for colour in colours]
    exam = Exam(Subject(), exam.captured_at, Uncut.CLEAN, clip=Clip(iter(flat), 33.3))
    frames = written(exam, tmp_path / "study")["clean-clip.dcm"].pixel_array
    assert frames.shape == (3, 64, 64, 3)
    for frame, colour in zip(frames, colours, strict=True):
        assert np.abs(frame.reshape(-1, 3).mean(0) - colour).max() < 3


def test_earlier_losses_are_confessed(tmp_path: Path, exam: Exam) -> None:
    assert exam.still is not None
    assert exam.clip is not None
    exam = replace(
        exam,
        still=replace(exam.still, lossy=("ISO_10918_1",)),
        clip=replace(exam.clip, lossy=("ISO_14496_10",)),
    )
    objects = written(exam, tmp_path / "study")
    assert objects["clean-still.dcm"].LossyImageCompression == "01"
    assert list(objects["clean-clip.dcm"].LossyImageCompressionMethod) == ["ISO_14496_10", "ISO_10918_1"]


def test_a_subject_leaves_no_identity_and_no_date_anywhere(tmp_path: Path, exam: Exam) -> None:
    for name, dataset in written(exam, tmp_path / "study").items():
        assert (dataset.PatientID, str(dataset.PatientName)) == ("S-001", "S-001^")
        assert dataset.PatientIdentityRemoved == "YES"
        assert {code.CodeValue for code in dataset.DeidentificationMethodCodeSequence} == {
            "113100",
            "113101",
            "113104",
            "113105",
        }
        for element in elements(dataset):
            if element.VR in ("DA", "TM", "DT"):
                assert element.value in ("", None, "19000101", "000000"), (name, element.keyword)
        raw = (tmp_path / "study" / name).read_bytes()
        assert b"2026" not in raw[: raw.find(b"\xe0\x7f\x10\x00")]
        if name != "report.dcm":
            assert dataset.BurnedInAnnotation == "NO"


def test_an_order_is_written_into_every_object(tmp_path: Path, exam: Exam) -> None:
    objects = written(replace(exam, identity=ORDER), tmp_path / "study")
    for dataset in objects.values():
        assert (dataset.PatientID, str(dataset.PatientName)) == ("MRN-7", "Müller^Eva")
        assert (dataset.PatientBirthDate, dataset.PatientSex) == ("19700102", "F")
        assert (dataset.AccessionNumber, dataset.StudyID) == ("ACC-1", "RP-1")
        assert (dataset.StudyDate, dataset.TimezoneOffsetFromUTC) == ("20261120", "+0100")
        assert dataset.PatientIdentityRemoved == "NO"
    assert objects["clean-still.dcm"].RequestAttributesSequence[0].ScheduledProcedureStepID == "SPS-1"
    assert objects["report.dcm"].ReferencedRequestSequence[0].AccessionNumber == "ACC-1"


def test_the_worklist_s_own_study_is_used(tmp_path: Path, exam: Exam) -> None:
    identity = replace(ORDER, study_uid="1.2.3.4")
    assert write_exam(replace(exam, identity=identity), tmp_path / "study").study_uid == "1.2.3.4"


def test_two_exams_of_one_order_are_one_study(tmp_path: Path, exam: Exam) -> None:
    later = replace(exam, identity=ORDER, captured_at=exam.captured_at + timedelta(minutes=3))
    one = write_exam(replace(exam, identity=ORDER), tmp_path / "one")
    assert write_exam(later, tmp_path / "two").study_uid == one.study_uid


def test_whole_pictures_with_text_need_an_identified_patient_and_say_so(tmp_path: Path, exam: Exam) -> None:
    with pytest.raises(DataError, match="needs the ultrasound field"):
        replace(exam, field=Uncut.WITH_TEXT)
    objects = written(replace(exam, identity=ORDER, field=Uncut.WITH_TEXT), tmp_path / "study")
    assert objects["clean-still.dcm"].BurnedInAnnotation == "YES"
    assert exam.still is not None
    assert np.array_equal(objects["clean-still.dcm"].pixel_array, exam.still.pixels)


def test_a_viewer_can_measure_in_the_field(tmp_path: Path, exam: Exam) -> None:
    (region,) = written(exam, tmp_path / "study")["clean-still.dcm"].SequenceOfUltrasoundRegions
    assert (region.RegionLocationMinX0, region.RegionLocationMaxY1) == (40, 179)
    assert region.PhysicalUnitsXDirection == 3
    assert region.PhysicalDeltaX == pytest.approx(0.01)


@pytest.mark.parametrize(
    "change",
    [
        {"field": Roi(40, 30, 2000, 150)},
        {"panels": (Roi(300, 10, 60, 100),)},
        {"clip": Clip([], 40.0)},
        {"clip": Clip([np.ones((241, 321), np.uint8), np.ones((200, 321), np.uint8)], 40.0)},
        {"clip": Clip([np.ones((241, 321), np.uint8)], 0.0)},
        {"still": Still(np.ones((241, 321), np.uint16))},  # type: ignore[arg-type]
        {"still": Still(np.ones((241, 321, 4), np.uint8))},
    ],
)
def test_pictures_that_do_not_fit_leave_nothing_behind(
    tmp_path: Path, exam: Exam, change: dict[str, Any]
) -> None:
    with pytest.raises(DataError):
        write_exam(replace(exam, **change), tmp_path / "study")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        {"still": None, "clip": None},
        {"still": None},
        {"pixel_mm": 0.0},
        {"pixel_mm": float("nan")},
        {"field": Roi(80, 30, 100, 100)},
    ],
)
def test_an_exam_that_contradicts_itself_is_refused(exam: Exam, change: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        replace(exam, **change)


def test_a_folder_that_exists_or_cannot_be_made_is_named_and_left_alone(tmp_path: Path, exam: Exam) -> None:
    target = tmp_path / "study"
    target.mkdir()
    (target / "mine").write_text("keep")
    with pytest.raises(CannotCreateError, match="exists already"):
        write_exam(exam, target)
    assert (target / "mine").read_text() == "keep"
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotCreateError, match="cannot write"):
        write_exam(exam, tmp_path / "file" / "study")


def test_a_full_disk_leaves_no_half_study(
    tmp_path: Path, exam: Exam, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.outputs.dicom.write.os.fsync", full)
    with pytest.raises(CannotCreateError, match="No space left"):
        write_exam(exam, tmp_path / "study")
    assert not list(tmp_path.iterdir())


def test_pixels_are_only_read(tmp_path: Path, exam: Exam) -> None:
    assert exam.still is not None
    before: Pixels = exam.still.pixels.copy()
    exam.still.pixels.setflags(write=False)
    write_exam(exam, tmp_path / "study")
    assert np.array_equal(exam.still.pixels, before)
