from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from edge.errors import UsageError
from edge.outputs.dicom.address import Pacs
from edge.outputs.dicom.exam import Exam, Still, Uncut
from edge.outputs.dicom.pacs import Connection, Deadlines, Outcome
from edge.outputs.dicom.write import write_exam
from tests.patience import PATIENCE_S

SHORT = Deadlines(connect=0.5, negotiate=0.5, answer=0.5)
PATIENT = Deadlines(connect=PATIENCE_S, negotiate=PATIENCE_S, answer=PATIENCE_S)
# pynetdicom drops a socket that could not connect without closing it; CPython closes it in the same line.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def files(tmp_path: Path, exam: Exam) -> dict[str, Path]:
    return {path.name: path for path in write_exam(exam, tmp_path / "study").files}


@pytest.fixture
def tcp() -> Iterator[Callable[[Callable[[socket.socket], None]], Pacs]]:
    """Starts servers that speak no DICOM of their own: each connection is handed to a function."""
    listeners: list[socket.socket] = []
    kept: list[socket.socket] = []

    def start(handle: Callable[[socket.socket], None]) -> Pacs:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                kept.append(connection)
                handle(connection)

        threading.Thread(target=serve, daemon=True).start()
        return Pacs("ARCHIVE", "127.0.0.1", listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for connection in kept:
        connection.close()


def test_every_object_arrives_as_it_was_written(files: dict[str, Path], archives) -> None:
    archive = archives()
    with Connection(archive.pacs) as connection:
        assert connection.echo().outcome is Outcome.STORED
        for path in files.values():
            assert connection.store(path).outcome is Outcome.STORED
    for path, received in zip(files.values(), archive.received, strict=True):
        sent = pydicom.dcmread(path)
        assert received.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
        assert received == sent


def test_a_pacs_without_jpeg_gets_plain_pixels_that_stay_marked_as_lossy(
    files: dict[str, Path], archives
) -> None:
    archive = archives(["1.2.840.10008.1.2"])
    with Connection(archive.pacs) as connection:
        assert connection.store(files["clean-clip.dcm"]).outcome is Outcome.STORED
    (received,) = archive.received
    sent = pydicom.dcmread(files["clean-clip.dcm"])
    assert received.SOPInstanceUID == sent.SOPInstanceUID
    assert received.LossyImageCompression == "01"
    assert np.array_equal(received.pixel_array, sent.pixel_array)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x0000, Outcome.STORED),
        (0xB000, Outcome.STORED),
        (0xB007, Outcome.STORED),
        (0xA700, Outcome.UNREACHABLE),
        (0xA900, Outcome.REFUSED),
        (0xC000, Outcome.REFUSED),
        (0x0122, Outcome.REFUSED),
        (0x0124, Outcome.REFUSED),
    ],
)
def test_a_no_for_ever_and_a_not_now_are_told_apart(
    files: dict[str, Path], archives, status: int, outcome: Outcome
) -> None:
    with Connection(archives(status=status).pacs) as connection:
        delivery = connection.store(files["report.dcm"])
    assert delivery.outcome is outcome
    assert outcome is Outcome.STORED or f"{status:04X}" in delivery.why


def test_an_unknown_title_is_a_refusal_with_its_reason(files: dict[str, Path], archives) -> None:
    with Connection(replace(archives().pacs, title="NOBODY")) as connection:
        delivery = connection.store(files["report.dcm"])
    assert delivery.outcome is Outcome.REFUSED
    assert "Called AE title not recognised" in delivery.why


