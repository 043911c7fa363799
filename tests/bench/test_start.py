"""Cold starts are watched from outside, through the log."""

import json

import pytest

from edge.bench.start import start_once
from edge.cli import run
from edge.errors import InternalError
from tests.clips import tissue, write_clip
from tests.networks import write_bundle, write_study
from tests.patience import PATIENCE_S


def test_start_is_timed_to_picture_and_risk(tmp_path, monkeypatch, capsys):
    """Also where the clip is over before the first risk."""
    monkeypatch.setattr("edge.bench.start.DEADLINE_S", PATIENCE_S)
    bundle = write_bundle(tmp_path / "bundle", write_study(tmp_path / "study"))
    clip = write_clip(tmp_path / "clip.mp4", [tissue(k, 480, 640) for k in range(5)])
    argv = ["bench", "start", str(bundle.path), "--source", str(clip), "--precision", "fp32"]
    assert run([*argv, "--runs", "1", "--json", "--out", str(tmp_path / "out")]) == 0
    printed = json.loads(capsys.readouterr().out)
    picture = printed["summary"]["start to first picture"]["wall"]["p50"]
    assert 0 < picture <= printed["summary"]["start to first risk"]["wall"]["p50"]
    assert printed["figures"]["memory with decoder and engine, MB"] > 60


def test_run_that_fails_is_told_with_its_own_words():
    with pytest.raises(InternalError, match="is not a folder"):
        start_once(["run", "no-such-bundle", "--source", "phantom:"])
