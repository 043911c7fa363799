from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from edge.errors import BusyError, CannotCreateError, DataError, NoInputError
from edge.outputs.dicom.address import Pacs
from edge.outputs.dicom.exam import Exam
from edge.outputs.dicom.outbox import FIRST_DELAY, LONGEST_DELAY, Outbox, State
from edge.outputs.dicom.pacs import Connection, Deadlines
from edge.outputs.dicom.write import write_exam
from tests.patience import PATIENCE_S

# pynetdicom drops a socket that could not connect without closing it; CPython closes it in the same line.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

NOBODY = Pacs("ARCHIVE", "127.0.0.1", 1)


@pytest.fixture
def files(tmp_path: Path, exam: Exam) -> tuple[Path, ...]:
    return write_exam(replace(exam, clip=None, annotated_clip=None), tmp_path / "study").files


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "queue")


def test_what_was_put_is_stored_and_leaves(outbox: Outbox, files: tuple[Path, ...], archives) -> None:
    archive = archives()
    uids = outbox.put(files)
    tally = outbox.send(Connection(archive.pacs))
    assert (tally.stored, tally.waiting, tally.refused) == (3, 0, 0)
    assert [dataset.SOPInstanceUID for dataset in archive.received] == uids
    assert [path.exists() for path in files] == [True, True, True]
    assert not list(outbox.folder.rglob("*.dcm"))


def test_putting_twice_sends_once(outbox: Outbox, files: tuple[Path, ...], archives) -> None:
    archive = archives()
    outbox.put(files)
    outbox.put(files)
    outbox.send(Connection(archive.pacs))
    assert len(archive.received) == 3


def test_while_the_pacs_is_away_tries_back_off_and_nothing_is_lost(
    outbox: Outbox, files: tuple[Path, ...], archives
) -> None:
    outbox.put(files)
    now = 1000.0
    for delay in (FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY):
        assert outbox.send(Connection(NOBODY), now).waiting == 3
        assert {item.state.not_before for item in outbox.waiting()} == {now + delay}
        assert not outbox.send(Connection(NOBODY), now + delay - 1).why
        now += delay
    assert all(item.state.tries == 3 and item.state.why for item in outbox.waiting())
    assert outbox.send(Connection(archives().pacs), now).stored == 3


def test_a_clock_set_back_delays_nothing_for_ever(outbox: Outbox, files: tuple[Path, ...], archives) -> None:
    outbox.put(files)
    outbox.send(Connection(NOBODY), 1e9)
    assert outbox.send(Connection(archives().pacs), 1e9 - 10 * LONGEST_DELAY).stored == 3


