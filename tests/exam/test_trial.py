"""`sonocart gates` plays every fault and counts honestly."""

import json

import pytest

from edge.cli import run
from edge.errors import NoInputError, UsageError
from edge.exam.gates import Gate
from edge.sources.base import SourceEnded
from tests.clips import tissue, write_clip


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "c.mp4", [tissue(i, 480, 640, (160, 60, 320, 360)) for i in range(30)])


def test_faults_are_found_and_good_pictures_are_not(clip, capsys):
    assert run(["gates", "--clip", str(clip), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["good"]["withheld"] == 0
    assert figures["good"]["pictures"] > 100
    for name, found in figures.items():
        if name not in ("good", "look_cpu_ms", "cut off"):
            assert found["withheld"] == found["pictures"] > 5, name
            assert found["withheld_after_ms"] <= 1000
            assert found["live_after_ms"] <= 2000


class Empty:
    def read(self):
        raise SourceEnded

    def close(self):
        pass


def test_clip_without_a_picture_is_said_to_be(monkeypatch):
    monkeypatch.setattr("edge.exam.trial.open_source", lambda *_, **__: Empty())
    with pytest.raises(NoInputError, match=r"'c\.mp4' holds no picture"):
        run(["gates", "--clip", "c.mp4"])
    with pytest.raises(UsageError, match="--clip is empty"):
        run(["gates", "--clip", ""])


def test_gates_that_never_close_fail_the_trial(clip, monkeypatch, capsys):
    monkeypatch.setattr("edge.exam.gates.judge", lambda features: None)
    assert run(["gates", "--clip", str(clip)]) == 1
    assert "0.0%" in capsys.readouterr().out


def test_gates_that_always_close_fail_the_trial(clip, monkeypatch):
    monkeypatch.setattr("edge.exam.gates.judge", lambda features: Gate.BLACK)
    assert run(["gates", "--clip", str(clip)]) == 1
