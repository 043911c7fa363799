"""What the cart computed can be computed again, bit by bit; the box's memory never grows."""

import logging
import threading
from dataclasses import replace

import numpy as np
import pytest

from edge.blackbox import box as box_module
from edge.blackbox.box import BlackBox
from edge.blackbox.recording import Subject, read_recording, write_recording
from edge.blackbox.replay import _figures, _text, in_force, replay
from edge.cli import run
from edge.contract.preprocess import prepare
from edge.contract.roi import Roi
from edge.contract.spec import OperatingPoint
from edge.engines.base import EngineError, Inference
from edge.engines.worker import Answer, EngineWorker
from edge.errors import CannotCreateError, DataError, NoInputError
from edge.exam.desk import Choices, Desk
from edge.exam.evidence import Sums
from edge.exam.examination import Examination
from edge.exam.reading import Identity
from edge.loop import Parts, run_loop
from edge.sources.base import Pace
from edge.sources.capture import Capture
from edge.timing import Timing
from tests.clips import i420, tissue
from tests.fakes import FakeEngine, spec
from tests.patience import PATIENCE_S
from tests.test_loop import POINT, ROI, Pictures

SUBJECT = Subject("fake", "0" * 12, "fp32", "fake", "balanced", 0.5)


def record(tmp_path, count=25, engine=FakeEngine, desk=None, outputs=(), **options):
    """Run the cart's own loop over some pictures with a black box."""
    box = BlackBox(32, 24, SUBJECT, tmp_path, luma_bytes=1 << 20)
    timing = Timing()
    worker = EngineWorker(engine, timing, **options)
    worker.wait_ready()
    capture = Capture(Pictures([tissue(i) for i in range(count)]), Pace.MAX, timing)
    desk = desk or Desk(spec(), Choices(ROI, POINT))
    identity, examination = Identity("fake", "0" * 12, "fp32"), Examination("field")
    stop, size = threading.Event(), spec().preprocessing
    parts = Parts(capture, worker, examination, size, identity, desk, outputs, timing, Pace.MAX, stop, box)
    capture.start()
    try:
        run_loop(parts)
    finally:
        capture.close()
        worker.close()
    return box


@pytest.fixture
def recording(tmp_path):
    box = record(tmp_path)
    assert box.dump(tmp_path / "x.sono", "test") == 25
    box.close()
    return read_recording(tmp_path / "x.sono")


def test_replay_is_bit_exact(recording):
    steps = replay(recording, FakeEngine())
    assert {name: (step.run, step.same) for name, step in steps.items()} == {
        "prepare": (25, 25),
        "network": (25, 25),
        "evidence": (25, 25),
    }


def test_other_network_is_found_out_at_its_first_picture(recording):
    steps = replay(recording, FakeEngine(lambda tensor: float(tensor.mean()) / 255 + 1e-7))
    assert steps["prepare"].same == steps["evidence"].same == 25
    assert steps["network"].same == 0
    assert steps["network"].first == 0
    assert 0 < steps["network"].largest < 2e-7


