"""The verb: what it prints, what it refuses."""

import json
from pathlib import Path

import pytest

from edge.cli import run
from edge.errors import CannotCreateError, UsageError


def test_study_and_clip_in_one_call_report_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, clip = tmp_path / "study", tmp_path / "clip.mp4"
    code = run(
        f"phantom --out {study} --patients 2 --jobs 1 --seed 4 --json "
        f"--video {clip} --seconds 0.2 --size 320x240".split()
    )
    made = json.loads(capsys.readouterr().out)
    assert code == 0
    assert made["study"]["images"] == 4
    assert made["clip"]["frames"] == 6
    assert (study / "manifest.csv").exists()
    assert clip.exists()


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--out x --patients 0",
        "--out x --seed -1",
        "--out x --views 0",
        "--out x --jobs 0",
        "--out x --prevalence 1.5",
        "--video x.mp4 --size 1920",
        "--video x.mp4 --size 1921x1080",
        "--video x.mp4 --size 100x100",
        "--video x.mp4 --seconds 0",
        "--video x.mp4 --seconds nan",
        "--video x.mp4 --fps 0",
        "--video x.mp4 --label unknown",
        "--video x.avi",
    ],
)
def test_nonsense_is_a_usage_error_and_writes_nothing(
    options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        run(["phantom", *options.split()])
    assert list(tmp_path.iterdir()) == []


def test_an_existing_clip_is_kept_unless_forced(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_text("mine")
    with pytest.raises(CannotCreateError, match="--force"):
        run(f"phantom --video {clip}".split())
    assert clip.read_text() == "mine"
    with pytest.raises(CannotCreateError, match="--force"):
        run(f"phantom --out {tmp_path}".split())
