"""Numbered pictures through the software cable, the product and the recorder, and back."""

import json
import time

import pytest

from edge.bench.cable import Cable, open_cable
from edge.bench.glass import _check_recording
from edge.cli import run
from edge.errors import InternalError, UsageError
from edge.phantom.cine import CineOptions, make_cine
from edge.phantom.counter import read_counter
from edge.sources.base import SourceEnded
from tests.networks import write_bundle, write_study
from tests.patience import PATIENCE_S, wait_for


@pytest.fixture(scope="module")
def cine():
    return make_cine(CineOptions(1, "benign", 640, 480, "aster", "linear", "sweep", 3), lambda done: None)


def exhaust(cable):
    for _ in range(50):
        cable.read()


def test_cable_carries_every_picture_in_order_soon_after_it_was_shown(cine):
    cable = Cable(cine, 50)
    frames = [cable.read() for _ in range(12)]
    assert [read_counter(frame.planes[0]) for frame in frames] == list(range(12))
    assert all(cable.shown_ns[k] < frame.captured_ns for k, frame in enumerate(frames))
    assert [frame.sequence for frame in frames] == list(range(12))
    cable.close()
    with pytest.raises(SourceEnded):
        exhaust(cable)


def test_cable_that_nobody_reads_any_more_can_be_closed(cine):
    cable = Cable(cine, 200)
    cable.read()
    wait_for(lambda: cable_is_full(cable))
    cable.close()
    cable._shower.join(PATIENCE_S)
    assert not cable._shower.is_alive()
    cable.close()


def cable_is_full(cable):
    before = len(cable.shown_ns)
    time.sleep(0.3)
    return before > 1 and len(cable.shown_ns) == before


def test_cable_that_was_never_used_can_be_closed(cine):
    Cable(cine, 50).close()


def test_only_the_phantom_can_be_numbered():
    with pytest.raises(UsageError, match="cannot be numbered"):
        open_cable("clip.mp4")


def test_recording_may_lack_what_was_dropped_and_nothing_else():
    _check_recording([1, 2, None, 4], [1, 2, None, 4], 0)
    _check_recording([1, 2, 3, 4], [1, 3, 4], 1)
    for recorded, dropped in (([1, 2, 3], 0), ([1, 3, 2, 4], 0), ([1, 2, 3, 5], 0), ([2, 1, 4], 1)):
        with pytest.raises(InternalError, match="the recording holds"):
            _check_recording([1, 2, 3, 4], recorded, dropped)


def test_command_finds_each_picture_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("edge.bench.glass.WARM_UP_SECONDS", 0.5)
    monkeypatch.setattr("edge.sources.phantom.SLICES", 3)
    bundle = write_bundle(tmp_path / "bundle", write_study(tmp_path / "study"))
    argv = ["bench", "glass", str(bundle.path), "--source", "phantom:fps=20,size=800x600"]
    argv += ["--precision", "fp32", "--threads", "1", "--seconds", "2", "--json"]
    assert run([*argv, "--out", str(tmp_path / "out")]) == 0
    printed = json.loads(capsys.readouterr().out)
    figures, summary = printed["figures"], printed["summary"]
    assert figures["presented"] >= 10
    assert (figures["not readable"], figures["presented twice"], figures["out of order"]) == (0, 0, 0)
    parts = ("shown to captured", "captured to presented", "presented to frame out")
    total = sum(summary[name]["wall"]["mean"] for name in parts)
    assert summary["glass to glass"]["wall"]["mean"] == pytest.approx(total, rel=1e-3)
    assert "jitter, picture to picture" in summary


def test_numbers_under_the_overlay_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.bench.glass.WARM_UP_SECONDS", 0.5)
    monkeypatch.setattr("edge.sources.phantom.SLICES", 3)
    monkeypatch.setattr("edge.bench.glass.read_counter", lambda luma: None)
    bundle = write_bundle(tmp_path / "bundle", write_study(tmp_path / "study"))
    argv = ["bench", "glass", str(bundle.path), "--source", "phantom:fps=20,size=320x240"]
    argv += ["--precision", "fp32", "--threads", "1", "--seconds", "1", "--out", str(tmp_path / "out")]
    with pytest.raises(UsageError, match="no number can be read"):
        run(
            [*argv, "--precision", "fp32", "--threads", "1", "--seconds", "1", "--out", str(tmp_path / "out")]
        )
