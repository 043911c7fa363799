"""The folder of recordings: ids that count up, protection, room, and what a kill leaves behind."""

import errno

import msgspec
import pytest

from edge.errors import BusyError, CannotCreateError, NoInputError, RefusedError
from edge.outputs import recordings as module
from edge.outputs.recorder import Habits, Recorder
from edge.outputs.recordings import About, Recordings, now
from edge.outputs.segment import Shelf
from edge.timing import Timing
from tests.outputs.readings import IDENTITY, reading
from tests.outputs.test_recorder import frames
from tests.patience import wait_for

ABOUT = About(
    state="complete", began=now(), width=64, height=48, raw=False, model="m", bundle="b", precision="fp32"
)


def add(shelf, size=1000, state="complete"):
    clip = shelf.begin(ABOUT)
    (shelf.folder / clip / "clean.mp4").write_bytes(bytes(size))
    shelf.describe(clip, msgspec.structs.replace(ABOUT, state=state))
    shelf.end()
    return clip


def test_ids_count_up_and_the_newest_comes_first(tmp_path):
    shelf = Recordings(tmp_path, 1 << 30)
    ids = [add(shelf) for _ in range(3)]
    shelf.delete(ids[0])
    ids.append(add(Recordings(tmp_path, 1 << 30)))
    assert ids == ["000001", "000002", "000003", "000004"]
    assert [clip.id for clip in shelf.clips()] == ids[:0:-1]


def test_order_is_that_of_recording_whatever_the_clock_has_said(tmp_path):
    shelf = Recordings(tmp_path, 1 << 30)
    for year in (2026, 2099, 1970):
        shelf.begin(msgspec.structs.replace(ABOUT, began=f"{year}-01-01T00:00:00+00:00"))
        shelf.end()
    assert [clip.about.began[:4] for clip in shelf.clips()] == ["1970", "2099", "2026"]
    shelf.free_oldest()
    assert [clip.about.began[:4] for clip in shelf.clips()] == ["1970", "2099"]


def test_room_takes_the_oldest_and_never_the_protected(tmp_path):
    shelf = Recordings(tmp_path, 10_000)
    ids = [add(shelf, 2000) for _ in range(4)]
    shelf.protect(ids[0], True)
    assert shelf.make_room(3000)  # what is there has some bytes more than its pictures
    assert [clip.id for clip in shelf.clips()] == [ids[3], ids[2], ids[0]]
    assert not shelf.make_room(9000)
    assert [clip.id for clip in shelf.clips()] == [ids[0]]


@pytest.mark.parametrize("clip", ["../etc", "000009", "", "1", "00000x", "000001/..", "000001\n"])
def test_only_ids_of_recordings_open_anything(tmp_path, clip):
    shelf = Recordings(tmp_path, 1 << 30)
    add(shelf)
    for action in (lambda: shelf.open(clip, "clean"), lambda: shelf.delete(clip)):
        with pytest.raises(NoInputError):
            action()
    assert len(shelf.clips()) == 1


@pytest.mark.parametrize("part", ["annotated", "recording.json", "../000001/clean.mp4", ""])
def test_only_known_parts_are_opened(tmp_path, part):
    shelf = Recordings(tmp_path, 1 << 30)
    with pytest.raises(NoInputError, match="expected one of"):
        shelf.open(add(shelf), part)


def test_protected_and_open_recordings_stay(tmp_path):
    shelf = Recordings(tmp_path, 1 << 30)
    clip = add(shelf)
    shelf.protect(clip, True)
    with pytest.raises(RefusedError, match="protected"):
        shelf.delete(clip)
    shelf.protect(clip, False)
    shelf.delete(clip)
    running = shelf.begin(ABOUT)
    with pytest.raises(BusyError, match="still being recorded"):
        shelf.delete(running)
    assert shelf.free_oldest() == 0


def test_what_a_kill_left_is_mended_at_the_start(tmp_path):
    shelf = Recordings(tmp_path, 1 << 30)
    whole = b"\0\0\0\x08moof" + b"\0\0\0\x0cmdat1234"
    torn = add(shelf, state="recording")
    (tmp_path / torn / "clean.mp4").write_bytes(whole + b"\0\0\0\xffmoof12")
    empty = shelf.begin(ABOUT)
    (tmp_path / empty / "recording.json").unlink()
    (tmp_path / ".gone-000007").mkdir()
    again = Recordings(tmp_path, 1 << 30)
    assert again.refusal() is None
    (clip,) = again.clips()
    assert (clip.id, clip.about.state) == (torn, "incomplete")
    assert again.open(torn, "clean").read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == [torn]


def test_what_a_kill_left_is_listed_with_its_own_length(tmp_path):
    shelf = Recordings(tmp_path, 1 << 30)
    recorder = Recorder(Shelf(shelf), IDENTITY, Habits(25.0, wait=True), Timing())
    for frame in frames(80):
        recorder.present(frame, reading(frame))
    wait_for(lambda: recorder.written >= 50)
    again = Recordings(tmp_path, 1 << 30)  # as after a kill
    assert again.refusal() is None
    (clip,) = again.clips()
    recorder.close()
    assert clip.about.state == "incomplete"
    assert clip.about.frames >= 50
    assert clip.about.seconds == pytest.approx((clip.about.frames - 1) / 25.0, abs=0.01)


def test_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert "recording is off" in Recordings(tmp_path / "file", 1 << 30).refusal()
    assert Recordings(tmp_path / "none" / "yet", 1 << 30).clips() == []


def test_number_of_a_deleted_recording_never_stands_for_another(tmp_path):
    shelf = Recordings(tmp_path, 1 << 30)
    clip = add(shelf)
    shelf.delete(clip)
    assert add(shelf) == "000002"


def test_full_disk_lets_the_oldest_go_for_a_new_recording(tmp_path, monkeypatch):
    shelf = Recordings(tmp_path, 1 << 30)
    ids = [add(shelf) for _ in range(2)]
    real = module.replace_file

    def full(path, data):
        if (tmp_path / ids[0]).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, data)

    monkeypatch.setattr(module, "replace_file", full)
    assert shelf.begin(ABOUT) == "000003"
    assert [clip.id for clip in shelf.clips()] == ["000003", ids[1]]


def test_failing_disk_deletes_nothing_and_leaves_no_folder(tmp_path, monkeypatch):
    shelf = Recordings(tmp_path, 1 << 30)
    clip = add(shelf)

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module, "replace_file", fail)
    with pytest.raises(CannotCreateError, match="Input/output"):
        shelf.begin(ABOUT)
    assert [path.name for path in tmp_path.iterdir()] == [clip]


def test_full_disk_without_anything_to_let_go_is_an_error(tmp_path, monkeypatch):
    shelf = Recordings(tmp_path, 1 << 30)
    shelf.protect(add(shelf), True)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "replace_file", full)
    with pytest.raises(CannotCreateError, match="No space"):
        shelf.begin(ABOUT)
    assert len(shelf.clips()) == 1


def test_pictures_are_not_thrown_away_because_what_is_said_of_them_cannot_be_read(tmp_path):
    shelf = Recordings(tmp_path, 1 << 30)
    clip = add(shelf)
    video = tmp_path / clip / "clean.mp4"
    video.write_bytes(b"\0\0\0\x08moof" + b"\0\0\0\x0cmdat1234")
    (tmp_path / clip / "recording.json").write_bytes(b"{}")
    assert Recordings(tmp_path, 1 << 30).refusal() is None
    assert video.stat().st_size == 20
