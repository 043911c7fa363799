"""A soak in short minutes: what it records, and how growth is told from noise."""

import json
from itertools import pairwise

import numpy as np
import pytest

from edge.bench.product import Journal, Product
from edge.bench.soak import by_minute, slope
from edge.cli import run
from edge.errors import DataError
from edge.sources.faults import FAULTS, random_script
from tests.clips import tissue, write_clip
from tests.networks import write_bundle, write_study
from tests.patience import Clock, wait_for


def test_slope_sees_growth_through_noise_and_outliers():
    values = 100 + 0.5 * np.arange(30) + np.random.default_rng(0).normal(0, 0.5, 30)
    values[7] = 900
    assert slope(values) == pytest.approx(0.5, abs=0.1)
    assert slope([5.0]) == 0.0


def test_journal_forgets_what_was_taken():
    journal = Journal()
    for k in range(6):
        journal.at(k).came = 1
    for k in (0, 2, 3):
        journal.at(k).encoded = 2
    assert len(journal.take_finished()) == 3
    assert sorted(journal.passages) == [4, 5]
    assert journal.take_finished() == []


def test_source_without_pictures_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.bench.watching.FIRST_SECONDS", 0.1)
    bundle = write_bundle(tmp_path / "bundle", write_study(tmp_path / "study"))
    clip = write_clip(tmp_path / "clip.mp4", [tissue(1, 240, 320)] * 2)
    monkeypatch.setattr(
        "edge.sources.isolated.IsolatedSource.read", lambda self: self._closed.wait() and None
    )
    with pytest.raises(DataError, match="no picture"):
        run(["bench", "soak", str(bundle.path), "--source", str(clip), "--precision", "fp32"])


@pytest.fixture
def minutes(monkeypatch):
    """A minute is over when ten pictures have passed, however slow the machine is."""
    products, clock, make = [], Clock(), Product.__init__

    def keep(product, *arguments, **options):
        make(product, *arguments, **options)
        products.append(product)

    def sleep(seconds):
        wanted = products[-1].encoded + 10
        wait_for(lambda: products[-1].ended or products[-1].encoded >= wanted)
        clock.ns += 60 * 10**9

    clock.sleep = sleep
    monkeypatch.setattr(Product, "__init__", keep)
    monkeypatch.setattr("edge.bench.soak.time", clock)


def test_each_minute_gives_a_row(tmp_path, minutes, capsys):
    bundle = write_bundle(tmp_path / "bundle", write_study(tmp_path / "study"))
    clip = write_clip(tmp_path / "clip.mp4", [tissue(k, 240, 320) for k in range(25)])
    argv = ["bench", "soak", str(bundle.path), "--source", str(clip), "--precision", "fp32"]
    argv += ["--minutes", "3", "--threads", "1"]
    assert run([*argv, "--json", "--out", str(tmp_path / "out")]) == 0
    printed = json.loads(capsys.readouterr().out)
    series = printed["series"]
    assert {len(values) for values in series.values()} == {3}
    assert all(value > 0 for value in series["memory, MB"] + series["p50, ms"])
    assert "memory, MB an hour" in printed["figures"]
    assert "Minute by minute" in (tmp_path / "out/report.html").read_text()


def test_minutes_tell_only_percentiles_that_the_shortest_supports():
    rows = [
        {"frames": frames, "p50, ms": 1.0, "p99, ms": 2.0, "p99.9, ms": 3.0} for frames in (1800.0, 600.0)
    ]
    assert by_minute(rows) == {"frames": [1800.0, 600.0], "p50, ms": [1.0, 1.0], "p99, ms": [2.0, 2.0]}
    assert "p99.9, ms" in by_minute(rows[:1])
    assert "p99, ms" not in by_minute([{**rows[0], "frames": 99.0}])


def test_soak_with_faults_accounts_for_every_picture(tmp_path, minutes, capsys):
    bundle = write_bundle(tmp_path / "bundle", write_study(tmp_path / "study"))
    clip = write_clip(tmp_path / "clip.mp4", [tissue(k, 240, 320) for k in range(25)], fps=10)
    argv = ["bench", "soak", str(bundle.path), "--source", str(clip), "--precision", "fp32", "--json"]
    assert run([*argv, "--minutes", "5", "--threads", "1", "--faults", "3"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert figures["pictures captured"] > 20
    assert figures["pictures captured"] == figures["pictures presented"] + figures["pictures dropped"]


def test_random_script_is_the_same_for_the_same_seed_and_has_every_kind():
    script = random_script(1, 3600.0)
    assert script == random_script(1, 3600.0) != random_script(2, 3600.0)
    assert {fault.name for fault in script} == set(FAULTS)
    assert all(a.start_ns + a.length_ns < b.start_ns for a, b in pairwise(script))
