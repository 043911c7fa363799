"""Recordings play, keep capture time, colours and secrets, and never hold up the loop."""

import errno
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from edge.contract.bundle import MANIFEST_HASH
from edge.contract.roi import Roi
from edge.errors import CannotCreateError
from edge.exam.desk import Choices, Desk
from edge.exam.signal import State
from edge.loop import Overlay
from edge.outputs import encoder, segment
from edge.outputs import recorder as module
from edge.outputs.planes import as_i420
from edge.outputs.recorder import QUEUE, Habits, Recorder
from edge.outputs.recordings import Recordings
from edge.outputs.segment import OneFile, Shelf
from edge.outputs.writable import require_writable
from edge.phantom.counter import draw_counter, read_counter
from edge.timing import Timing
from tests.clips import i420, read_clip, tissue
from tests.fakes import spec
from tests.outputs.readings import IDENTITY, POINT, reading
from tests.patience import wait_for
from tests.test_blit import ENCODINGS, blank

MS = 1_000_000
GB = 1 << 30


def desk():
    return Desk(spec(), Choices(None, POINT))


def run(target, frames, *, habits=None, desk=None, **about):
    recorder = Recorder(target, IDENTITY, habits or Habits(25.0, wait=True), Timing(), desk)
    for frame in frames:
        recorder.present(frame, reading(frame, **about))
    recorder.close()
    return recorder


def frames(count, *, step_ms=40, first_ms=0, **options):
    return [
        i420(tissue(i % 7), sequence=i, captured_ns=(first_ms + i * step_ms) * MS, **options)
        for i in range(count)
    ]


def stamps(path):
    with av.open(str(path)) as container:
        return [round(float(p.pts * p.time_base), 3) for p in container.decode(video=0)]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def sequences(shelf, clip):
    return [line["estimate"]["sequence"] for line in lines(shelf.open(clip.id, "estimates"))]


def test_time_stamps_are_the_frames_capture_times(tmp_path):
    times = [0, 40, 80, 500, 540, 540, 600]  # a gap, and two frames at once
    recorder = run(
        OneFile(tmp_path / "o.mp4"), [i420(tissue(i), captured_ns=(9 + t) * MS) for i, t in enumerate(times)]
    )
    assert recorder.written == 7
    assert stamps(tmp_path / "o.mp4") == [0, 0.04, 0.08, 0.5, 0.54, 0.54, 0.6]


def test_pictures_are_those_presented(tmp_path):
    run(OneFile(tmp_path / "o.mp4"), frames(5))
    for index, luma in enumerate(read_clip(tmp_path / "o.mp4")):
        assert np.abs(luma.astype(int) - tissue(index)).mean() < 6


@pytest.mark.parametrize("name", list(encoder.ENCODERS))
def test_each_encoder_keeps_time_and_pictures(tmp_path, monkeypatch, name):
    if name not in av.codecs_available:
        pytest.skip(f"this PyAV has no {name}")
    monkeypatch.setattr(encoder, "find_encoder", lambda: name)
    shown = frames(60, step_ms=33)
    run(OneFile(tmp_path / "o.mp4"), shown)
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert container.streams.video[0].codec_context.name == {"libx264": "h264"}.get(name, name)
    assert stamps(tmp_path / "o.mp4") == [pytest.approx(0.033 * i, abs=0.002) for i in range(60)]
    for frame, luma in zip(shown, read_clip(tmp_path / "o.mp4"), strict=True):
        assert np.abs(luma.astype(int) - frame.planes[0]).mean() < 6


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_every_format_is_recorded_with_its_range(tmp_path, encoding):
    run(OneFile(tmp_path / "o.mp4"), [blank(encoding, 180)] * 2)
    with av.open(str(tmp_path / "o.mp4")) as container:
        picture = next(container.decode(video=0))
        rgb = picture.to_ndarray(format="rgb24", src_color_range=picture.color_range)
    expected = 180 if encoding.full_range else (180 - 16) * 255 / 219
    assert abs(float(rgb.mean()) - expected) < 4


