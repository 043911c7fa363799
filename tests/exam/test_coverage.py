"""The interval holds what it is for as often as it says, and the measurement would notice if it did not."""

import numpy as np
import pytest

from edge.exam import evidence
from edge.exam.coverage import LATER, PARTS, SPEEDS, Trial, as_text, report, try_sweep


def measure(sweeps=60, spread=0.4):
    """Sweeps whose picture and logit drift together, as a lesion's do."""
    rng = np.random.default_rng(1)
    trials = {part: Trial() for part in (*PARTS, LATER)}
    for _ in range(sweeps):
        basis = rng.normal(128, 60, (6, 32, 32))
        place = np.linspace(0, 5, 30)
        weights = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(6)))
        logits = rng.normal(0, 1) + weights @ rng.normal(0, spread, 6)
        pictures = np.clip(np.tensordot(weights, basis, 1), 0, 255).astype(np.uint8)
        tensors = [picture[None, None] for picture in pictures]
        for speed in SPEEDS:
            try_sweep(tensors, list(1 / (1 + np.exp(-logits))), speed, rng, trials)
    return report(trials, sweeps, len(SPEEDS))


def test_interval_holds_the_sweeps_mean_about_as_often_as_it_says():
    figures = measure()
    assert 0.85 <= figures["coverage"] <= 0.99
    assert "60 sweeps" in as_text(figures)


def test_frames_counted_as_if_independent_are_found_out(monkeypatch):
    monkeypatch.setattr(evidence, "_NEW", 1e-6)
    assert measure()["coverage"] < 0.7


def test_interval_narrows_as_more_is_seen():
    parts = measure(20)["parts"]
    assert parts["0.2"]["width"] > parts["1"]["width"] > parts["2"]["width"]


def test_path_that_misses_the_lesion_is_not_judged():
    trials = {part: Trial() for part in (*PARTS, LATER)}
    try_sweep([np.zeros((1, 1, 8, 8), np.uint8)] * 5, [0.5] * 5, 1, np.random.default_rng(0), trials)
    assert not any(trial.held for trial in trials.values())


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_looked_at(part):
    assert f"{part:g}" in measure(3)["parts"]
