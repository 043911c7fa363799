"""Raw recordings leave an entry in the audit log, and an archive without a queue is refused."""

import json
from contextlib import ExitStack

import msgspec
import pytest

from edge.errors import UsageError
from edge.exam.desk import Choices, Desk
from edge.service.keep import recordings_of, start_dicom, start_recorders
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


def test_archive_without_a_queue_is_refused():
    settings = Settings(dicom=DicomSettings(pacs="ARCHIVE@10.0.0.5:104"))
    desk = Desk(spec(), Choices(None, POINT))
    with ExitStack() as stack, pytest.raises(UsageError, match="Give --dicom FOLDER too"):
        start_dicom(settings, lambda: settings, None, "fp32", desk, None, stack)


def test_raw_recordings_are_put_on_record(tmp_path):
    start(tmp_path, raw=False)
    assert not (tmp_path / "audit.jsonl").exists()
    desk = start(tmp_path, raw=True)
    assert json.loads((tmp_path / "audit.jsonl").read_text())["event"] == "raw"
    assert msgspec.json.decode((tmp_path / "audit.jsonl").read_bytes())["previous"] == "0" * 64
    assert desk.keeping.refused is None
