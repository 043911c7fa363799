"""The GPU's timings run to their end, here on two clocks, of a GPU and of Python, instead of works."""

import json

import pytest

from calibration import kernel_timing
from edge.errors import UnavailableError
from tests.engines.fake_gpu import FakeDriver, Gpu
from tests.fakes import spec

WORK_US, COPY_US, PYTHON_US = 4.0, 8.0, 50.0


class Clock:
    """Microseconds of a GPU that idles until Python has started something; works end one after the other."""

    def __init__(self, gpu):
        self.python = self.gpu = 0.0
        self._recorded = gpu.do
        self._device = gpu
        gpu.do = self.start

    def start(self, work, us=WORK_US):
        if self._device.recording is None:
            self.python += PYTHON_US
        self._recorded(lambda: self.pass_by(us))

    def pass_by(self, us):
        self.gpu = max(self.gpu, self.python) + us

    def event(self):
        clock = self

        class Event:
            def record(self, stream):
                self.us = max(clock.gpu, clock.python)

            def synchronize(self):
                clock.python = max(clock.gpu, clock.python)

            def time_till(self, other):
                return (other.us - self.us) / 1000

        return Event()


def test_every_format_and_the_panel_are_timed_without_pythons_launching(kernels, monkeypatch, tmp_path):
    gpu = Gpu(spec(), lambda frame: 0.5)
    gpu.kernels = kernels
    gpu.install(monkeypatch)
    import pycuda.driver

    copied = []

    def copy(target, source, size, stream):
        copied.append(size)
        clock.start(None, COPY_US)

    clock = Clock(gpu)
    monkeypatch.setattr(pycuda.driver, "Event", clock.event)
    monkeypatch.setattr(pycuda.driver, "memcpy_dtod_async", copy, raising=False)
    monkeypatch.setattr(kernel_timing, "load_driver", lambda: FakeDriver(gpu))
    monkeypatch.setattr(kernel_timing, "REPEATS", 3)
    kernel_timing.main(tmp_path)
    found = json.loads((tmp_path / "kernels-fake-orin.json").read_text())
    assert set(found["prepare"]) == {"GRAY8", "NV12", "I420", "YUYV", "BGR24"}
    rows = [*found["prepare"].values(), found["panel"]]
    assert {row["bytes"] for row in rows} == set(copied)
    assert {(row["kernel_us"], row["copy_us"], row["ratio"]) for row in rows} == {(WORK_US, COPY_US, 0.5)}
    assert gpu.pushed == 0


def test_machine_without_a_gpu_is_told_before_anything_is_made(monkeypatch, tmp_path):
    def absent():
        raise UnavailableError("no NVIDIA driver on this machine")

    monkeypatch.setattr(kernel_timing, "load_driver", absent)
    with pytest.raises(UnavailableError, match="no NVIDIA driver"):
        kernel_timing.main(tmp_path)
    assert not list(tmp_path.iterdir())
