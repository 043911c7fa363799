"""Scripted cases are judged by what the state machine says one second after the turn."""

import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.exam import signal_trial
from edge.exam.signal import State
from edge.exam.signal_trial import KINDS, Clip, play
from tests.clips import i420, tissue


@pytest.fixture(scope="module")
def clip():
    rng, base = np.random.default_rng(0), tissue(0).astype(int)
    noisy = [np.clip(base + rng.normal(0, 1.2, base.shape), 16, 235).astype(np.uint8) for _ in range(48)]
    sweep = tuple(i420(tissue(index)) for index in range(48))
    return Clip(sweep, tuple(i420(luma) for luma in noisy), Roi(32, 12, 64, 72))


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_is_told_and_is_live_again(clip, kind):
    for seed in range(5):
        told = play(kind, np.random.default_rng(seed), clip)
        assert told.state is kind
        assert told.live_after_ms < 2000


def test_state_machine_that_is_blind_is_found_out(clip, monkeypatch):
    monkeypatch.setattr(signal_trial.Signal, "silence", lambda self, now_ns: None)
    assert play(State.STALLED, np.random.default_rng(0), clip).state is not State.STALLED