def test_slow_encoder_drops_and_counts_and_never_waits(tmp_path, monkeypatch):
    release, make = threading.Event(), module.as_i420
    monkeypatch.setattr(module, "as_i420", lambda frame: release.wait(30) and make(frame))
    recorder = Recorder(OneFile(tmp_path / "o.mp4"), IDENTITY, Habits(25.0), Timing())
    shown = frames(3 * QUEUE)
    for frame in shown:
        recorder.present(frame, reading(frame))
    release.set()
    recorder.close()
    assert recorder.dropped >= 2 * QUEUE - 1
    assert recorder.written + recorder.dropped == len(shown)
    assert len(stamps(tmp_path / "o.mp4")) == recorder.written


def test_side_file_and_operator_are_told_what_a_slow_encoder_missed(tmp_path, monkeypatch):
    release, make = threading.Event(), module.as_i420
    monkeypatch.setattr(module, "as_i420", lambda frame: release.wait(30) and make(frame))
    shelf, own = Recordings(tmp_path, GB), desk()
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0), Timing(), own)
    shown = frames(3 * QUEUE)
    for frame in shown:
        recorder.present(frame, reading(frame))
    release.set()
    while recorder._queue.qsize():
        time.sleep(0.01)
    last = frames(1, first_ms=2000)[0]
    recorder.present(last, reading(last))
    recorder.close()
    clip = shelf.clips()[0]
    said = lines(shelf.open(clip.id, "estimates"))
    assert [line.get("missed", 0) for line in said[:-1]] == [0] * (len(said) - 1)
    assert said[-1]["missed"] == clip.about.missed == recorder.dropped > 0
    assert clip.about.frames + clip.about.missed == len(shown) + 1
    assert said[0]["field"] == [0, 0, last.width, last.height]


def test_recording_is_not_blamed_for_what_was_missed_before_it(tmp_path, monkeypatch):
    release, make = threading.Event(), module.as_i420
    monkeypatch.setattr(module, "as_i420", lambda frame: release.wait(30) and make(frame))
    shelf, own = Recordings(tmp_path, GB), desk()
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0), Timing(), own)
    for frame in frames(3 * QUEUE):
        recorder.present(frame, reading(frame))
    release.set()
    while recorder._queue.qsize():
        time.sleep(0.01)
    for frame in frames(3, first_ms=2000):
        said = reading(frame)
        recorder.present(frame, replace(said, choices=replace(said.choices, case=1)))
    recorder.close()
    assert recorder.dropped > 0
    second, first = shelf.clips()
    assert (first.about.case, second.about.case, second.about.missed) == (0, 1, 0)
    assert [line.get("missed", 0) for line in lines(shelf.open(second.id, "estimates"))] == [0, 0, 0]


def test_recording_is_not_blamed_for_the_pause_after_an_error_of_the_disk(tmp_path, monkeypatch):
    shelf, full, write = Recordings(tmp_path, GB), [True], segment._write

    def refuse(file, data):
        if full:
            full.pop()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        write(file, data)

    monkeypatch.setattr(segment, "_write", refuse)
    recorder = run(Shelf(shelf), [*frames(60), *frames(30, first_ms=30_000)])
    assert recorder.dropped > 0, "those of the pause are missing all the same"
    assert [clip.about.missed for clip in shelf.clips() if clip.about.state == "complete"] == [0]


def test_what_is_kept_is_nobody_elses(tmp_path):
    shelf = Recordings(tmp_path, GB)
    run(Shelf(shelf), frames(3))
    for file in (tmp_path / shelf.clips()[0].id).iterdir():
        assert file.stat().st_mode & 0o007 == 0, file


def test_another_size_begins_another_file(tmp_path):
    small = [i420(tissue(0, 48, 64), captured_ns=(200 + 40 * i) * MS) for i in range(3)]
    recorder = run(OneFile(tmp_path / "o.mp4"), [*frames(5), *small])
    assert (recorder.written, recorder.dropped) == (8, 0)
    assert len(stamps(tmp_path / "o.mp4")) == 5
    assert [luma.shape for luma in read_clip(tmp_path / "o-2.mp4")] == [(48, 64)] * 3


