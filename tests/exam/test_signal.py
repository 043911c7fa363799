"""Live, frozen, stalled and no signal are told apart by what arrives and when."""

import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.exam.signal import FROZEN_AFTER_NS, STALLED_AFTER_NS, Signal, State
from edge.sources.base import Condition, Outage
from tests.clips import i420, tissue

MS = 1_000_000
FIELD = Roi(32, 12, 64, 72)


def feed(signal, lumas, start_ms=0, step_ms=40):
    for index, luma in enumerate(lumas):
        signal.frame(i420(luma), FIELD, (start_ms + index * step_ms) * MS)
    return signal


def test_probe_held_still_is_told_from_a_freeze_and_from_a_sweep():
    rng = np.random.default_rng(0)
    base = tissue(0).astype(int)
    noisy = [np.clip(base + rng.normal(0, 1.2, base.shape), 16, 235).astype(np.uint8) for _ in range(40)]
    signal = feed(Signal(), noisy)
    assert signal.state is State.STILL
    assert signal.fresh
    assert signal.reason(2000 * MS) is None
    feed(signal, [tissue(1)], start_ms=1600)
    assert signal.state is State.LIVE


def test_before_the_first_picture_there_is_no_signal():
    signal = Signal()
    signal.silence(10 * STALLED_AFTER_NS)
    assert signal.state is State.NO_SIGNAL
    assert signal.reason(0) == "no signal"


def test_changing_pictures_are_live():
    signal = feed(Signal(), [tissue(i) for i in range(30)])
    assert signal.state is State.LIVE
    assert signal.reason(2000 * MS) is None


def test_same_pictures_are_frozen_after_a_while_and_never_fresh():
    signal = feed(Signal(), [tissue(0)] * 10)
    assert signal.state is State.LIVE
    assert not signal.fresh
    feed(signal, [tissue(0)] * 10, start_ms=400)
    assert signal.state is State.FROZEN
    assert signal.reason(3000 * MS) == "picture frozen for 3 s"


def test_scanner_slower_than_its_output_is_not_frozen():
    lumas = [tissue(i // 15) for i in range(90)]  # 4 pictures a second on a 60 Hz output
    signal = Signal()
    for index, luma in enumerate(lumas):
        signal.frame(i420(luma), FIELD, index * 1_000_000_000 // 60)
        assert signal.state is State.LIVE
        assert signal.fresh == (index % 15 == 0)


def test_running_clock_outside_the_field_does_not_hide_a_freeze():
    signal, picture = Signal(), tissue(0)
    for index in range(20):
        picture[:8, :] = index * 10
        signal.frame(i420(picture), FIELD, index * 40 * MS)
    assert signal.state is State.FROZEN


def test_pictures_that_stop_are_stalled_and_come_back():
    signal = feed(Signal(), [tissue(i) for i in range(5)])
    signal.silence(160 * MS + STALLED_AFTER_NS - 1)
    assert signal.state is State.LIVE
    signal.silence(160 * MS + STALLED_AFTER_NS)
    assert signal.state is State.STALLED
    assert "no new picture" in signal.reason(3000 * MS)
    feed(signal, [tissue(9)], start_ms=4000)
    assert signal.state is State.LIVE


def test_first_picture_after_a_stall_is_not_frozen_even_if_it_is_the_same():
    signal = feed(Signal(), [tissue(0)])
    signal.silence(STALLED_AFTER_NS)
    feed(signal, [tissue(0)], start_ms=5000)
    assert signal.state is State.LIVE
    feed(signal, [tissue(0)], start_ms=5000 + FROZEN_AFTER_NS // MS)
    assert signal.state is State.FROZEN


def test_another_scene_is_a_cut_and_speckle_is_not():
    signal = feed(Signal(), [np.full((96, 128), 40, np.uint8), np.full((96, 128), 50, np.uint8)])
    assert not signal.cut
    feed(signal, [np.full((96, 128), 120, np.uint8)], start_ms=80)
    assert signal.cut


def test_other_geometry_is_a_cut():
    signal = feed(Signal(), [tissue(0)])
    signal.frame(i420(tissue(0, 192, 256)), Roi(64, 24, 128, 144), 40 * MS)
    assert signal.cut


@pytest.mark.parametrize("condition", Condition)
def test_outage_stays_with_its_reason_until_pictures_have_come_for_a_while(condition):
    signal = feed(Signal(), [tissue(i) for i in range(5)])
    signal.lose(Outage(condition, "because"))
    signal.silence(10_000 * MS)
    assert signal.state is State[condition.name]
    assert signal.reason(0) == f"{condition.value}: because"
    assert signal.interrupted
    feed(signal, [tissue(i) for i in range(6)], start_ms=11_000)
    assert signal.state is State[condition.name]  # 200 ms
    feed(signal, [tissue(i) for i in range(3)], start_ms=11_240)
    assert signal.state is State.LIVE
    assert not signal.interrupted


def test_plug_that_flutters_is_never_live():
    signal = feed(Signal(), [tissue(0)])
    for at in range(1000, 3000, 200):
        signal.lose(Outage(Condition.NO_SIGNAL, "flutter"))
        feed(signal, [tissue(at), tissue(at + 1)], start_ms=at)
        assert signal.state is State.NO_SIGNAL