def test_tries_end_and_the_object_is_kept_aside(
    outbox: Outbox, files: tuple[Path, ...], archives, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.outputs.dicom.outbox.MOST_TRIES", 4)
    outbox.put(files[:1])
    now = 0.0
    for _ in range(4):
        now += LONGEST_DELAY
        outbox.send(Connection(NOBODY), now)
    (item,) = outbox.refused()
    assert not outbox.waiting()
    assert item.path.read_bytes() == files[0].read_bytes()
    assert item.state.tries == 4
    assert outbox.retry() == 1
    assert outbox.waiting()[0].state == State(tries=0, not_before=0.0, why="")
    assert outbox.send(Connection(archives().pacs), 0.0).stored == 1


def test_what_the_pacs_refuses_is_kept_aside_with_the_reason(
    outbox: Outbox, files: tuple[Path, ...], archives
) -> None:
    outbox.put(files)
    tally = outbox.send(Connection(archives(status=0xC001).pacs))
    assert (tally.stored, tally.waiting, tally.refused) == (0, 0, 3)
    assert {item.state.why for item in outbox.refused()} == {"the PACS answered with status 0xC001"}
    assert {item.path.read_bytes() for item in outbox.refused()} == {path.read_bytes() for path in files}


def test_one_object_that_breaks_every_connection_holds_up_no_other(
    outbox: Outbox, files: tuple[Path, ...], archives
) -> None:
    uids = outbox.put(files)

    def poison(event) -> None:
        if event.request.AffectedSOPInstanceUID == uids[0]:
            event.assoc.abort()

    archive = archives(answer=poison)
    first = outbox.send(Connection(archive.pacs), 0.0)
    assert (first.stored, first.waiting) == (0, 3)
    assert [item.state.tries for item in outbox.waiting()] == [0, 0, 1]
    second = outbox.send(Connection(archive.pacs), 0.0)
    assert (second.stored, second.waiting) == (2, 1)


def test_a_foreign_file_in_the_queue_is_set_aside_and_the_rest_is_sent(
    outbox: Outbox, files: tuple[Path, ...], archives
) -> None:
    outbox.put(files)
    (outbox.folder / "waiting" / "1.2.dcm").write_bytes(b"rubbish")
    (outbox.folder / "waiting" / f"{outbox.waiting()[0].uid}.json").write_bytes(b"{cut o")
    tally = outbox.send(Connection(archives().pacs))
    assert (tally.stored, tally.waiting, tally.refused) == (3, 0, 1)


def test_what_is_no_object_is_not_taken(outbox: Outbox, tmp_path: Path, files: tuple[Path, ...]) -> None:
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(b"rubbish")
    with pytest.raises(DataError, match=r"bad\.dcm"):
        outbox.put([files[0], bad])
    with pytest.raises(NoInputError, match=r"none\.dcm"):
        outbox.put([tmp_path / "none.dcm"])
    assert not outbox.waiting()


def test_an_identifier_with_a_path_in_it_is_refused(
    outbox: Outbox, tmp_path: Path, files: tuple[Path, ...]
) -> None:
    raw = files[0].read_bytes()
    uid = pydicom.dcmread(files[0]).SOPInstanceUID.encode()
    hostile = tmp_path / "hostile.dcm"
    hostile.write_bytes(raw.replace(uid, b"../../../x".ljust(len(uid), b"x")))
    with pytest.raises(DataError):
        outbox.put([hostile])
    assert not list(tmp_path.parent.rglob("*xxxx*.dcm"))


def test_a_queue_that_cannot_be_written_is_named_and_the_files_stay(
    tmp_path: Path, files: tuple[Path, ...]
) -> None:
    (tmp_path / "file").write_text("")
    outbox = Outbox(tmp_path / "file" / "queue")
    with pytest.raises(CannotCreateError, match="they are untouched"):
        outbox.put(files)
    with pytest.raises(CannotCreateError):
        outbox.send(Connection(NOBODY))
    assert all(path.exists() for path in files)


def test_a_disk_that_fills_leaves_no_half_object(
    outbox: Outbox, files: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.put(files[:1])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.atomic.os.fsync", full)
    with pytest.raises(CannotCreateError, match="No space left"):
        outbox.put(files[1:])
    assert [path.name for path in (outbox.folder / "waiting").iterdir()] == [f"{outbox.waiting()[0].uid}.dcm"]
    with pytest.raises(CannotCreateError, match="No space left"):
        outbox.send(Connection(NOBODY))
    assert len(outbox.waiting()) == 1


def test_two_senders_do_not_send_from_one_queue(
    outbox: Outbox, files: tuple[Path, ...], archives, released: threading.Event
) -> None:
    outbox.put(files[:1])
    sending = threading.Event()

    def wait(event) -> None:
        sending.set()
        released.wait(PATIENCE_S)

    archive = archives(answer=wait)
    first = threading.Thread(target=outbox.send, args=(Connection(archive.pacs),))
    first.start()
    assert sending.wait(PATIENCE_S)
    with pytest.raises(BusyError, match="another process"):
        outbox.send(Connection(archive.pacs))
    released.set()
    first.join()
    assert len(archive.received) == 1


def test_a_kill_while_sending_loses_nothing(outbox: Outbox, files: tuple[Path, ...], archives) -> None:
    uids = outbox.put(files)
    child: list[subprocess.Popen[bytes]] = []
    started = threading.Event()

    def kill_at_the_second(event) -> None:
        assert started.wait(PATIENCE_S)
        if len(archive.received) == 1 and child[0].poll() is None:
            os.kill(child[0].pid, signal.SIGKILL)

    archive = archives(answer=kill_at_the_second)
    command = ["-m", "edge", "dicom", "send", "--to", f"ARCHIVE@127.0.0.1:{archive.port}"]
    child.append(subprocess.Popen([sys.executable, *command, "--queue", str(outbox.folder)]))
    started.set()
    assert child[0].wait(PATIENCE_S) == -signal.SIGKILL
    assert {item.uid for item in outbox.waiting()} >= set(uids) - {archive.received[0].SOPInstanceUID}
    assert outbox.send(Connection(archive.pacs, Deadlines(PATIENCE_S, PATIENCE_S, PATIENCE_S))).waiting == 0
    assert {dataset.SOPInstanceUID for dataset in archive.received} == set(uids)