def test_changed_pixel_is_found_out(recording):
    entry = recording.entries[7]
    luma = bytearray(entry.luma)
    luma[: len(luma) // 2] = bytes(len(luma) // 2)
    entry.luma = bytes(luma)
    steps = replay(recording, FakeEngine())
    assert steps["prepare"].first == entry.sequence
    assert steps["prepare"].same == 24


class DeviceEngine(FakeEngine):
    """Makes its tensors itself, as a GPU does: some grey levels off where `prepare` rounds otherwise."""

    def __init__(self, levels):
        super().__init__()
        self.levels = levels

    def stage(self, frame, roi):
        self.tensor = prepare(frame, roi, 32, 24)
        self.tensor[0, 0, 5, 5] ^= self.levels  # 1 or 2 levels up or down
        return True

    def infer_staged(self):
        return self.infer(self.tensor), self.tensor.copy()


def replayed(tmp_path, engine):
    box = record(tmp_path, engine=engine)
    box.dump(tmp_path / "x.sono", "test")
    box.close()
    recording = read_recording(tmp_path / "x.sono")
    steps = replay(recording, FakeEngine())
    return recording, steps, _figures(tmp_path / "x.sono", recording, steps, POINT)


def test_a_tensor_that_the_gpu_made_may_be_one_grey_level_off_and_that_is_said(tmp_path):
    recording, steps, figures = replayed(tmp_path, lambda: DeviceEngine(1))
    assert all(step.run == step.same == 25 for step in steps.values())
    assert figures["steps"]["prepare"]["within_one_level"] == 25
    assert not figures["identical"]
    assert "25 made by the GPU within one grey level" in _text(figures, recording, steps, POINT)


def test_two_grey_levels_are_a_difference_also_on_a_gpu(tmp_path):
    _, steps, _ = replayed(tmp_path, lambda: DeviceEngine(2))
    assert (steps["prepare"].same, steps["prepare"].largest) == (0, 2)


def test_one_grey_level_is_a_difference_where_the_cpu_made_the_tensor(recording):
    entry = recording.entries[4]
    entry.tensor = bytes([entry.tensor[0] ^ 1]) + entry.tensor[1:]
    steps = replay(recording, FakeEngine())
    assert (steps["prepare"].same, steps["prepare"].first) == (24, entry.sequence)


def test_what_a_gpu_made_before_it_failed_is_not_known_and_not_compared(tmp_path):
    class Broken(DeviceEngine):
        def infer_staged(self):
            raise EngineError("context lost")

    _, steps, _ = replayed(tmp_path, lambda: Broken(0))
    assert steps["prepare"].run == 0


def test_failed_network_leaves_its_reason_and_no_risk(tmp_path):
    box = record(tmp_path, 6, engine=lambda: FakeEngine(lambda tensor: float("nan")))
    box.close()
    files = list(tmp_path.glob("blackbox-*.sono"))
    assert len(files) == 1  # a fault writes a file by itself, and not one for each picture
    entries = read_recording(files[0]).entries
    assert entries[0].risk is None
    assert "no risk" in entries[0].reason


def test_file_that_was_asked_for_is_no_warning_and_a_fault_is_one(tmp_path, caplog):
    caplog.set_level(logging.INFO, "edge.blackbox.box")
    told = []
    for fault in (False, True):
        box = BlackBox(32, 24, SUBJECT, tmp_path, luma_bytes=1 << 20, tell=told.append)
        box.request("a reason", fault=fault)
        box.close()
    assert [record.levelno for record in caplog.records] == [logging.INFO, logging.WARNING]
    assert [words.startswith("last minute: 0 risks written to blackbox-") for words in told] == [True, True]


def fill(box, count, side):
    frame = i420(tissue(0, 96, 128))
    for index in range(count):
        one = i420(tissue(0, 96, 128), sequence=index, captured_ns=index * 33_000_000)
        roi = Roi(0, 0, side, side)
        box.ask(one.part(roi), roi, (128, 96), np.full((1, 1, 24, 32), index % 256, np.uint8), POINT)
        box.answer(Answer(index, 0, Inference(0.5, np.zeros((1, 1)), 0.0), ""), 1.0, Sums(), Sums())
    return frame


def test_network_that_hangs_is_a_fault_with_a_file(tmp_path):
    free = threading.Event()
    hanging = FakeEngine(lambda tensor: free.wait(PATIENCE_S) and 0.5)
    made = iter([hanging])
    record(tmp_path, engine=lambda: next(made, None) or FakeEngine(), deadline_s=0.3).close()
    free.set()
    (path,) = tmp_path.glob("blackbox-*.sono")
    found = read_recording(path)
    assert found.reason == "the network does not answer"
    assert found.entries[0].reason == "the network does not answer"


class Switch:
    """An operator who chooses another operating point at the picture with number `at`."""

    def __init__(self, desk, at, point):
        self._desk, self._at, self._point = desk, at, point

    def present(self, frame, reading):
        if frame.sequence == self._at:
            self._desk.choose(point=self._point)

    def note(self, reading):
        pass


def test_each_picture_is_held_to_the_operating_point_that_was_in_force(tmp_path):
    desk, brave = Desk(spec(), Choices(ROI, POINT)), OperatingPoint(name="brave", threshold=0.01)
    box = record(tmp_path, desk=desk, outputs=(Switch(desk, 9, brave),))
    box.dump(tmp_path / "x.sono", "test")
    box.close()
    recording = read_recording(tmp_path / "x.sono")
    assert [entry.point for entry in recording.entries] == ["balanced"] * 10 + ["brave"] * 15
    steps = replay(recording, FakeEngine())
    figures = _figures(tmp_path / "x.sono", recording, steps, POINT)
    assert (figures["above_recorded"], figures["above_chosen"], figures["estimates"]) == (15, 0, 25)
    assert "15 of 25 at balanced (0.5), then brave (0.01), 0 at balanced (0.5)" in _text(
        figures, recording, steps, POINT
    )


def test_file_of_an_older_package_has_the_operating_point_of_its_start(recording):
    for entry in recording.entries:
        entry.point, entry.threshold = "", None
    assert {in_force(recording, entry) for entry in recording.entries} == {POINT}


def test_memory_is_taken_at_the_start_and_the_newest_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(box_module, "RATE", 1)
    box = BlackBox(32, 24, SUBJECT, tmp_path, luma_bytes=10_000)
    before = box._tensors.ctypes.data, box._luma.ctypes.data
    fill(box, 150, 40)
    assert (box._tensors.ctypes.data, box._luma.ctypes.data) == before
    box.dump(tmp_path / "x.sono", "test")
    entries = read_recording(tmp_path / "x.sono").entries
    assert [entry.sequence for entry in entries] == list(range(90, 150))
    assert [entry.tensor[0] for entry in entries] == list(range(90, 150))
    assert [entry.sequence for entry in entries if entry.luma is not None] == list(range(144, 150))
    box.close()


def test_a_whole_minute_of_a_fast_source_is_held(tmp_path):
    box = BlackBox(32, 24, SUBJECT, tmp_path, luma_bytes=10_000)
    roi = Roi(0, 0, 8, 8)
    part = i420(tissue(0)).part(roi)
    for index in range(4000):
        one = replace(part, sequence=index, captured_ns=index * 1_000_000_000 // 60)
        box.ask(one, roi, (128, 96), np.zeros((1, 1, 24, 32), np.uint8), POINT)
    assert box.dump(tmp_path / "x.sono", "test") == 60 * 60
    box.close()


def test_only_the_last_minute_is_written(tmp_path):
    box = BlackBox(32, 24, SUBJECT, tmp_path, luma_bytes=10_000)
    fill(box, 1, 8)
    late = i420(tissue(0), sequence=9, captured_ns=61_000_000_000)
    roi = Roi(0, 0, 8, 8)
    box.ask(late.part(roi), roi, (128, 96), np.zeros((1, 1, 24, 32), np.uint8), POINT)
    assert box.dump(tmp_path / "x.sono", "test") == 1
    box.close()


def test_picture_larger_than_the_room_is_held_by_its_tensor_alone(tmp_path):
    box = BlackBox(32, 24, SUBJECT, tmp_path, luma_bytes=100)
    fill(box, 3, 40)
    assert box.dump(tmp_path / "x.sono", "test") == 3
    assert all(entry.luma is None for entry in read_recording(tmp_path / "x.sono").entries)
    box.close()


def test_file_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    box = BlackBox(32, 24, SUBJECT, tmp_path, luma_bytes=100)
    with pytest.raises(CannotCreateError):
        box.dump(tmp_path / "file" / "x.sono", "test")
    box.close()


@pytest.mark.parametrize("change", ["cut", "noise", "schema"])
def test_damaged_file_is_refused(recording, tmp_path, change):
    path = tmp_path / "x.sono"
    data = path.read_bytes()
    if change == "schema":
        recording.schema = 99
        write_recording(path, recording)
    else:
        path.write_bytes(data[:-9] if change == "cut" else b"noise")
    with pytest.raises(DataError, match=r"x\.sono"):
        read_recording(path)


def test_file_of_a_box_that_had_seen_nothing_is_no_success(tmp_path):
    box = BlackBox(32, 24, SUBJECT, tmp_path, luma_bytes=1 << 20)
    assert box.dump(tmp_path / "x.sono", "asked for by signal") == 0
    box.close()
    with pytest.raises(DataError, match=r"no picture.*asked for by signal"):
        run(["replay", str(tmp_path / "x.sono"), str(tmp_path / "bundle")])


def test_file_and_its_new_folder_are_nobody_elses(tmp_path):
    box = record(tmp_path)
    path = tmp_path / "box" / "x.sono"
    box.dump(path, "test")
    box.close()
    assert path.stat().st_mode & 0o7 == path.parent.stat().st_mode & 0o7 == 0


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(NoInputError):
        read_recording(tmp_path / "none")


def test_fault_that_comes_again_and_again_fills_no_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(box_module, "KEPT", 3)
    years = (2020, 2099, 2019, 2098, 1970)  # as the wall clock said, which is set at will
    for number, year in enumerate(years, start=1):
        (tmp_path / f"blackbox-{number:06}-{year}0101T000000.sono").write_bytes(b"")
    box = record(tmp_path)
    box.request("asked for")
    box.close()
    names = sorted(path.name for path in tmp_path.glob("*.sono"))
    assert [name[9:15] for name in names] == ["000004", "000005", "000006"]