def test_older_file_stays_and_the_new_one_goes_beside_it(tmp_path):
    path = tmp_path / "o.mp4"
    path.write_bytes(b"old")
    run(OneFile(path), [])
    assert path.read_bytes() == b"old"
    for count in (2, 3):  # as after a restart
        run(OneFile(path), frames(3))
        assert path.read_bytes() == b"old"
        assert len(stamps(tmp_path / f"o-{count}.mp4")) == 3


def test_full_disk_ends_the_recording_and_not_the_loop(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    full = tmp_path / "o.mp4"
    full.symlink_to("/dev/full")
    recorder = run(OneFile(full), frames(60))
    assert "recording has stopped: No space left" in recorder.failure
    assert recorder.written == 0


def test_asking_leaves_no_file_and_keeps_an_old_one(tmp_path):
    require_writable(tmp_path / "new.mp4", "recording")
    assert not (tmp_path / "new.mp4").exists()
    (tmp_path / "old.mp4").write_bytes(b"old")
    require_writable(tmp_path / "old.mp4", "recording")
    assert (tmp_path / "old.mp4").read_bytes() == b"old"


def test_bundle_is_known_whatever_way_leads_there(tmp_path):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / MANIFEST_HASH).write_text("x")
    (tmp_path / "link").symlink_to(bundle)
    require_writable(bundle / ".." / "beside.html", "report")
    for path in (bundle / "sub" / "r.html", tmp_path / "link" / "r.html"):
        with pytest.raises(CannotCreateError, match="in the bundle"):
            require_writable(path, "report")


# The folder of recordings


def test_clean_annotated_and_estimates_belong_together(tmp_path):
    """The phantom's counter in both videos and the line beside them name one frame, whatever was dropped."""
    shelf, overlay = Recordings(tmp_path, GB), Overlay(IDENTITY)
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, raw=True, wait=True), Timing(), desk())
    lit = np.zeros((90, 160), np.uint8)
    field = Roi(160, 40, 320, 280)
    risks = {}
    for sequence in (0, 1, 2, 5, 6, 9, 10, 11, 40, 41, 42, 43):
        luma = tissue(sequence, 360, 640, (160, 40, 320, 280))
        draw_counter(luma, sequence)
        frame = i420(luma, sequence=sequence, captured_ns=sequence * 40 * MS)
        risks[sequence] = 0.2 + sequence / 100
        said = reading(frame, field=field, risk=risks[sequence])
        under = overlay.draw(frame, said, lit)
        recorder.present(frame, replace(said, under=under, panel=overlay.place))
    recorder.close()
    clip = shelf.clips()[0].id
    said = lines(shelf.open(clip, "estimates"))
    clean, annotated = (read_clip(shelf.open(clip, part)) for part in ("clean", "annotated"))
    assert [line["frame"] for line in said] == list(range(12))
    assert [read_counter(luma) for luma in clean] == [line["estimate"]["sequence"] for line in said]
    assert [read_counter(luma) for luma in annotated] == [line["estimate"]["sequence"] for line in said]
    assert [line["estimate"]["risk"] for line in said] == [pytest.approx(risk) for risk in risks.values()]
    place = overlay.place
    panel = np.s_[place.y : place.bottom, place.x : place.right]
    tissue_part = np.s_[60:140, 200:400]
    for before, after, sequence in zip(clean, annotated, risks, strict=True):
        assert np.abs(before.astype(int) - after)[panel].mean() > 5  # the overlay is in one of them only
        source = tissue(sequence, 360, 640, (160, 40, 320, 280))
        assert np.abs(before.astype(int) - source)[tissue_part].mean() < 6


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_nothing_outside_the_field_is_kept(tmp_path, encoding):
    shelf = Recordings(tmp_path, GB)
    frame = blank(encoding, 200)
    field, panel = Roi(9, 11, 31, 21), Roi(44, 4, 10, 10)
    run(Shelf(shelf), [frame] * 3, field=field, panel=panel)
    clip = shelf.clips()[0].id
    black = 0 if as_i420(frame).full_range else 16
    for part, kept in (("clean", [field]), ("annotated", [field, panel])):
        outside = np.ones((frame.height & ~1, frame.width & ~1), bool)
        for roi in kept:
            outside[roi.y : roi.bottom, roi.x : roi.right] = False
        luma = read_clip(shelf.open(clip, part))[-1].astype(int)
        assert np.abs(luma[outside] - black).max() <= 12  # of 200: the encoder's ringing, nothing legible
        assert abs(luma[14:28, 14:36].mean() - as_i420(frame).planes[0].mean()) < 4


