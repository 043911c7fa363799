"""`sonocart run`, from the command line to its files."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from edge import daemon
from edge.cli import run
from edge.errors import (
    BusyError,
    CannotCreateError,
    DataError,
    NoInputError,
    RefusedError,
    TransferError,
    UnavailableError,
    UsageError,
)
from edge.outputs.log import SessionLog
from edge.outputs.metrics import Metrics
from edge.service.journal import JournalHandler
from edge.sources.base import Outage, SourceEnded, SourceInfo
from edge.sources.open import open_source
from edge.sources.phantom import parse_options
from edge.sources.still import PICTURES
from tests.clips import read_clip, tissue, write_clip
from tests.fakes import FakeEngine
from tests.networks import write_bundle, write_study
from tests.patience import PATIENCE_S, wait_for
from tests.test_loop import IDENTITY, Pictures, play


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
        [*command, "--record", str(record), "--log", str(log), "--page", "127.0.0.1:0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    ) as process:
        wait_for(lambda: log.exists() and log.stat().st_size > 2000)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    said = json.loads(out)
    assert len(log.read_text().splitlines()) == said["presented"] > 0
    assert len(read_clip(record)) == said["recorded"] == said["presented"] - said["recording_dropped"] > 0


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


@pytest.mark.parametrize("count", [1, 2])
def test_a_clip_too_short_for_its_field_says_so(bundle, tmp_path, capfd, count):
    short = write_clip(tmp_path / "short.mp4", [tissue(i) for i in range(count)])
    assert attempt(bundle, short) == 0
    assert f"none of {count} pictures got a risk: looking for the ultrasound field" in capfd.readouterr().err


def test_one_still_image_is_judged_as_a_probe_held_still(bundle, tmp_path):
    log, picture = tmp_path / "o.jsonl", tissue(0, 240, 320)
    Image.fromarray(picture).save(tmp_path / "still.png")
    assert attempt(bundle, tmp_path / "still.png", "--log", log) == 0
    last = json.loads(log.read_text().splitlines()[-1])
    assert last["state"] == "probe still"
    assert 0 < last["risk"] < 1


def test_live_still_goes_on_until_it_is_ended(bundle, tmp_path):
    """Past the pictures that it has when it is taken as fast as possible."""
    log, over = tmp_path / "o.jsonl", threading.Event()
    Image.fromarray(tissue(0, 240, 320)).save(tmp_path / "still.png")

    def end():
        wait_for(lambda: over.is_set() or (log.exists() and len(log.read_text().splitlines()) > PICTURES))
        if not over.is_set():
            signal.raise_signal(signal.SIGTERM)

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(end)
        try:
            assert attempt(bundle, tmp_path / "still.png", "--pace", "live", "--log", log) == 0
        finally:
            over.set()
        ended.result()
    assert len(log.read_text().splitlines()) > PICTURES


def test_folder_of_different_stills_says_why_it_gets_no_risk(bundle, tmp_path, capfd):
    (tmp_path / "stills").mkdir()
    for number in range(3):
        Image.fromarray(tissue(0, 240, 320)[:, :: 1 - 2 * (number % 2)]).save(
            tmp_path / f"stills/{number}.png"
        )
    attempt(bundle, tmp_path / "stills")
    assert "sonocart accept BUNDLE --cases FOLDER" in capfd.readouterr().err


class UntilOutage:
    """A source that ends once it has said why no picture comes."""

    def __init__(self, source):
        self._source = source
        self._lost = False
        self.info = source.info
        self.close = source.close

    def read(self):
        if self._lost:
            raise SourceEnded
        try:
            return self._source.read()
        except Outage:
            self._lost = True
            raise


class Silent:
    """A source of which nothing is ever heard."""

    info = SourceInfo("silent", 0, 0, 0)

    def __init__(self):
        self._closed = threading.Event()
        self.close = self._closed.set

    def read(self):
        self._closed.wait()
        raise SourceEnded


def test_what_the_parts_count_is_told_while_it_runs(tmp_path):
    broken = FakeEngine(lambda tensor: float("nan"))
    source = Pictures([tissue(i) for i in range(9)])
    source.counts = Counter(restarts=2)
    _, parts = play(source, engine=lambda: broken)
    log, handler, metrics = (
        SessionLog(tmp_path / "x.jsonl"),
        JournalHandler(),
        Metrics(IDENTITY, parts.timing),
    )
    log.close()
    log.dropped, handler.lost = 4, 5
    daemon._watch(metrics, parts, source, log, handler)
    told = metrics.exposition(0).splitlines()
    assert "sonocart_pictures_lost_total 0" in told
    assert f"sonocart_network_failures_total {parts.examination.failures}" in told
    assert f"sonocart_network_replacements_total {parts.worker.replacements}" in told
    assert min(parts.examination.failures, parts.worker.replacements) > 0
    assert 'sonocart_source_events_total{kind="restarts"} 2' in told
    assert "sonocart_log_lines_lost_total 4" in told
    assert "sonocart_journal_lines_lost_total 5" in told


def test_run_without_a_single_picture_is_an_error_that_says_what_was_found(bundle, monkeypatch):
    monkeypatch.setattr(daemon, "open_source", lambda *a, **k: UntilOutage(open_source(*a, **k)))
    with pytest.raises(UnavailableError, match=r"no picture came from 'rtsp.*does not deliver"):
        attempt(bundle, "rtsp://127.0.0.1:9/x", "--pace", "live")


def test_time_that_is_over_before_anything_is_known_is_said_to_be(bundle, monkeypatch):
    monkeypatch.setattr(daemon, "open_source", lambda *_, **__: Silent())
    with pytest.raises(UnavailableError, match=r"no picture came from 'silent': none within 0\.5 s"):
        attempt(bundle, "rtsp://127.0.0.1:9/x", "--pace", "live", "--seconds", "0.5")


@pytest.mark.parametrize("name", ["o.avi", "o.mkv", "o"])
def test_recording_is_mp4_or_refused(bundle, clip, tmp_path, name):
    with pytest.raises(UsageError, match=r"must end in \.mp4"):
        attempt(bundle, clip, "--record", tmp_path / name)


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


def test_what_is_no_baseline_is_refused_also_without_a_page(bundle, clip, tmp_path):
    (tmp_path / "passport.json").write_text('{"bundle": "x"}')
    with pytest.raises(DataError, match="no baseline"):
        attempt(bundle, clip, "--baseline", str(tmp_path / "passport.json"))


@pytest.mark.parametrize("option", ["--record", "--log"])
def test_no_output_overwrites_the_source(bundle, clip, option):
    before = clip.read_bytes()
    with pytest.raises(UsageError, match="source itself"):
        attempt(bundle, clip, option, str(clip))
    assert clip.read_bytes() == before


def test_recording_and_log_are_two_files(bundle, clip, tmp_path):
    with pytest.raises(UsageError, match="same file"):
        attempt(bundle, clip, "--record", str(tmp_path / "x.mp4"), "--log", str(tmp_path / "x.mp4"))


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
