from __future__ import annotations

import json
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from edge.errors import DataError, NoInputError
from edge.outputs.dicom.parsing import unvalidated
from edge.outputs.dicom.worklist import read_worklist


def item(character_set: str = "ISO_IR 100", **values: Any) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = character_set
    dataset.PatientID, dataset.PatientName = "MRN-7", "Müller^Eva"
    dataset.PatientBirthDate, dataset.PatientSex = "19700102", "F"
    dataset.AccessionNumber, dataset.StudyInstanceUID = "ACC-1", "1.2.3.4"
    dataset.RequestedProcedureID, dataset.RequestedProcedureDescription = "RP-1", "US parotid"
    step = Dataset()
    step.ScheduledProcedureStepID, step.ScheduledProcedureStepDescription = "SPS-1", "left"
    dataset.ScheduledProcedureStepSequence = [step]
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path)
    return path


def test_a_worklist_item_gives_patient_and_order(tmp_path: Path) -> None:
    order = read_worklist(save(item(), tmp_path / "order.wl"))
    assert (order.patient_id, order.patient_name, order.birth_date) == ("MRN-7", "Müller^Eva", "19700102")
    assert (order.accession_number, order.study_uid) == ("ACC-1", "1.2.3.4")
    assert (order.procedure_id, order.step_id, order.step_description) == ("RP-1", "SPS-1", "left")


def test_dicom_json_says_the_same_as_the_file(tmp_path: Path) -> None:
    dataset = item("ISO_IR 192")
    path = tmp_path / "order.json"
    path.write_text(json.dumps([dataset.to_json_dict()]))
    assert read_worklist(path) == read_worklist(save(dataset, tmp_path / "order.wl"))


def test_one_of_several_orders_is_chosen_by_accession_number(tmp_path: Path) -> None:
    path = tmp_path / "orders.json"
    orders = [item(AccessionNumber=number, PatientID=number) for number in ("A", "B")]
    path.write_text(json.dumps([order.to_json_dict() for order in orders]))
    assert read_worklist(path, "B").patient_id == "B"
    with pytest.raises(DataError, match="2 orders"):
        read_worklist(path)
    with pytest.raises(DataError, match="0 orders"):
        read_worklist(path, "C")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 5000,
        b"%PDF-1.7 not a worklist",
        b"\0" * 128 + b"DICM" + b"\xff" * 200,
        b"[" * 100_000,
        b"{}",
        b"[]",
        b"[1, 2]",
        b'{"00100020": 5}',
        b'{"00100020": {"vr": "LO", "Value": [{"a": 1}]}}',
        b'{"00100020": {"vr": "SQ", "Value": [{}]}}',
        b'{"zzzz": {"vr": "LO"}}',
        b'{"00100020": {"vr": "LO", "Value": ["\\u0000\\u001b"]}}',
        b'{"00100020": {"vr": "LO", "Value": ["\xff"]}}',
    ],
)
def test_what_is_no_worklist_is_refused_by_name(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "order.wl"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"order\.wl"):
        read_worklist(path)


def test_every_cut_of_a_worklist_is_read_or_refused(tmp_path: Path) -> None:
    whole = save(item(), tmp_path / "whole.wl").read_bytes()
    path = tmp_path / "cut.wl"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with suppress(DataError):
            assert read_worklist(path).patient_id == "MRN-7"


def test_a_refusal_shows_nothing_of_the_patient(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "order.json"
    secret = "Geheim^Gerda"
    values = item().to_json_dict()
    values["00100010"] = {"vr": "PN", "Value": [{"Alphabetic": secret + "\\x"}]}
    path.write_text(json.dumps(values))
    with pytest.raises(DataError) as error:
        read_worklist(path)
    assert "Geheim" not in str(error.value) + caplog.text
    assert not recwarn.list


def test_a_missing_worklist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="nowhere"):
        read_worklist(tmp_path / "nowhere.wl")


def test_reading_in_two_threads_leaves_warnings_and_checks_as_they_were() -> None:
    filters, mode = list(warnings.filters), pydicom.config.settings.reading_validation_mode
    inside, leave, done = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with unvalidated(strict=True):
            inside.set()
            leave.wait()

    def second() -> None:
        with unvalidated(strict=True):
            done.set()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    inside.wait()
    threads[1].start()
    overlapped = done.wait(0.2)
    leave.set()
    for thread in threads:
        thread.join()
    assert not overlapped
    assert warnings.filters == filters
    assert pydicom.config.settings.reading_validation_mode == mode


@pytest.mark.filterwarnings("ignore:something else")
def test_warning_of_another_thread_is_no_fault_of_the_worklist_and_raises_nothing_there() -> None:
    told: list[str] = []

    def warn() -> None:
        try:
            warnings.warn("something else", stacklevel=1)
            told.append("warned")
        except UserWarning:
            told.append("raised")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with unvalidated(strict=True):
            other = threading.Thread(target=warn)
            other.start()
            other.join()
            with pytest.raises(UserWarning):
                warnings.warn("here", stacklevel=1)
    assert told == ["warned"]
