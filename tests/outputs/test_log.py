"""The log has one object a presented frame, with a risk or a reason, never both."""

import json
import threading
from pathlib import Path

import pytest

from edge.errors import CannotCreateError
from edge.outputs.log import QUEUE, SessionLog
from tests.outputs.test_overlay import reading
from tests.patience import PATIENCE_S, wait_for

FIELDS = ["sequence", "captured_ns", "state", "risk", "low", "high", "reason", "age_ms"]


def test_lines(tmp_path):
    log = SessionLog(tmp_path / "s.jsonl")
    log.present(None, reading(0.71))
    log.present(None, reading(reason="the network failed"))
    log.close()
    shown, withheld = (json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines())
    assert list(shown) == list(withheld) == FIELDS
    assert (shown["risk"], shown["reason"], shown["age_ms"], shown["state"]) == (0.71, None, 30.0, "live")
    assert withheld["reason"] == "the network failed"
    assert [withheld[name] for name in ("risk", "low", "high", "age_ms")] == [None] * 4


def test_restart_erases_nothing_and_joins_no_line_to_a_torn_one(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"sequence":1}\n{"seq')
    log = SessionLog(path)
    log.present(None, reading(0.71))
    log.close()
    whole, torn, new = path.read_text().splitlines()
    assert (whole, torn) == ('{"sequence":1}', '{"seq')
    assert json.loads(new)["risk"] == 0.71


def test_line_is_handed_to_the_system_at_once(tmp_path):
    log = SessionLog(tmp_path / "s.jsonl")
    log.present(None, reading())
    wait_for(lambda: (tmp_path / "s.jsonl").read_bytes().endswith(b"\n"))
    log.close()


def test_full_disk_is_said_once_and_survived(caplog):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    log = SessionLog(Path("/dev/full"))
    log.present(None, reading())
    wait_for(lambda: log.failure)
    log.present(None, reading())
    assert "the log has stopped" in log.failure
    log.close()
    assert caplog.messages == [log.failure]


def test_disk_that_stalls_holds_up_no_picture_and_what_it_loses_is_counted(tmp_path):
    release = threading.Event()
    log = SessionLog(tmp_path / "s.jsonl")

    class Stalled:
        def write(self, line):
            release.wait(PATIENCE_S)
            return len(line)

        def close(self):
            pass

    log._file.close()
    log._file = Stalled()
    for _ in range(QUEUE + 50):
        log.present(None, reading())  # would hang here if it wrote
    assert log.dropped >= 49
    assert log.failure is None
    release.set()
    log.close()


def test_unwritable_place(tmp_path):
    with pytest.raises(CannotCreateError, match="cannot write the log"):
        SessionLog(tmp_path / "none" / "s.jsonl")
