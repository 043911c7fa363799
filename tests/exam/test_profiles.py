"""A screen that was seen before is known at once; another geometry never gets its field."""

import msgspec
import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.errors import DataError
from edge.exam.profiles import Profiles, read_profiles
from edge.exam.roi import FRAMES, FieldFinder
from tests.exam.test_scale import screen

SIZE = (960, 720)


def shown(seed, layout, size=SIZE):
    frame, field, _ = screen(seed, layout, "linear", size)
    return frame, field


def until_written(path):
    import threading

    for thread in threading.enumerate():
        if thread.daemon and thread.name.startswith("Thread-"):
            thread.join(10)
    return path


def test_screen_is_known_again_whatever_the_patient(tmp_path):
    path = tmp_path / "profiles.json"
    frame, field = shown(1, "aster")
    Profiles(path).keep(frame, field)
    again = Profiles(until_written(path))
    other_patient = frame.planes[0].copy()
    other_patient[10:30, 20:300] = np.roll(other_patient[10:30, 20:300], 7, axis=1)
    frame.planes[0][:] = other_patient
    assert again.find(frame) == field


def test_other_layout_and_other_geometry_are_not():
    profiles = Profiles(None)
    frame, field = shown(1, "aster")
    profiles.keep(frame, field)
    assert profiles.find(shown(1, "boreal")[0]) is None
    assert profiles.find(shown(1, "aster", (1280, 720))[0]) is None
    assert profiles.find(shown(1, "aster", (1920, 1440))[0]) is None


def test_field_drawn_anew_replaces_the_old_one():
    profiles = Profiles(None)
    frame, field = shown(1, "aster")
    profiles.keep(frame, field)
    better = Roi(field.x + 8, field.y + 8, field.width - 16, field.height - 16)
    profiles.keep(frame, better)
    assert profiles.find(frame) == better


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '[{"width":9,"height":9,"field":[5,5,9,9],"cells":"0"}]', "nul"]
)
def test_damaged_file_is_refused_and_says_what_to_do(tmp_path, text):
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(DataError, match="delete it to begin anew"):
        read_profiles(path)


def test_file_that_cannot_be_written_holds_up_nothing(tmp_path, caplog):
    (tmp_path / "file").write_bytes(b"")
    profiles = Profiles(None)
    profiles._path = tmp_path / "file" / "p.json"
    frame, field = shown(1, "aster")
    profiles.keep(frame, field)
    until_written(tmp_path)
    assert "not kept" in caplog.text
    assert profiles.find(frame) == field


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
        luma = np.full((240, 320), 16, np.uint8)
        x = 40 if seed < FRAMES else 120
        luma[30:210, x : x + 150] = np.clip(np.random.default_rng(seed).rayleigh(60, (180, 150)), 16, 235)
        from tests.clips import i420

        frames.append(i420(luma, sequence=seed))
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
