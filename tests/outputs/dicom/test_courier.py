from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import CannotCreateError
from edge.outputs.dicom.courier import Courier
from edge.outputs.dicom.exam import Exam
from edge.outputs.dicom.outbox import Outbox
from edge.outputs.dicom.write import write_exam

# pynetdicom drops sockets without closing them; CPython closes them in the same line.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def files(tmp_path: Path, exam: Exam) -> tuple[Path, ...]:
    return write_exam(replace(exam, clip=None, annotated_clip=None), tmp_path / "study").files


def eventually(condition: Callable[[], bool]) -> bool:
    """True as soon as it holds; gives up after so long that only a defect explains it."""
    for _ in range(12_000):
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_what_is_put_arrives_by_itself(tmp_path: Path, files: tuple[Path, ...], archives) -> None:
    archive = archives()
    outbox = Outbox(tmp_path / "queue")
    courier = Courier(outbox, archive.pacs)
    courier.put(files)
    assert eventually(lambda: len(archive.received) == 3 and not outbox.waiting())
    courier.close()


def test_a_sandbox_that_forbids_another_priority_costs_no_warning(
    tmp_path: Path,
    files: tuple[Path, ...],
    archives,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def forbid(*_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.setpriority", forbid)
    outbox = Outbox(tmp_path / "queue")
    courier = Courier(outbox, archives().pacs)
    courier.put(files)
    assert eventually(lambda: not outbox.waiting())
    courier.close()
    assert "not permitted" not in caplog.text


def test_what_waited_from_an_earlier_run_is_sent_at_the_start(
    tmp_path: Path, files: tuple[Path, ...], archives
) -> None:
    archive = archives()
    outbox = Outbox(tmp_path / "queue")
    outbox.put(files)
    courier = Courier(outbox, archive.pacs)
    assert eventually(lambda: not outbox.waiting())
    courier.close()


def test_a_pacs_that_hangs_blocks_neither_put_nor_close(
    tmp_path: Path, files: tuple[Path, ...], archives, released: threading.Event
) -> None:
    hanging = threading.Event()

    def hang(event) -> None:
        hanging.set()
        released.wait(120)

    archive = archives(answer=hang)
    outbox = Outbox(tmp_path / "queue")
    courier = Courier(outbox, archive.pacs)
    courier.put(files[:1])
    assert hanging.wait(60)
    courier.put(files[1:])  # returns although the archive still hangs
    courier.close()
    assert not released.is_set()
    assert eventually(lambda: not any(thread.name == "dicom-courier" for thread in threading.enumerate()))
    assert len(outbox.waiting()) == 3


def test_a_courier_closed_at_once_starts_nothing(tmp_path: Path, files: tuple[Path, ...], archives) -> None:
    archive = archives()
    outbox = Outbox(tmp_path / "queue")
    courier = Courier(outbox, archive.pacs)
    courier.close()
    courier.put(files)  # still taken: it is on disk for the next start
    courier.close()
    assert eventually(lambda: not any(thread.name == "dicom-courier" for thread in threading.enumerate()))
    assert (len(outbox.waiting()), archive.received) == (3, [])


def test_trouble_is_logged_without_a_word_about_the_patient(
    tmp_path: Path, files: tuple[Path, ...], archives, caplog: pytest.LogCaptureFixture
) -> None:
    archive = archives(status=0xC000)
    outbox = Outbox(tmp_path / "queue")
    with caplog.at_level(logging.WARNING, logger="edge"):
        courier = Courier(outbox, archive.pacs)
        courier.put(files)
        assert eventually(lambda: "refused" in caplog.text)
        courier.close()
    assert "S-001" not in caplog.text
    assert len(outbox.refused()) == 3


def test_a_queue_that_cannot_be_written_is_the_caller_s_to_know(
    tmp_path: Path, files: tuple[Path, ...], archives
) -> None:
    (tmp_path / "file").write_text("")
    courier = Courier(Outbox(tmp_path / "file" / "queue"), archives().pacs)
    with pytest.raises(CannotCreateError):
        courier.put(files)
    courier.close()
