"""The demo keeps what is there, and nothing that stands on what has changed."""

import argparse
from pathlib import Path

import pytest

from export import demo
from export.demo import Step, prepare


def steps(out: Path, patients: int) -> list[Step]:
    return [
        Step("study", ("phantom", f"{patients}"), out / "study"),
        Step("train", ("train",), out / "run"),
        Step("export", ("export",), out / "bundle"),
    ]


@pytest.fixture
def ran(monkeypatch):
    """Names of the steps that ran; each makes its result, and a step called in `stop` is cut off."""
    names, stop = [], set()

    def run_step(step):
        names.append(step.title)
        step.makes.write_text("half" if step.title in stop else "whole")
        if step.title in stop:
            raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run_step", run_step)
    return names, stop


def test_second_start_runs_nothing(tmp_path, ran):
    names, _ = ran
    prepare(steps(tmp_path, 240), tmp_path, print)
    names.clear()
    prepare(steps(tmp_path, 240), tmp_path, print)
    assert names == []


def test_a_changed_study_makes_everything_anew_also_after_an_interruption(tmp_path, ran):
    names, stop = ran
    prepare(steps(tmp_path, 240), tmp_path, print)
    stop.add("train")
    with pytest.raises(KeyboardInterrupt):
        prepare(steps(tmp_path, 300), tmp_path, print)
    stop.clear()
    names.clear()
    prepare(steps(tmp_path, 300), tmp_path, print)
    assert names == ["train", "export"]
    assert (tmp_path / "run").read_text() == "whole"


def test_second_session_neither_goes_on_behind_the_first_nor_lies_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "prepare", lambda *_: None)
    monkeypatch.setattr(demo, "write_report", lambda out: out / "report.html")
    there = []
    monkeypatch.setattr(demo, "run_step", lambda _: there.extend(path.name for path in tmp_path.iterdir()))
    for name in ("session.json", "session.jsonl", "overlay.mp4", "clip.mp4"):
        (tmp_path / name).write_text("of an earlier start")
    arguments = {
        "out": tmp_path,
        "fresh": False,
        "patients": 1,
        "seed": 0,
        "page": "127.0.0.1:0",
        "seconds": 1.0,
    }
    demo.main(argparse.Namespace(**arguments))
    assert there == ["clip.mp4"]
