"""A decoder may crash, hang, lie or eat memory: the picture goes on or one error says why."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from edge.contract.frame import Matrix, PixelFormat
from edge.errors import DataError, NoInputError, SonocartError
from edge.sources import isolated
from edge.sources.base import Condition, Outage, Pace, SourceEnded
from edge.sources.isolated import FILE, LINE, MEMORY_BYTES, CrashError, IsolatedSource, Patience
from edge.sources.messages import SLOTS, Failed, Lost, Picture
from edge.sources.open import open_source
from edge.sources.stream import without_password
from edge.sources.video import VideoSource
from tests.clips import tissue, write_clip
from tests.patience import PATIENCE_S, Clock, wait_for
from tests.sources import rtsp_server as rtsp


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://10.0.0.5/s", "rtsp://10.0.0.5/s"),
        ("rtsp://admin:secret@10.0.0.5:554/s", "rtsp://10.0.0.5:554/s"),
        ("rtsp://admin:p@ss@10.0.0.5/s", "rtsp://10.0.0.5/s"),
        ("rtsp://admin:se/cret@10.0.0.5/s", "rtsp://..."),
        ("rtsp://admin:se?cret@10.0.0.5/s", "rtsp://..."),
        ("rtsp://admin:p@ss/se@cret@10.0.0.5/s", "rtsp://..."),
        ("rtsp://10.0.0.5/s?user=admin&password=secret", "rtsp://10.0.0.5/s"),
        ("rtsp://10.0.0.5/user=admin&password=secret", "rtsp://10.0.0.5/user"),
        ("rtsp://10.0.0.5/s?password=se@cret", "rtsp://..."),
        ("RTSP://admin:secret@10.0.0.5/s", "RTSP://10.0.0.5/s"),
        ("rtsp:/admin:secret@10.0.0.5/s", "rtsp:/10.0.0.5/s"),
        ("clips/one=1#2?.mp4", "clips/one=1#2?.mp4"),
        ("images:folder,fps=25", "images:folder,fps=25"),
    ],
)
def test_a_source_is_named_without_who_asks_and_how(address, shown):
    assert without_password(address) == shown


def test_no_error_tells_the_password():
    for address in ("rtsp:/u:secret@h/s", "RTSP://u:secret@h/s"):
        with pytest.raises(SonocartError) as raised:
            open_source(address, pace=Pace.LIVE, repeat=False).read()
        assert "secret" not in str(raised.value)


def test_what_a_decoder_says_is_one_printable_line(clip):
    source = opened(clip)
    lie = "no\nMAINPID=1\x1b[2J" + "x" * 1000
    source._process.hear = lambda _: Lost(lie)
    with pytest.raises(Outage) as raised:
        source._receive()
    assert raised.value.detail == f"no MAINPID=1 [2J{'x' * 1000}"[:LINE]
    problem = source._problem(Failed("NoInputError", lie))
    assert isinstance(problem, NoInputError)
    assert "\n" not in str(problem)
    source.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", [tissue(i) for i in range(12)])


def opened(path, **options):
    return IsolatedSource(str(path), **{"pace": Pace.MAX, "repeat": False, "patience": FILE} | options)


def rest_of(source):
    found = []
    try:
        while True:
            found.append(source.read())
    except SourceEnded:
        return found


def test_frames_are_those_of_the_decoder_and_nobody_elses(clip):
    source = opened(clip)
    frames, expected = rest_of(source), rest_of(VideoSource(clip, pace=Pace.MAX))
    assert [f.sequence for f in frames] == list(range(12))
    for ours, theirs in zip(frames, expected, strict=True):
        assert ours.captured_ns == theirs.captured_ns
        assert all(np.array_equal(a, b) for a, b in zip(ours.planes, theirs.planes, strict=True))
    with pytest.raises(SourceEnded):
        source.read()


def lies_in(slots, frame):
    return any(np.shares_memory(frame.planes[0], slot) for slot in slots)


def test_frames_lie_where_they_were_decoded_and_are_copied_only_where_many_are_held(clip):
    source = opened(clip)
    slots = source._process._slots
    frames = rest_of(source)
    lent = [lies_in(slots, frame) for frame in frames]
    assert lent == [True] * (SLOTS - 2) + [False] * (12 - SLOTS + 2)


def test_slots_of_frames_that_are_let_go_are_used_again(clip):
    source = opened(clip, repeat=True)  # else its decoder may have ended, and is started again
    lent = [lies_in(source._process._slots, source.read()) for _ in range(12)]
    source.close()
    assert all(lent)


def test_held_frames_stay_as_they_are(clip):
    source = opened(clip)
    first = source.read()
    luma = first.luma(first.bounds)
    before = luma.copy()
    del first
    rest_of(source)
    assert np.array_equal(luma, before)


def test_decoder_that_is_killed_is_replaced_and_no_picture_is_missing_or_shown_twice(clip):
    source = opened(clip)
    before = [source.read().sequence for _ in range(4)]
    os.kill(source._process._process.pid, signal.SIGSEGV)
    after = [frame.sequence for frame in rest_of(source)]
    assert before + after == list(range(12))


def test_decoder_that_dies_twice_at_one_place_is_the_files_fault(clip):
    source = opened(clip, repeat=True)  # else it may have sent all before it dies
    source.read()
    source._resumed_at = source._next
    source._process._process.kill()
    while True:  # pictures that it had already sent
        try:
            source._resumed_at = source._next
            source.read()
        except DataError as error:
            assert "SIGKILL" in str(error)  # noqa: PT017
            assert "same place" in str(error)  # noqa: PT017
            break


def test_decoder_that_hangs_is_replaced(clip, monkeypatch):
    source, kill = opened(clip), isolated._Process.kill

    def kill_and_be_patient(process):
        kill(process)
        source._patience = FILE

    source.read()
    os.kill(source._process._process.pid, signal.SIGSTOP)
    source._patience = Patience(20.0, 0.5, endless=False)
    monkeypatch.setattr(isolated._Process, "kill", kill_and_be_patient)
    assert [frame.sequence for frame in rest_of(source)] == list(range(1, 12))


def test_reader_that_was_held_up_does_not_replace_a_decoder_that_was_held_up_with_it(clip, monkeypatch):
    """Ten seconds go by between any two looks at the clock, as on a machine that stands still."""
    with contextlib.closing(opened(clip)) as source:
        source.read()
        before = source.pid
        os.kill(before, signal.SIGSTOP)
        go_on = threading.Timer(0.5, os.kill, (before, signal.SIGCONT))
        go_on.start()
        monkeypatch.setattr(isolated, "time", Clock(step_ns=10**10))
        rest_of(source)
        go_on.join()
        assert source.pid == before


def test_closing_ends_the_process_and_gives_everything_back(clip):
    opened(clip).close()
    count = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2):
        source = opened(clip, repeat=True)
        source.read()
        process = source._process._process
        source.close()
        assert process.poll() is not None
    del source
    assert len(list(Path("/proc/self/fd").iterdir())) <= count


def gone(pid):
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().split()[2] == "Z"


def test_decoder_does_not_outlive_the_cart(clip):
    code = (
        "import sys, os, signal; from tests.sources.test_isolated import opened\n"
        f"s = opened({str(clip)!r}, repeat=True); s.read(); print(s._process._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path.cwd())
    wait_for(lambda: gone(int(done.stdout)))


@pytest.mark.parametrize(
    "lie",
    [
        {"shapes": ((96, 128),)},
        {"shapes": ((96, 128), (48, 64), (48, 64, 2))},
        {"shapes": ((65536, 65536), (48, 64), (48, 64))},
        {"shapes": ((0, 0), (0, 0), (0, 0))},
        {"shapes": ((96, 128), (1, 1), (1, 1))},
        {"shapes": ((96, 0), (48, 64), (48, 64))},
        {"format": PixelFormat.NV12},
        {"captured_ns": 1 << 61},
    ],
)
def test_picture_that_cannot_be_is_not_looked_at(clip, lie):
    source = opened(clip, pace=Pace.LIVE)
    honest = {
        "slot": 0,
        "format": PixelFormat.I420,
        "shapes": ((96, 128), (48, 64), (48, 64)),
        "sequence": 0,
        "captured_ns": 0,
        "full_range": True,
        "matrix": Matrix.BT601,
    }
    source._frame(Picture(**honest))
    with pytest.raises(CrashError, match="no sense"):
        source._frame(Picture(**honest | lie))
    source.close()


def test_damaged_files_give_pictures_or_one_error(clip, tmp_path):
    rng = np.random.default_rng(1)
    for index in range(6):
        data = bytearray(clip.read_bytes())
        for at in rng.integers(0, len(data), 40):
            data[at] = rng.integers(0, 256)
        bad = tmp_path / f"{index}.mp4"
        bad.write_bytes(data[: rng.integers(len(data) // 2, len(data))])
        source = None
        try:
            source = opened(bad)
            rest_of(source)
        except SonocartError as error:
            assert "\n" not in str(error)  # noqa: PT017
        finally:
            if source is not None:
                source.close()


def test_memory_of_a_decoder_is_limited(clip):
    source = opened(clip, repeat=True)
    limits = resource.prlimit(source._process._process.pid, resource.RLIMIT_AS)
    source.close()
    assert limits == (MEMORY_BYTES, MEMORY_BYTES)


def test_file_whose_name_is_no_text_is_played_and_a_damaged_one_told(clip, tmp_path):
    """As disks of older systems carry them: a byte of Latin-1 is no UTF-8."""
    path = tmp_path / os.fsdecode(b"Schilddr\xfcse.mp4")
    path.write_bytes(clip.read_bytes())
    source = opened(path)
    assert len(rest_of(source)) == 12
    assert source.info.name == "Schilddr?se.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(DataError, match=r"Schilddr\?se\.mp4"):
        opened(path)


def test_missing_file_is_said_without_a_process():
    with pytest.raises(NoInputError, match="is not a file"):
        open_source("none.mp4", pace=Pace.MAX, repeat=False)


def until_outage(source):
    last = -1
    while True:
        try:
            last = source.read().sequence
        except Outage as outage:
            return last, outage


def next_of(source):
    """The next picture, however long the server's thread or the decoder was held up before it."""
    while True:
        with contextlib.suppress(Outage):
            return source.read()