@pytest.mark.parametrize("unknown", [{"field": None, "region": None}, {"covered": True}])
def test_picture_without_a_known_field_is_black_and_that_is_said(tmp_path, unknown):
    shelf, own = Recordings(tmp_path, GB), desk()
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, wait=True), Timing(), own)
    for frame in frames(60):
        recorder.present(frame, replace(reading(frame), **unknown))
    wait_for(lambda: own.keeping.text.endswith("black: the ultrasound field is not known"))
    recorder.close()
    assert max(luma.max() for luma in read_clip(shelf.open(shelf.clips()[0].id, "clean"))) <= 18


def test_recording_follows_the_operator(tmp_path):
    shelf, habits = Recordings(tmp_path, GB), Habits(25.0, wait=True, on_request=True)
    recorder = Recorder(Shelf(shelf), IDENTITY, habits, Timing(), desk())
    for frame in frames(100):
        recorder.present(frame, reading(frame, recording=20 <= frame.sequence < 50 or frame.sequence >= 90))
    recorder.close()
    newest, oldest = shelf.clips()
    assert sequences(shelf, oldest) == [*range(20, 50)]
    assert sequences(shelf, newest) == [*range(90, 100)]
    assert (oldest.about.state, oldest.about.frames, oldest.about.raw) == ("complete", 30, False)


def test_seconds_before_the_start_are_recorded_and_the_clip_begins_at_zero(tmp_path):
    shelf, habits = Recordings(tmp_path, GB), Habits(25.0, before_s=2.0, wait=True, on_request=True)
    recorder = Recorder(Shelf(shelf), IDENTITY, habits, Timing(), desk())
    for frame in frames(200):
        recorder.present(frame, reading(frame, recording=frame.sequence >= 130))
    recorder.close()
    said = lines(shelf.open(shelf.clips()[0].id, "estimates"))
    first = said[0]["estimate"]["sequence"]
    assert 130 - 75 <= first <= 130 - 50  # two seconds, and what the one begun has
    assert [line["estimate"]["sequence"] for line in said] == list(range(first, 200))
    for part in ("clean", "annotated"):
        assert stamps(shelf.open(shelf.clips()[0].id, part)) == [line["time_s"] for line in said]
    assert said[0]["time_s"] == 0


def test_ring_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RING_BYTES", 20_000)
    habits = Habits(25.0, before_s=60.0, wait=True, on_request=True)
    recorder = Recorder(Shelf(Recordings(tmp_path, GB)), IDENTITY, habits, Timing(), desk())
    for frame in frames(300):
        recorder.present(frame, reading(frame, recording=False))
    while recorder._queue.qsize():
        time.sleep(0.01)
    kept = sum(piece.size for piece in recorder._ring)
    recorder.close()
    assert kept <= 20_000
    assert Recordings(tmp_path, GB).clips() == []


def test_gap_and_marks_stand_at_their_frame(tmp_path):
    shelf, own = Recordings(tmp_path, GB), desk()
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, wait=True), Timing(), own)
    shown = [*frames(10), *frames(10, first_ms=3000)]
    for index, frame in enumerate(shown):
        if index == 10:
            while recorder._queue.qsize():
                time.sleep(0.01)
            own.follow('{"mark": "cyst"}', frame.bounds)
            recorder.note(reading(frame, state=State.STALLED))
        recorder.present(frame, reading(frame))
    recorder.close()
    said = lines(shelf.open(shelf.clips()[0].id, "estimates"))
    assert said[10]["gap_s"] == 2.64
    assert said[10]["gap"] == "stalled"
    assert said[10]["marks"] == ["mark: cyst"]
    assert not any("gap" in line for line in said[:10] + said[11:])


def marks(shelf):
    """Of each recording, the oldest first: the marks of all its pictures."""
    said = [lines(shelf.open(clip.id, "estimates")) for clip in reversed(shelf.clips())]
    return [[mark for line in clip for mark in line.get("marks", [])] for clip in said]


