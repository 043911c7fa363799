"""The interval holds what it is for as often as it says, and the measurement would notice if it did not."""

import msgspec
import numpy as np
import pytest

from edge.cli import run
from edge.contract.bundle import open_bundle, sign_bundle
from edge.contract.signing import load_key, make_key
from edge.errors import DataError
from edge.exam import evidence, fitting
from edge.exam.coverage import SPEEDS, as_text, report
from edge.exam.fitting import fit_spread
from edge.exam.spread import UNMEASURED, Spread, read_spread
from edge.exam.sweeps import PARTS, Sweep, no_trials, play
from tests.networks import write_bundle, write_study

KNOWN = Spread(deviation=0.28, reach=4.6, sweeps=24)


def drifting(sweeps, spread, seed):
    """Sweeps whose picture and logit drift together, as a lesion's do."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(sweeps):
        basis = rng.normal(128, 60, (6, 32, 32))
        place = np.linspace(0, 5, 30)
        weights = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(6)))
        logits = rng.normal(0, 1) + weights @ rng.normal(0, spread, 6)
        pictures = np.clip(np.tensordot(weights, basis, 1), 0, 255).astype(np.uint8)
        found.append(Sweep([picture[None, None] for picture in pictures], list(1 / (1 + np.exp(-logits)))))
    return found


def measure(sweeps=60, spread=0.4, known=KNOWN, seed=1):
    rng, trials = np.random.default_rng(seed), no_trials()
    for sweep in drifting(sweeps, spread, seed):
        for speed in SPEEDS:
            play(sweep, speed, rng, trials, known)
    return report(trials, sweeps, len(SPEEDS))


def test_interval_holds_the_sweeps_mean_about_as_often_as_it_says():
    figures = measure()
    assert 0.85 <= figures["coverage"] <= 0.99
    assert "60 sweeps" in as_text(figures)


def test_frames_counted_as_if_independent_are_found_out(monkeypatch):
    monkeypatch.setattr(evidence, "_NEW", 1e-6)
    monkeypatch.setattr(evidence, "_MOST", 1e6)
    assert measure()["coverage"] < 0.7


def test_interval_narrows_as_more_is_seen():
    parts = measure(20)["parts"]
    assert parts["0.2"]["width"] > parts["0.6"]["width"] > parts["1"]["width"]


def test_path_that_misses_the_lesion_is_not_judged():
    trials = no_trials()
    short = Sweep([np.zeros((1, 1, 8, 8), np.uint8)] * 5, [0.5] * 5)
    play(short, 1, np.random.default_rng(0), trials, KNOWN)
    assert not any(trial.held for trial in trials.values())


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_looked_at(part):
    assert f"{part:g}" in measure(3)["parts"]


@pytest.mark.parametrize("scale", [0.05, 0.4, 1.5])
def test_spread_that_was_fitted_gives_every_model_its_interval(scale):
    known = fit_spread(drifting(24, scale, 2))
    assert known.deviation == pytest.approx(0.71 * scale, rel=0.2)
    assert 0.87 <= measure(40, scale, known)["coverage"] <= 0.96


def test_spread_of_another_model_is_found_out():
    assert measure(40, 1.5, Spread(deviation=0.05, reach=1.0, sweeps=12))["coverage"] < 0.85


def test_fit_is_kept_in_the_bundle_and_read_from_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("edge.exam.fitting.FIT_SWEEPS", 2)
    monkeypatch.setattr("edge.exam.sweeps.SLICES", 20)
    bundle = write_bundle(tmp_path / "bundle", write_study(tmp_path / "study"))
    assert read_spread(bundle) == UNMEASURED
    make_key(tmp_path / "maker.key")
    sign_bundle(bundle.path, load_key(tmp_path / "maker.key"), 9)
    assert run(["coverage", str(bundle.path), "--fit", "--json"]) == 0
    said = capsys.readouterr()
    assert "the signature of version 9 is gone" in said.err
    printed = msgspec.json.decode(said.out, type=Spread)
    assert read_spread(open_bundle(bundle.path)) == printed
    assert printed.sweeps == 2


@pytest.mark.parametrize("text", [b"{}", b"no", b'{"deviation": 0.0, "reach": 1.0, "sweeps": 3}'])
def test_spread_that_makes_no_sense_is_refused(text):
    class Damaged:
        id = "0"

        def has(self, name):
            return True

        def read(self, name):
            return text

    with pytest.raises(DataError, match="spread"):
        read_spread(Damaged())


def test_fit_that_cannot_hold_its_level_says_so(monkeypatch, caplog):
    monkeypatch.setattr(fitting, "sweeps", lambda *_: iter(drifting(24, 1.0, 2)))
    monkeypatch.setattr(fitting, "_REACH", (0.3, 0.301))
    fitting.measure_spread(None, None)
    assert "no reach gives the interval its 90 %" in caplog.text
