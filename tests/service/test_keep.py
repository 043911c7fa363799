"""Raw recordings leave an entry in the audit log."""

import json

import msgspec

from edge.exam.desk import Choices, Desk
from edge.service.keep import recordings_of, start_recorders
from edge.settings import ModelSettings, RecordingSettings, Settings
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


def test_raw_recordings_are_put_on_record(tmp_path):
    start(tmp_path, raw=False)
    assert not (tmp_path / "audit.jsonl").exists()
    desk = start(tmp_path, raw=True)
    assert json.loads((tmp_path / "audit.jsonl").read_text())["event"] == "raw"
    assert msgspec.json.decode((tmp_path / "audit.jsonl").read_bytes())["previous"] == "0" * 64
    assert desk.keeping.refused is None
