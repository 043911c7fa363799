"""Recordings play, keep capture time and colours, and never hold up the loop."""

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from edge.errors import CannotCreateError
from edge.outputs import recorder as module
from edge.outputs.recorder import QUEUE, Recorder
from edge.outputs.writable import require_writable
from edge.timing import Timing
from tests.clips import i420, read_clip, tissue
from tests.test_blit import ENCODINGS, blank

MS = 1_000_000


def record(path, frames, **options):
    recorder = Recorder(path, 25.0, Timing(), wait=True, **options)
    for frame in frames:
        recorder.present(frame, None)
    recorder.close()
    return recorder


def stamps(path):
    with av.open(str(path)) as container:
        return [round(float(p.pts * p.time_base), 3) for p in container.decode(video=0)]


def test_time_stamps_are_the_frames_capture_times(tmp_path):
    times = [0, 40, 80, 500, 540, 540, 600]  # a gap, and two frames at once
    frames = [i420(tissue(i), captured_ns=(1000 + t) * MS) for i, t in enumerate(times)]
    recorder = record(tmp_path / "o.mp4", frames)
    assert recorder.written == 7
    assert stamps(tmp_path / "o.mp4") == [0, 0.04, 0.08, 0.5, 0.54, 0.54, 0.6]


def test_pictures_are_those_presented(tmp_path):
    record(tmp_path / "o.mp4", [i420(tissue(i), captured_ns=i * 40 * MS) for i in range(5)])
    for index, luma in enumerate(read_clip(tmp_path / "o.mp4")):
        assert np.abs(luma.astype(int) - tissue(index)).mean() < 6


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_every_format_is_recorded_with_its_range(tmp_path, encoding):
    record(tmp_path / "o.mp4", [blank(encoding, 180)] * 2)
    with av.open(str(tmp_path / "o.mp4")) as container:
        picture = next(container.decode(video=0))
        rgb = picture.to_ndarray(format="rgb24", src_color_range=picture.color_range)
    expected = 180 if encoding.full_range else (180 - 16) * 255 / 219
    assert abs(float(rgb.mean()) - expected) < 4


def test_slow_encoder_drops_and_counts_and_never_waits(tmp_path, monkeypatch):
    release, encode = threading.Event(), module.as_picture
    monkeypatch.setattr(module, "as_picture", lambda frame: release.wait(30) and encode(frame))
    recorder = Recorder(tmp_path / "o.mp4", 25.0, Timing())
    frames = [i420(tissue(0), captured_ns=i * 40 * MS) for i in range(3 * QUEUE)]
    for frame in frames:
        recorder.present(frame, None)
    release.set()
    recorder.close()
    assert recorder.dropped >= 2 * QUEUE - 1
    assert recorder.written + recorder.dropped == len(frames)
    assert len(stamps(tmp_path / "o.mp4")) == recorder.written


def test_frames_of_another_size_are_counted_and_spoil_nothing(tmp_path):
    frames = [
        i420(tissue(0)),
        i420(tissue(0, 48, 64), captured_ns=40 * MS),
        i420(tissue(1), captured_ns=80 * MS),
    ]
    recorder = record(tmp_path / "o.mp4", frames)
    assert (recorder.written, recorder.dropped) == (2, 1)
    assert len(stamps(tmp_path / "o.mp4")) == 2


def test_killed_recording_still_plays(tmp_path):
    path = tmp_path / "o.mp4"
    script = f"""
        import os, signal, time
        from pathlib import Path
        from edge.outputs.recorder import Recorder
        from edge.timing import Timing
        from tests.clips import i420, tissue
        recorder = Recorder(Path({str(path)!r}), 25.0, Timing(), wait=True)
        for index in range(120):
            recorder.present(i420(tissue(index % 5), captured_ns=index * 40_000_000), None)
        while recorder.written < 100:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], check=False, env={**os.environ, "PYTHONPATH": "."}
    )
    assert len(stamps(path)) >= 50  # at most the last fragments, a second each, are lost


def test_full_disk_ends_the_recording_and_not_the_loop():
    path = Path("/dev/full")
    if not path.exists():
        pytest.skip("no /dev/full here")
    recorder = Recorder(path, 25.0, Timing(), wait=True)
    for index in range(60):
        recorder.present(i420(tissue(index), captured_ns=index * 40 * MS), None)
    recorder.close()
    assert "recording has stopped" in recorder.failure


def test_unwritable_place_is_known_before_the_start(tmp_path):
    with pytest.raises(CannotCreateError, match="cannot write the recording"):
        Recorder(tmp_path / "none" / "o.mp4", 25.0, Timing())
    with pytest.raises(CannotCreateError, match="cannot write the log"):
        require_writable(tmp_path, "log")


def test_asking_leaves_no_file_and_keeps_an_old_one(tmp_path):
    require_writable(tmp_path / "new.mp4", "recording")
    assert not (tmp_path / "new.mp4").exists()
    (tmp_path / "old.mp4").write_bytes(b"old")
    require_writable(tmp_path / "old.mp4", "recording")
    assert (tmp_path / "old.mp4").read_bytes() == b"old"


def test_nothing_presented_leaves_an_empty_file(tmp_path):
    assert record(tmp_path / "o.mp4", []).written == 0