@pytest.fixture(scope="module")
def pictures():
    return rtsp.encoded()


@pytest.fixture
def server(request, pictures):
    serve = (
        rtsp.playing(pictures, pause=0.02, **request.param)
        if isinstance(request.param, dict)
        else request.param
    )
    server = rtsp.Server(serve)
    yield server
    server.close()


@pytest.mark.parametrize("server", [{}], indirect=True)
def test_stream_plays_comes_back_after_a_broken_connection_and_keeps_counting(server):
    source = open_source(server.url, pace=Pace.LIVE, repeat=False)
    first = [next_of(source) for _ in range(5)]
    assert [frame.sequence for frame in first] == list(range(5))
    assert first[0].planes[0].shape == (96, 128)
    server.drop()
    last, said = until_outage(source)
    assert said.condition is Condition.NO_SIGNAL
    assert next_of(source).sequence == max(last, 4) + 1  # the outage may come before any further picture
    source.close()


@pytest.mark.parametrize("server", [{"stop_after": 60}], indirect=True)
def test_stream_that_falls_silent_is_an_outage(server):
    source = open_source(server.url, pace=Pace.LIVE, repeat=False)
    last = -1
    while last <= 2:  # a busy machine may break it off before
        last, said = until_outage(source)
    assert said.condition is Condition.NO_SIGNAL
    source.close()


