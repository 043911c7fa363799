"""A screen that was seen before is known at once; another geometry never gets its field."""

import msgspec
import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.errors import DataError
from edge.exam.profiles import Profiles, read_profiles
from edge.exam.roi import FRAMES, FieldFinder, overlap
from tests.clips import i420, tissue
from tests.exam.test_scale import screen
from tests.patience import PATIENCE_S

SIZE = (960, 720)


def shown(seed, layout, size=SIZE):
    frame, field, _ = screen(seed, layout, "linear", size)
    return frame, field


def until_written(path):
    import threading

    for thread in threading.enumerate():
        if thread.daemon and thread.name.startswith("Thread-"):
            thread.join(PATIENCE_S)
    return path


def test_screen_is_known_again_whatever_the_patient(tmp_path):
    path = tmp_path / "profiles.json"
    frame, field = shown(1, "aster")
    Profiles(path).keep(frame, field)
    again = Profiles(until_written(path))
    other_patient = frame.planes[0].copy()
    other_patient[10:30, 20:300] = np.roll(other_patient[10:30, 20:300], 7, axis=1)
    frame.planes[0][:] = other_patient
    assert again.find(frame).roi == field


def test_other_layout_and_other_geometry_are_not():
    profiles = Profiles(None)
    frame, field = shown(1, "aster")
    profiles.keep(frame, field)
    assert profiles.find(shown(1, "boreal")[0]) is None
    assert profiles.find(shown(1, "aster", (1280, 720))[0]) is None
    assert profiles.find(shown(1, "aster", (1920, 1440))[0]) is None


def test_known_screen_is_known_at_once_after_noise():
    profiles = Profiles(None)
    frame, field = shown(1, "aster")
    profiles.keep(frame, field)
    finder, random = FieldFinder(profiles), np.random.default_rng(0)
    for _ in range(FRAMES):
        finder.look(i420(random.integers(0, 256, SIZE[::-1], np.uint8)))
    assert finder.field != field
    finder.forget()
    assert finder.look(frame) == field


def test_field_drawn_anew_replaces_the_old_one():
    profiles = Profiles(None)
    frame, field = shown(1, "aster")
    profiles.keep(frame, field)
    better = Roi(field.x + 8, field.y + 8, field.width - 16, field.height - 16)
    profiles.keep(frame, better)
    assert profiles.find(frame).roi == better


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[1]",
        b'[{"width":9,"height":9,"field":[5,5,9,9],"cells":"0"}]',
        b'[{"width":9,"height":9,"field":[1,1,9,9],"cells":"\xff"}]',
        b"[" * 5000,
        b"nul",
    ],
)
def test_damaged_file_is_told_and_replaced_by_the_next_screen(tmp_path, text, caplog):
    path = tmp_path / "p.json"
    path.write_bytes(text)
    with pytest.raises(DataError, match="holds no screen profiles"):
        read_profiles(path)
    profiles = Profiles(path)
    assert "no screen is known" in caplog.text
    frame, field = shown(1, "aster")
    assert profiles.find(frame) is None
    profiles.keep(frame, field)
    assert [profile.roi for profile in read_profiles(until_written(path))] == [field]


def test_file_that_cannot_be_written_holds_up_nothing(tmp_path, caplog):
    (tmp_path / "file").write_bytes(b"")
    profiles = Profiles(None)
    profiles._path = tmp_path / "file" / "p.json"
    frame, field = shown(1, "aster")
    profiles.keep(frame, field)
    until_written(tmp_path)
    assert "not kept" in caplog.text
    assert profiles.find(frame).roi == field


def test_finder_knows_a_kept_screen_from_its_first_picture():
    profiles = Profiles(None)
    first = FieldFinder(profiles)
    for seed in range(FRAMES):
        frame, _ = shown(1, "aster")
        speckle = np.random.default_rng(seed).rayleigh(50, (720, 960))
        _, field = shown(1, "aster")
        part = np.s_[field.y : field.bottom, field.x : field.right]
        frame.planes[0][part] = np.clip(speckle, 0, 255).astype(np.uint8)[part]
        found = first.look(frame)
    assert found is not None
    assert FieldFinder(profiles).look(frame) == found


