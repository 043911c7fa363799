"""A decoder may crash, hang, lie or eat memory: the picture goes on or one error says why."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge.contract.frame import Matrix, PixelFormat
from edge.errors import DataError, NoInputError, SonocartError, UnavailableError
from edge.sources.base import Condition, Outage, Pace, SourceEnded
from edge.sources.isolated import FILE, MEMORY_BYTES, CrashError, IsolatedSource, Patience
from edge.sources.messages import SLOTS, Picture
from edge.sources.open import open_source
from edge.sources.video import VideoSource
from tests.clips import tissue, write_clip
from tests.sources import rtsp_server as rtsp


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
    source = opened(clip)
    lent = [lies_in(source._process._slots, source.read()) for _ in range(12)]
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
    source = opened(clip)
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


def test_decoder_that_hangs_is_replaced(clip):
    source = opened(clip, patience=Patience(20.0, 0.5, endless=False))
    source.read()
    os.kill(source._process._process.pid, signal.SIGSTOP)
    assert [frame.sequence for frame in rest_of(source)] == list(range(1, 12))


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


def test_decoder_does_not_outlive_the_cart(clip):
    code = (
        "import sys, os, signal; from tests.sources.test_isolated import opened\n"
        f"s = opened({str(clip)!r}, repeat=True); s.read(); print(s._process._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path.cwd())
    pid, until = int(done.stdout), time.monotonic() + 20
    while Path(f"/proc/{pid}/exe").exists() and time.monotonic() < until:
        time.sleep(0.05)
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


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
    first = [source.read() for _ in range(5)]
    assert [frame.sequence for frame in first] == list(range(5))
    assert first[0].planes[0].shape == (96, 128)
    server.drop()
    last, said = until_outage(source)
    assert said.condition is Condition.NO_SIGNAL
    assert source.read().sequence == last + 1
    source.close()


@pytest.mark.parametrize("server", [{"stop_after": 60}], indirect=True)
def test_stream_that_falls_silent_is_an_outage(server):
    source = open_source(server.url, pace=Pace.LIVE, repeat=False)
    last, said = until_outage(source)
    assert last > 2
    assert said.condition is Condition.NO_SIGNAL
    source.close()


@pytest.mark.parametrize(
    "server",
    [rtsp.silent, rtsp.slow, rtsp.garbage, rtsp.redirecting],
    ids=lambda s: s.__name__,
    indirect=True,
)
def test_server_that_misbehaves_is_given_up(server):
    with pytest.raises(UnavailableError):
        open_source(server.url, pace=Pace.LIVE, repeat=False)


def test_password_is_not_said():
    with pytest.raises(UnavailableError) as said:
        open_source("rtsp://nurse:secret@127.0.0.1:1/live", pace=Pace.LIVE, repeat=False)
    assert "secret" not in str(said.value)