@pytest.mark.parametrize(
    "server",
    [rtsp.silent, rtsp.slow, rtsp.garbage, rtsp.redirecting],
    ids=lambda s: s.__name__,
    indirect=True,
)
def test_server_that_misbehaves_is_an_outage(server):
    source = open_source(server.url, pace=Pace.LIVE, repeat=False)
    _, said = until_outage(source)
    assert said.condition is Condition.NO_SIGNAL
    source.close()


def test_stream_whose_server_comes_later_is_an_outage_until_then(pictures, monkeypatch):
    monkeypatch.setattr(isolated, "STREAM", Patience(PATIENCE_S, PATIENCE_S, endless=True))
    held = socket.socket()
    held.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else will
    port = held.getsockname()[1]
    source = open_source(f"rtsp://nurse:secret@127.0.0.1:{port}/live", pace=Pace.LIVE, repeat=False)
    last, said = until_outage(source)
    assert last == -1
    assert "Connection refused" in said.detail
    assert "secret" not in said.detail
    decoder = source._process
    server = rtsp.Server(rtsp.playing(pictures, pause=0.02), held)
    assert next_of(source).sequence == 0
    assert (source.info.width, source.info.height) == (128, 96)
    assert source._process is decoder  # tries again by itself, which is what makes it quick
    source.close()
    server.close()
