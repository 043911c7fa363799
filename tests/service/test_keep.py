"""Raw recordings leave an entry in the audit log, and an archive without a queue is refused."""

import json
from pathlib import Path

import msgspec
import pytest

from edge.exam.desk import Choices, Desk
from edge.outputs.dicom.order import Order, Subject
from edge.service.keep import another_patient, reception_of, recordings_of, start_recorders
from edge.settings import DicomSettings, ModelSettings, RecordingSettings, Settings
from edge.timing import Timing
from tests.fakes import spec
from tests.outputs.readings import IDENTITY, POINT


def start(tmp_path, raw):
    settings = Settings(
        model=ModelSettings(audit=tmp_path / "audit.jsonl"),
        recording=RecordingSettings(folder=tmp_path / "recordings", raw=raw),
    )
    desk = Desk(spec(), Choices(None, POINT))
    for recorder in start_recorders(settings, recordings_of(settings), IDENTITY, 25.0, Timing(), desk):
        recorder.close()
    return desk


@pytest.mark.parametrize(
    ("chosen", "who"),
    [
        (DicomSettings(queue=Path("q")), Subject("ANONYMOUS")),
        (DicomSettings(queue=Path("q"), worklist=Path("none.json")), Subject("ANONYMOUS")),
        (DicomSettings(queue=Path("q"), identified=True, patient_id="P1"), Order("P1")),
    ],
)
def test_configuration_names_the_patient_only_where_it_says_identified(chosen, who):
    settings = Settings(dicom=chosen)
    reception = reception_of(settings, Desk(spec(), Choices(None, POINT)))
    assert reception.identify(0).result(30) == who


def test_another_patient_in_the_configuration_is_another_case_and_its_patient():
    desk = Desk(spec(), Choices(None, POINT))
    named = [
        Settings(dicom=DicomSettings(queue=Path("q"), identified=True, patient_id=number))
        for number in ("P1", "P2")
    ]
    reception = reception_of(named[0], desk)
    first = reception.identify(0)
    another_patient(desk, reception, named[1])
    assert (desk.choices.case, first.result(30)) == (1, Order("P1"))
    assert reception.identify(1).result(30) == Order("P2")
    another_patient(desk, None, named[0])
    assert desk.choices.case == 2


def test_raw_recordings_are_put_on_record(tmp_path):
    start(tmp_path, raw=False)
    assert not (tmp_path / "audit.jsonl").exists()
    desk = start(tmp_path, raw=True)
    assert json.loads((tmp_path / "audit.jsonl").read_text())["event"] == "raw"
    assert msgspec.json.decode((tmp_path / "audit.jsonl").read_bytes())["previous"] == "0" * 64
    assert desk.keeping.refused is None


def test_operator_is_told_that_raw_recordings_are_on_no_record(tmp_path):
    (tmp_path / "audit.jsonl").mkdir()
    (told,) = start(tmp_path, raw=True).events()
    assert told.kind == "audit"
    assert "it lacks: raw" in told.text