def test_nobody_there_is_unreachable(files: dict[str, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Connection(Pacs("ARCHIVE", "127.0.0.1", port), SHORT) as connection:
        assert connection.store(files["report.dcm"]).outcome is Outcome.UNREACHABLE
        assert connection.echo().outcome is Outcome.UNREACHABLE


def test_a_host_without_an_address_is_unreachable(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with Connection(Pacs("ARCHIVE", "archive.example", 104), SHORT) as connection:
        delivery = connection.store(files["report.dcm"])
    assert delivery.outcome is Outcome.UNREACHABLE
    assert "not known" in delivery.why


def test_a_pacs_that_says_nothing_is_unreachable(files: dict[str, Path], tcp) -> None:
    with Connection(tcp(lambda connection: None), SHORT) as connection:
        assert connection.store(files["report.dcm"]).outcome is Outcome.UNREACHABLE


def test_something_that_is_no_pacs_is_unreachable(files: dict[str, Path], tcp) -> None:
    pacs = tcp(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with Connection(pacs, SHORT) as connection:
        assert connection.store(files["report.dcm"]).outcome is Outcome.UNREACHABLE


def test_a_pacs_that_never_answers_a_store_is_unreachable(
    files: dict[str, Path], archives, released: threading.Event
) -> None:
    archive = archives(answer=lambda event: released.wait(PATIENCE_S) and None)
    with Connection(archive.pacs, replace(PATIENT, answer=0.5)) as connection:
        assert connection.store(files["report.dcm"]).outcome is Outcome.UNREACHABLE
        assert connection.broke
        assert connection.store(files["clean-still.dcm"]).outcome is Outcome.UNREACHABLE


@pytest.fixture
def deaf(archives, tcp) -> Pacs:
    """Accepts the association and then reads nothing more, so that the sender's buffers fill."""
    behind = archives()

    def handle(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", behind.port)) as real:
            real.sendall(connection.recv(1 << 16))
            connection.sendall(real.recv(1 << 16))

    return tcp(handle)


@pytest.fixture
def large(tmp_path: Path, exam: Exam) -> Path:
    """More than the buffers of two sockets hold."""
    still = Still(np.ones((4000, 4000, 3), np.uint8))
    exam = Exam(exam.identity, exam.captured_at, Uncut.CLEAN, still=still)
    return write_exam(exam, tmp_path / "large").files[0]


def test_a_pacs_that_stops_reading_is_unreachable(large: Path, deaf: Pacs) -> None:
    with Connection(deaf, replace(PATIENT, answer=0.5)) as connection:
        assert connection.store(large).outcome is Outcome.UNREACHABLE


def test_a_line_that_breaks_within_an_object_ends_without_a_traceback(large: Path, archives, tcp) -> None:
    behind = archives()

    def handle(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", behind.port)) as real:
            real.sendall(connection.recv(1 << 16))
            connection.sendall(real.recv(1 << 16))
        connection.recv(1 << 16)
        connection.close()

    with Connection(tcp(handle), PATIENT) as connection:
        assert connection.store(large).outcome is Outcome.UNREACHABLE


def test_a_file_that_is_no_object_is_refused_alone(tmp_path: Path, files: dict[str, Path], archives) -> None:
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(b"not dicom")
    with Connection(archives().pacs) as connection:
        assert connection.store(bad).outcome is Outcome.REFUSED
        assert connection.store(files["report.dcm"]).outcome is Outcome.STORED


def test_an_address_is_read_or_refused() -> None:
    assert Pacs.parse("ARCHIVE@10.0.0.5:104", "CART") == Pacs("ARCHIVE", "10.0.0.5", 104, "CART")
    assert Pacs.parse("A B@[::1]:11112", "CART").host == "::1"
    for address in ("ARCHIVE@10.0.0.5:104", "A B@[::1]:11112"):
        assert str(Pacs.parse(address, "CART")) == address
    for text in (
        "",
        "ARCHIVE",
        "@h:1",
        "A@h",
        "A@h:0",
        "A@h:70000",
        "A@:1",
        "A\\B@h:1",
        "x" * 17 + "@h:1",
        "A@h:1 x",
    ):
        with pytest.raises(UsageError):
            Pacs.parse(text, "CART")
    with pytest.raises(UsageError, match="application entity"):
        Pacs.parse("ARCHIVE@h:104", "   ")