def test_field_is_looked_for_again_on_demand_and_kept_until_then():
    finder = FieldFinder(Profiles(None))
    frames = []
    for seed in range(2 * FRAMES):
        x = 40 if seed < FRAMES else 120
        frames.append(i420(tissue(seed, 240, 320, (x, 30, 150, 180)), sequence=seed))
    for frame in frames[:FRAMES]:
        old = finder.look(frame)
    finder.again()
    for frame in frames[FRAMES:-1]:
        assert finder.look(frame) == old
    assert abs(finder.look(frames[-1]).x - 120) < 8


def test_profile_is_plain_json(tmp_path):
    path = tmp_path / "p.json"
    frame, field = shown(1, "aster")
    Profiles(path).keep(frame, field)
    assert msgspec.json.decode(until_written(path).read_bytes())[0]["field"] == [
        field.x,
        field.y,
        field.width,
        field.height,
    ]


def live(seed, size=SIZE):
    """A screen with other speckle in its field each time."""
    frame, field = shown(1, "aster", size)
    part = np.s_[field.y : field.bottom, field.x : field.right]
    speckle = np.random.default_rng(seed).rayleigh(50, (field.height, field.width))
    frame.planes[0][part] = np.clip(speckle, 0, 255).astype(np.uint8)
    return frame, field


def test_field_that_another_finder_has_found_is_looked_for_again_and_a_drawn_one_stays(tmp_path):
    frame, field = shown(1, "aster")
    other, drawn = shown(1, "boreal")
    path = tmp_path / "p.json"
    profiles = Profiles(path)
    profiles.keep(frame, field)
    profiles.keep(other, drawn, drawn=True)
    kept = msgspec.json.decode(until_written(path).read_bytes())
    for profile in kept:
        profile["finder"] -= 1
    path.write_bytes(msgspec.json.encode(kept))
    again = Profiles(path)
    assert again.find(frame) is None
    assert again.find(other).roi == drawn
    for profile in kept:  # as files were before there were versions
        del profile["finder"], profile["drawn"]
    path.write_bytes(msgspec.json.encode(kept))
    assert Profiles(path).find(frame) is None


def test_remembered_field_that_what_moves_contradicts_is_replaced():
    profiles = Profiles(None)
    frame, field = live(0)
    wrong = Roi(150, 0, 810, 720)  # the header's larger part is in it
    profiles.keep(frame, wrong)
    finder = FieldFinder(profiles)
    assert finder.look(frame) == wrong
    for seed in range(1, FRAMES):
        finder.look(live(seed)[0])
    assert overlap(finder.field, field) > 0.85
    assert profiles.find(frame).roi == finder.field


def test_drawn_field_is_held_whatever_moves_until_it_is_to_be_found():
    finder = FieldFinder()
    frame, field = live(0)
    drawn = Roi(field.x, field.y, field.width // 2, field.height)
    finder.draw(frame, drawn)
    for seed in range(2 * FRAMES):
        assert finder.look(live(seed)[0]) == drawn
        if seed == FRAMES:
            finder.again()
    finder.undraw(frame)
    for seed in range(FRAMES):
        finder.look(live(seed)[0])
    assert overlap(finder.field, field) > 0.85


def test_field_drawn_on_one_screen_is_not_held_on_another_of_the_same_size():
    finder = FieldFinder()
    frame, field = live(0)
    finder.draw(frame, Roi(field.x, 0, field.width, frame.height))
    finder.again()
    for seed in range(FRAMES):
        other, place = shown(1, "boreal")
        part = np.s_[place.y : place.bottom, place.x : place.right]
        speckle = np.random.default_rng(seed).rayleigh(50, (place.height, place.width))
        other.planes[0][part] = np.clip(speckle, 0, 255).astype(np.uint8)
        found = finder.look(other)
    assert overlap(found, place) > 0.85


@pytest.mark.parametrize("level", [4, 12])
def test_known_screen_is_known_in_noise_and_another_is_not(level):
    def noisy(layout):
        frame, field = shown(1, layout)
        noise = np.random.default_rng(level).normal(0, level, SIZE[::-1])
        frame.planes[0][:] = np.clip(frame.planes[0] + noise, 0, 255).astype(np.uint8)
        return frame, field

    frame, field = noisy("aster")
    profiles = Profiles(None)
    profiles.keep(frame, field)
    assert profiles.find(noisy("boreal")[0]) is None
    assert profiles.find(frame).roi == field
    if level == 4:
        assert profiles.find(shown(1, "aster")[0]).roi == field
