"""`sonocart run`, from the command line to its files."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from edge.cli import run
from edge.errors import (
    BusyError,
    CannotCreateError,
    DataError,
    NoInputError,
    RefusedError,
    TransferError,
    UsageError,
)
from edge.sources.phantom import parse_options
from tests.clips import read_clip, tissue, write_clip
from tests.networks import write_bundle, write_study


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    return write_bundle(folder / "bundle", write_study(folder / "study")).path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    lumas = [tissue(i, 240, 320) for i in range(20)]
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", lumas)


def test_file_in_recording_and_log_out(bundle, clip, tmp_path, capsys):
    record, log = tmp_path / "o.mp4", tmp_path / "o.jsonl"
    arguments = ["--pace", "max", "--record", str(record), "--log", str(log), "--json"]
    assert run(["run", str(bundle), "--source", str(clip), *arguments]) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    summary = json.loads(capsys.readouterr().out)
    assert [line["sequence"] for line in lines] == list(range(20))
    assert lines[0]["reason"] == "looking for the ultrasound field"
    assert 0 < lines[-1]["risk"] < 1
    assert (summary["captured"], summary["presented"], summary["recorded"]) == (20, 20, 20)
    assert len(read_clip(record)) == 20


def test_two_runs_over_a_file_are_the_same(bundle, clip, tmp_path):
    logs = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    for log in logs:
        run(["run", str(bundle), "--source", str(clip), "--pace", "max", "--log", str(log)])
    assert logs[0].read_bytes() == logs[1].read_bytes()


def test_summary_is_one_line(bundle, clip, capsys):
    run(["run", str(bundle), "--source", str(clip), "--pace", "max", "--seconds", "0.4"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("10 frames captured, 10 presented, 0 dropped")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_cleanly_with_a_playable_recording(bundle, clip, tmp_path, number):
    record, log = tmp_path / "o.mp4", tmp_path / "o.jsonl"
    command = [sys.executable, "-m", "edge", "run", str(bundle), "--source", str(clip), "--loop"]
    with subprocess.Popen(
        [*command, "--record", str(record), "--log", str(log), "--page", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    ) as process:
        for _ in range(3000):
            if log.exists() and log.stat().st_size > 2000:
                break
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "frames captured" in out
    assert "Traceback" not in err
    assert len(read_clip(record)) == len(log.read_text().splitlines())


def attempt(bundle, source, *options):
    return run(["run", str(bundle), "--source", str(source), "--pace", "max", *map(str, options)])


def test_changed_bundle_is_refused(tmp_path, clip):
    bundle = write_bundle(tmp_path / "bundle", write_study(tmp_path / "study")).path
    model = bundle / "model.onnx"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    with pytest.raises(RefusedError):
        attempt(bundle, clip)


def test_precision_that_was_never_made(bundle, clip):
    with pytest.raises(NoInputError, match="sonocart calibrate"):
        attempt(bundle, clip, "--precision", "int8")


def test_unknown_operating_point(bundle, clip):
    with pytest.raises(DataError, match="it has: balanced"):
        attempt(bundle, clip, "--operating-point", "brave")


def test_missing_source(bundle, tmp_path):
    with pytest.raises(NoInputError, match="is not a file"):
        attempt(bundle, tmp_path / "none.mp4")


def test_a_clip_too_short_for_its_field_says_so(bundle, tmp_path, capfd):
    short = write_clip(tmp_path / "short.mp4", [tissue(i) for i in range(2)])
    assert attempt(bundle, short) == 0
    assert "none of 2 pictures got a risk: looking for the ultrasound field" in capfd.readouterr().err


def test_truncated_source_is_shown_recorded_and_reported(bundle, clip, tmp_path, capsys):
    short = tmp_path / "short.mp4"
    short.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * 0.7)])
    with pytest.raises(DataError, match=r"truncated|damaged"):
        attempt(bundle, short, "--record", tmp_path / "o.mp4")
    assert "frames captured" in capsys.readouterr().out
    assert len(read_clip(tmp_path / "o.mp4")) > 5


def test_unwritable_output_is_known_before_anything_is_written(bundle, clip, tmp_path):
    with pytest.raises(CannotCreateError, match="log"):
        attempt(bundle, clip, "--record", tmp_path / "o.mp4", "--log", clip / "o.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_recording_over_the_source_is_refused(bundle, clip):
    before = clip.read_bytes()
    with pytest.raises(UsageError, match="is the source itself"):
        attempt(bundle, clip, "--record", clip)
    assert clip.read_bytes() == before


def test_port_in_use_writes_nothing(bundle, clip, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BusyError, match="Address already in use"):
            attempt(bundle, clip, "--page", f"127.0.0.1:{taken.getsockname()[1]}", "--log", tmp_path / "o")
    assert list(tmp_path.iterdir()) == []


def test_region_outside_the_picture(bundle, clip):
    with pytest.raises(UsageError, match="320x240"):
        attempt(bundle, clip, "--roi", "300,200,100,100")


@pytest.mark.parametrize(
    "options", [["--seconds", "0"], ["--seconds", "x"], ["--pace", "slow"], ["--roi", "1,2"]]
)
def test_options_that_make_no_sense(bundle, clip, options):
    with pytest.raises(UsageError):
        attempt(bundle, clip, *options)


def test_synthetic_scanner_is_a_source(bundle, tmp_path):
    log = tmp_path / "o.jsonl"
    attempt(bundle, "phantom:size=320x240,fps=20", "--seconds", "1", "--log", log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == 20
    assert lines[-1]["risk"] is not None


@pytest.mark.parametrize(
    "text", ["phantom:label=odd", "phantom:size=9x9", "phantom:size=big", "phantom:fps=0", "phantom:x"]
)
def test_synthetic_scanner_names_what_it_does_not_know(text):
    with pytest.raises(UsageError, match="expected"):
        parse_options(text)


@pytest.mark.parametrize("option", ["--record", "--log"])
def test_no_output_overwrites_the_source(bundle, clip, option):
    before = clip.read_bytes()
    with pytest.raises(UsageError, match="source itself"):
        attempt(bundle, clip, option, str(clip))
    assert clip.read_bytes() == before


def test_recording_and_log_are_two_files(bundle, clip, tmp_path):
    with pytest.raises(UsageError, match="same file"):
        attempt(bundle, clip, "--record", str(tmp_path / "x"), "--log", str(tmp_path / "x"))


def test_damaged_source_that_gives_no_frame_leaves_no_file(bundle, clip, tmp_path):
    cut = tmp_path / "cut.mp4"
    data = bytearray(clip.read_bytes())
    begin = data.index(b"mdat") + 4
    data[begin : begin + 4000] = bytes(4000)
    cut.write_bytes(data)
    record, log = tmp_path / "o.mp4", tmp_path / "o.jsonl"
    with pytest.raises(DataError):
        attempt(bundle, cut, "--record", str(record), "--log", str(log), "--pace", "max")
    assert not log.exists() or log.stat().st_size > 0
    assert not record.exists() or record.stat().st_size > 0


def test_log_that_cannot_be_written_is_said_at_the_end(bundle, clip):
    with pytest.raises(TransferError, match="log has stopped"):
        attempt(bundle, clip, "--log", "/dev/full", "--pace", "max")
