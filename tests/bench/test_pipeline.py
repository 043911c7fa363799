"""The pipeline bench on a small network and clip: every frame goes through every loop, and is counted."""

import itertools
import json
import sys

import numpy as np
import pytest

from edge.bench.decoding import Decoder, first_frames
from edge.bench.floor import STEPS, Floor
from edge.bench.peers import open_peers
from edge.bench.pipeline import measure_pipeline
from edge.bench.product import DECODER, ENGINE, Product
from edge.bench.result import read_result
from edge.bench.setup import Setup
from edge.bench.turns import MIN_ROUNDS, take_turns
from edge.blit import encoding_of, make_sprite
from edge.cli import run
from edge.contract.roi import Roi
from edge.errors import DataError, UnavailableError, UsageError
from edge.sources.base import Pace
from edge.sources.open import open_source
from edge.sources.video import VideoSource
from tests.clips import tissue, write_clip
from tests.fakes import FakeEngine
from tests.networks import write_bundle, write_study


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    return write_bundle(folder / "bundle", write_study(folder / "study"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    lumas = [tissue(k, 480, 640) for k in range(25)]
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", lumas)


class FakeSetup(Setup):
    def start_engine(self):
        return FakeEngine()


class Quiet:
    def look(self):
        pass


def test_every_granted_frame_is_analysed_presented_and_encoded(model, clip):
    source = open_source(str(clip), pace=Pace.MAX, repeat=True)
    product = Product(Setup(model, "fp32", 1), source, Pace.MAX, 80)
    try:
        product.turn(20)
        risks = product.examination.risks
        product.turn(30)
        assert product.encoded == 50
        assert product.examination.risks == risks + 30
        passages = [product.journal.at(k) for k in range(50)]
        assert all(0 < p.came <= p.presented <= p.encoded for p in passages)
        threads = {"capture", "engine", "loop", "bench-encoder"}
        cpu = product.cpu_ms()
        assert set(cpu) == {*threads, DECODER, ENGINE}
        assert all(value > 0 for value in cpu.values())
        assert product.elsewhere_ns() / 1e6 > 0.99 * (cpu[DECODER] + cpu[ENGINE])
    finally:
        product.close()
    assert product.ended


def test_frames_wait_at_the_turnstile_until_their_turn(model, clip):
    source = VideoSource(clip, pace=Pace.MAX, repeat=True)
    product = Product(FakeSetup(model, "fp32", 1), source, Pace.MAX, 80)
    try:
        product.turn(3)
        assert product.capture.count == 3
    finally:
        product.close()


def test_naive_loop_gives_the_risk_of_its_whole_frame(model, clip):
    naive = open_peers("naive", model, "fp32", clip, 80)["naive fp32"]
    try:
        jpegs = [naive.step() for _ in range(27)]  # beyond the clip's end
    finally:
        naive.close()
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg in jpegs)
    assert {len(values) for values in naive.cpu_ms.values()} == {27}


def test_floor_does_each_of_its_parts_once_a_frame(model, clip):
    frames = first_frames(clip, 5)
    before = [plane.copy() for plane in frames[0].planes]
    panel = make_sprite(np.full((40, 60, 3), 40, np.uint8), encoding_of(frames[0]))
    engine = FakeEngine()
    floor = Floor(frames, Roi(160, 60, 320, 360), model.spec.preprocessing, engine, panel, 80)
    for _ in range(7):
        assert floor.step().startswith(b"\xff\xd8")
    assert engine.calls == 7
    assert {step: len(floor.wall_ms[step]) for step in STEPS} == dict.fromkeys(STEPS, 7)
    assert all(np.array_equal(a, b) for a, b in zip(frames[0].planes, before, strict=True))


def test_decoder_goes_round(clip):
    decoder = Decoder(clip)
    decoder.play(60)
    decoder.close()
    assert len(decoder.copy_ms) == 60


def test_loops_take_turns_forwards_and_backwards():
    played = []
    loops = {name: lambda frames, name=name: played.append((name, frames)) for name in ("a", "b")}
    tracks = take_turns(loops, 5, 1e-6, Quiet(), lambda done: None, {})
    assert [track.rounds for track in tracks] == [list(range(MIN_ROUNDS))] * 2
    assert played[2:] == [("a", 5), ("b", 5), ("b", 5), ("a", 5)] * (MIN_ROUNDS // 2)


def test_what_another_process_does_until_the_next_turn_counts_for_its_loop():
    loops = dict.fromkeys("ab", lambda frames: None)
    spent = itertools.accumulate(itertools.count(1), lambda total, ms: total + ms * 1_000_000)
    a, b = take_turns(loops, 1, 1e-6, Quiet(), lambda done: None, {"b": lambda: next(spent)})
    assert [round(cpu) for cpu in b.cpu_ms] == list(range(2, MIN_ROUNDS + 2))
    assert max(a.cpu_ms) < 1.0


def test_command_prints_ratios_and_shares_of_one_run(model, clip, tmp_path, capsys):
    argv = ["bench", "pipeline", str(model.path), "--source", str(clip), "--precision", "fp32"]
    argv += ["--against", "naive", "--seconds", "0.1", "--threads", "1", "--json"]
    assert run([*argv, "--out", str(tmp_path / "out")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["reference"] == "naive fp32"
    assert ("sonocart", "naive fp32", "cpu mean") in {
        (c["track"], c["reference"], c["metric"]) for c in printed["comparisons"]
    }
    assert printed["figures"]["inferences per frame"] == 1.0
    assert printed["figures"]["outside decode, network and JPEG, CPU ms"] > 0
    assert read_result(tmp_path / "out").track("prepare").cpu_ms
    assert "Stages of a frame" in (tmp_path / "out/report.html").read_text()


def test_live_pace_tells_latency_age_and_drops(model, tmp_path, monkeypatch, capsys):
    """Five pictures a second: what a stalled decoder makes up for stays far below the pace of MAX."""
    clip = write_clip(tmp_path / "clip.mp4", [tissue(k, 480, 640) for k in range(25)], fps=5)
    monkeypatch.setattr("edge.bench.live.WARM_UP_SECONDS", 0.5)
    argv = ["bench", "pipeline", str(model.path), "--source", str(clip), "--precision", "fp32"]
    argv += ["--pace", "live", "--seconds", "1", "--threads", "1", "--json"]
    assert run([*argv, "--out", str(tmp_path / "out")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"frame in to presented", "frame in to frame out", "age of the estimate", "interval"} <= set(
        printed["summary"]
    )
    assert 0 < printed["figures"]["presented a second"] < 40
    assert printed["figures"]["dropped before they were presented"] >= 0


def test_what_cannot_be_measured_is_refused(model, clip, tmp_path, monkeypatch):
    argv = ["bench", "pipeline", str(model.path), "--precision", "fp32"]
    with pytest.raises(UsageError, match="--against needs"):
        run([*argv, "--source", str(clip), "--against", "naive", "--pace", "live"])
    with pytest.raises(UsageError, match="expected naive, openvino, ultralytics"):
        run([*argv, "--source", str(clip), "--against", "naive,quick"])
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UnavailableError, match="pip install openvino"):
        run([*argv, "--source", str(clip), "--against", "openvino"])
    grey = write_clip(tmp_path / "grey.mkv", [tissue(1)] * 3, codec="ffv1", pix_fmt="gray", options={})
    with pytest.raises(DataError, match="no 4:2:0"):
        run([*argv, "--source", str(grey)])


def test_a_clip_that_the_gates_withhold_in_part_is_compared_with_nothing(model, tmp_path):
    rng = np.random.default_rng(3)
    snow = [rng.integers(16, 235, (480, 640)).astype(np.uint8) for _ in range(30)]
    clip = write_clip(tmp_path / "half.mp4", [*(tissue(k, 480, 640) for k in range(30)), *snow])
    with pytest.raises(DataError, match=r"half\.mp4.* [0-9.]+% of the pictures.*nothing can be"):
        measure_pipeline(Setup(model, "fp32", 1), clip, ["naive"], 0.5, {}, lambda _done: None)


def test_a_clip_that_the_gates_withhold_whole_is_refused_by_name(model, tmp_path):
    rng = np.random.default_rng(3)
    lumas = [rng.integers(16, 235, (480, 640)).astype(np.uint8) for _ in range(12)]
    clip = write_clip(tmp_path / "snow.mp4", lumas)
    with pytest.raises(DataError, match=r"snow\.mp4.*no picture was analysed"):
        measure_pipeline(Setup(model, "fp32", 1), clip, ["naive"], 0.5, {}, lambda _done: None)
