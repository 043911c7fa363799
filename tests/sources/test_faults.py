"""The script says what happens when; everything else passes unchanged."""

import numpy as np
import pytest

from edge.errors import UsageError
from edge.sources.base import Condition, Outage, Pace, SourceEnded, SourceInfo
from edge.sources.faults import DRAWN, Fault, FaultySource, split_script
from edge.sources.open import open_source
from edge.sources.phantom import PhantomSource
from tests.clips import i420, tissue, write_clip


class Clean:
    info = SourceInfo("clean", 128, 96, 25.0)

    def __init__(self, count):
        self._frames = iter(range(count))
        self.closed = False

    def read(self):
        index = next(self._frames, None)
        if index is None:
            raise SourceEnded
        return i420(tissue(index), sequence=index, captured_ns=index * 40_000_000)

    def close(self):
        self.closed = True


def frames_of(source):
    found = []
    try:
        while True:
            found.append(source.read())
    except SourceEnded:
        return found


def changed(source):
    return [not np.array_equal(f.planes[0], tissue(f.sequence)) for f in frames_of(source)]


def test_fault_lasts_as_long_as_the_script_says():
    said = changed(FaultySource(Clean(10), (Fault(80_000_000, 120_000_000, "black"),)))
    assert said == [False] * 2 + [True] * 3 + [False] * 5


@pytest.mark.parametrize("name", DRAWN)
def test_every_drawn_fault_changes_the_picture(name):
    frame, clean = i420(tissue(0, 240, 320)), i420(tissue(0, 240, 320))
    DRAWN[name](frame)
    assert any(not np.array_equal(a, b) for a, b in zip(frame.planes, clean.planes, strict=True))


def test_freeze_repeats_one_picture_with_new_numbers_and_times():
    frames = frames_of(FaultySource(Clean(6), (Fault(40_000_000, 120_000_000, "freeze"),)))
    assert [np.array_equal(f.planes[0], tissue(1)) for f in frames] == [False, True, True, True, False, False]
    assert [f.sequence for f in frames] == list(range(6))
    frames[1].planes[0][:] = 0  # drawn into by the overlay
    assert not np.array_equal(frames[2].planes[0], frames[1].planes[0])


def test_every_second_picture_is_torn_from_the_one_before():
    frames = frames_of(FaultySource(Clean(6), (Fault(40_000_000, 160_000_000, "torn"),)))
    for index, frame in enumerate(frames):
        new = (frame.planes[0] == tissue(index)).all(1)
        old = (frame.planes[0] == tissue(index - 1)).all(1) if index in (2, 4) else ~new
        assert new.all() == (index not in (2, 4))
        assert (new | old).all()


def test_stall_swallows_frames():
    frames = frames_of(FaultySource(Clean(6), (Fault(40_000_000, 120_000_000, "stall"),)))
    assert [f.sequence for f in frames] == [0, 4, 5]


def test_closing_closes_the_wrapped_source():
    clean = Clean(1)
    FaultySource(clean, ()).close()
    assert clean.closed


def test_script_is_read():
    script, source = split_script("faults:2+1=freeze,5+0.5=doppler;clip.mp4")
    assert script == (Fault(2 * 10**9, 10**9, "freeze"), Fault(5 * 10**9, 5 * 10**8, "doppler"))
    assert source == "clip.mp4"


@pytest.mark.parametrize("text", ["faults:", "faults:1+1=freeze", "faults:1+1=odd;x", "faults:a+1=black;x"])
def test_script_that_makes_no_sense(text):
    with pytest.raises(UsageError, match=r"(?i)expected"):
        split_script(text)


def test_opening_picks_the_source_by_its_scheme(tmp_path):
    clip = write_clip(tmp_path / "c.mp4", [tissue(0)] * 2)
    assert open_source(str(clip), pace=Pace.MAX, repeat=False).info.name == "c.mp4"
    wrapped = open_source(f"faults:0+1=black;{clip}", pace=Pace.MAX, repeat=False)
    assert wrapped.read().planes[0].max() == 0


def test_synthetic_scanner_plays_for_ever_and_is_safe_to_draw_into():
    source = open_source("phantom:size=320x240,fps=50", pace=Pace.MAX, repeat=False)
    assert isinstance(source, PhantomSource)
    first = source.read()
    clean = first.planes[0].copy()
    for plane in first.planes:
        plane[:] = 255
    again = [source.read() for _ in range(46)][-1]  # a whole sweep to and fro
    assert np.array_equal(again.planes[0], clean)
    assert again.captured_ns == 46 * 20_000_000


def test_outage_is_said_once_and_swallows_frames():
    source = FaultySource(Clean(6), (Fault(40_000_000, 120_000_000, "no-lock"),))
    assert source.read().sequence == 0
    with pytest.raises(Outage) as said:
        source.read()
    assert said.value.condition is Condition.NO_LOCK
    assert [f.sequence for f in frames_of(source)] == [4, 5]


def test_misspelt_fault_and_scheme_are_suggested():
    with pytest.raises(UsageError, match="did you mean 'freeze'"):
        split_script("faults:1+1=freze;x")
    with pytest.raises(UsageError, match="did you mean 'phantom:'"):
        open_source("phantm:", pace=Pace.MAX, repeat=False)
    with pytest.raises(UsageError, match="START\\+LENGTH=FAULT in seconds"):
        split_script("faults:zzz;x")