def test_what_was_noted_before_a_recording_stands_in_none(tmp_path):
    shelf, own = Recordings(tmp_path, GB), desk()
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, wait=True, on_request=True), Timing(), own)
    for frame in frames(30):
        if frame.sequence in (5, 20):
            own.follow(f'{{"mark": "at {frame.sequence}"}}', frame.bounds)
        recorder.present(frame, reading(frame, recording=frame.sequence >= 10))
    recorder.close()
    assert marks(shelf) == [["mark: at 20"]]


def test_seconds_before_the_start_have_their_own_marks(tmp_path):
    shelf, own, timing = Recordings(tmp_path, GB), desk(), Timing()
    habits = Habits(25.0, before_s=2.0, wait=True, on_request=True)
    recorder = Recorder(Shelf(shelf), IDENTITY, habits, timing, own)
    for frame in frames(140):
        if frame.sequence in (5, 110):
            wait_for(lambda: timing.count("record") == frame.sequence)  # noqa: B023 - waited for here
            own.follow(f'{{"mark": "at {frame.sequence}"}}', frame.bounds)
        recorder.present(frame, reading(frame, recording=frame.sequence >= 130))
    recorder.close()
    assert marks(shelf) == [["mark: at 110"]]


def test_no_recording_has_the_marks_of_another_case(tmp_path):
    shelf, own, timing = Recordings(tmp_path, GB), desk(), Timing()
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, wait=True), timing, own)
    for frame in frames(20):
        if frame.sequence == 10:  # no picture comes between the mark and the next patient
            wait_for(lambda: timing.count("record") == frame.sequence)  # noqa: B023 - waited for here
            own.follow('{"mark": "of the first"}', frame.bounds)
            own.new_case()
            own.follow('{"mark": "of the second"}', frame.bounds)
        said = reading(frame)
        recorder.present(frame, replace(said, choices=replace(said.choices, case=own.choices.case)))
    recorder.close()
    assert marks(shelf) == [[], ["mark: of the second"]]


