"""The GPU's timings run to their end, here over the kernels' CPU build and a clock that stands still."""

import json

import pytest

from calibration import kernel_timing
from edge.errors import UnavailableError
from tests.engines.fake_gpu import FakeDriver, Gpu
from tests.fakes import spec


def test_every_format_and_the_panel_are_timed(kernels, monkeypatch, tmp_path):
    gpu = Gpu(spec(), lambda frame: 0.5)
    gpu.kernels = kernels
    gpu.install(monkeypatch)
    import pycuda.driver

    copied = []
    monkeypatch.setattr(pycuda.driver, "memcpy_dtod_async", lambda *a: copied.append(a[2]), raising=False)
    monkeypatch.setattr(kernel_timing, "load_driver", lambda: FakeDriver(gpu))
    monkeypatch.setattr(kernel_timing, "REPEATS", 1)
    kernel_timing.main(tmp_path)
    found = json.loads((tmp_path / "kernels-fake-orin.json").read_text())
    assert set(found["prepare"]) == {"GRAY8", "NV12", "I420", "YUYV", "BGR24"}
    rows = [*found["prepare"].values(), found["panel"]]
    assert [row["bytes"] for row in rows] == copied
    assert all(row["ratio"] == 1.0 for row in rows)
    assert gpu.pushed == 0


def test_machine_without_a_gpu_is_told_before_anything_is_made(monkeypatch, tmp_path):
    def absent():
        raise UnavailableError("no NVIDIA driver on this machine")

    monkeypatch.setattr(kernel_timing, "load_driver", absent)
    with pytest.raises(UnavailableError, match="no NVIDIA driver"):
        kernel_timing.main(tmp_path)
    assert not list(tmp_path.iterdir())