def test_long_recording_goes_on_in_another(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT_S", 2.0)
    shelf = Recordings(tmp_path, GB)
    run(Shelf(shelf), frames(150))
    said = [line for clip in shelf.clips()[::-1] for line in lines(shelf.open(clip.id, "estimates"))]
    assert len(shelf.clips()) >= 2
    assert [line["estimate"]["sequence"] for line in said] == list(range(150))


def failing(monkeypatch, code, *, after):
    """Let writes fail from the given one on, after half of it."""
    calls, write = [], segment._write

    def fail(file, data):
        calls.append(len(data))
        if len(calls) > after:
            os.write(file, data[: len(data) // 2])
            raise OSError(code, os.strerror(code))
        write(file, data)

    monkeypatch.setattr(segment, "_write", fail)
    return calls


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_disk_that_fails_leaves_what_plays(tmp_path, monkeypatch, code):
    failing(monkeypatch, code, after=6)  # two seconds of clean, annotated, estimates
    shelf, own = Recordings(tmp_path, GB), desk()
    recorder = run(Shelf(shelf), frames(120), desk=own)
    (clip,) = shelf.clips()
    assert os.strerror(code) in recorder.failure
    assert os.strerror(code) in own.keeping.text
    assert (clip.about.state, clip.about.reason) == ("incomplete", os.strerror(code))
    assert len(stamps(shelf.open(clip.id, "clean"))) == len(stamps(shelf.open(clip.id, "annotated"))) == 50
    assert len(lines(shelf.open(clip.id, "estimates"))) == 50
    assert recorder.written + recorder.dropped + 0 < 120


def test_full_disk_takes_the_oldest_and_never_the_protected(tmp_path, monkeypatch):
    shelf = Recordings(tmp_path, GB)
    for _ in range(3):
        run(Shelf(shelf), frames(10))
    first, second, third = sorted(clip.id for clip in shelf.clips())
    shelf.protect(first, True)
    write = segment._write

    def full_once(file, data):
        if (tmp_path / second).exists():
            os.write(file, data[:7])
            raise OSError(errno.ENOSPC, "full")
        write(file, data)

    monkeypatch.setattr(segment, "_write", full_once)
    recorder = run(Shelf(shelf), frames(40))
    assert recorder.failure is None
    assert sorted(clip.id for clip in shelf.clips()) == [first, third, "000004"]
    assert len(stamps(shelf.open("000004", "clean"))) == 40


@pytest.mark.parametrize("altogether", [False, True])
def test_recording_comes_back_by_itself(tmp_path, monkeypatch, altogether):
    def refuse(*_):
        raise CannotCreateError("cannot write: Input/output error")

    shelf = Recordings(tmp_path, GB)
    with monkeypatch.context() as patch:
        failing(patch, errno.EIO, after=3)
        if altogether:  # not even why it ends can be kept
            patch.setattr(shelf, "describe", refuse)
        recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, wait=True), Timing(), desk())
        for frame in frames(120):
            recorder.present(frame, reading(frame))
        while recorder._queue.qsize() or recorder.failure is None:
            time.sleep(0.01)
    for frame in frames(50, first_ms=30_000):
        recorder.present(frame, reading(frame))
    recorder.close()
    states = ["complete", "recording" if altogether else "incomplete"]
    assert [clip.about.state for clip in shelf.clips()] == states
    assert "recording has stopped" in recorder.failure  # and is not forgotten


def test_stalled_disk_never_holds_up_the_loop(tmp_path, monkeypatch):
    release, write = threading.Event(), segment._write
    monkeypatch.setattr(segment, "_write", lambda file, data: release.wait(30) and write(file, data))
    recorder = Recorder(Shelf(Recordings(tmp_path, GB)), IDENTITY, Habits(25.0), Timing(), desk())
    shown = frames(200)
    for frame in shown:
        while frame.sequence < 26 and recorder._queue.qsize() >= QUEUE - 1:
            time.sleep(0.001)  # until the first second is encoded
        recorder.present(frame, reading(frame))  # returns at once: nothing has released the disk yet
    assert recorder.dropped > 0
    release.set()
    recorder.close()
    assert recorder.written + recorder.dropped == 200


def test_read_only_folder_turns_the_button_off_and_nothing_else(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(type(tmp_path), "write_bytes", refuse)
    own = desk()
    recorder = run(Shelf(Recordings(tmp_path / "r", GB)), frames(30), desk=own)
    assert own.keeping.refused.endswith("Read-only file system")
    assert (recorder.written, recorder.dropped) == (0, 30)


def test_killed_recording_still_plays(tmp_path):
    script = f"""
        import os, signal, time
        from pathlib import Path
        from edge.outputs.recorder import Recorder, Habits
        from edge.outputs.recordings import Recordings
        from edge.outputs.segment import Shelf
        from edge.timing import Timing
        from tests.clips import i420, tissue
        from tests.outputs.readings import IDENTITY, reading
        shelf = Shelf(Recordings(Path({str(tmp_path)!r}), 1 << 30))
        recorder = Recorder(shelf, IDENTITY, Habits(25.0, wait=True), Timing())
        for index in range(120):
            frame = i420(tissue(index % 5), captured_ns=index * 40_000_000)
            recorder.present(frame, reading(frame))
        while recorder.written < 100:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], check=False, env={**os.environ, "PYTHONPATH": "."}
    )
    shelf = Recordings(tmp_path, GB)
    assert shelf.refusal() is None
    (clip,) = shelf.clips()
    assert clip.about.state == "incomplete"
    assert len(stamps(shelf.open(clip.id, "clean"))) == len(lines(shelf.open(clip.id, "estimates"))) == 100


def test_no_recording_shows_two_cases(tmp_path):
    shelf = Recordings(tmp_path, GB)
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, wait=True, before_s=2.0), Timing())
    for number, frame in enumerate(frames(20)):
        said = reading(frame)
        recorder.present(frame, replace(said, choices=replace(said.choices, case=number // 10)))
    recorder.close()
    assert [clip.about.case for clip in shelf.clips()] == [1, 0]
    assert [sequences(shelf, clip) for clip in shelf.clips()] == [[*range(10, 20)], [*range(10)]]
